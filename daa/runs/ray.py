"""Units of work on a Ray cluster.

A unit is a function of (seed, restart), so it gives the same result on every machine. A restart is
never split over machines: its images are the particles of one distribution and are shuffled
together, so that parts of them would be another attack.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from daa.attacks.attack import Attack
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Engine, Result, run_unit
from daa.errors import InputError
from daa.runs import device
from daa.target import Target
from daa.tensorflow import tf

# A unit whose worker dies is run again on another one so many times.
RETRIES = 3


def on_ray(
    load: functools.partial[Target],
    sha256: str | None,
    x: np.ndarray,
    y: np.ndarray,
    *,
    jit: bool | None = None,
    address: str | None = None,
    cpus_per_unit: int = 1,
) -> Engine:
    """Makes an engine of a Ray cluster: one unit per GPU, or per `cpus_per_unit` without GPUs.

    The engine hands out twice as many units as the cluster runs at once. So no worker waits, and
    few results wait for their turn. A unit whose worker dies runs again elsewhere.

    Args:
        load: makes the target from a function of an installed package. Every worker calls it, so
            the weights lie on each machine.
        sha256: hash that those weights must have.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        jit: as of `Attack`.
        address: of the cluster, as ray.init takes it; None starts a cluster on this machine.
        cpus_per_unit: processor cores of a unit, and its threads.

    Returns:
        An engine of `worst_cases`. It connects when it is first asked for a result.

    Raises (the engine):
        InputError: no Ray, no such cluster, no machine with so many cores, weights that differ, or
            a unit whose workers died `RETRIES` + 1 times, or a cluster whose head died.
    """

    def engine(units: Iterator[Unit | None]) -> Iterator[tuple[Unit, Result]]:
        ray = _connect(address)
        with _ending(ray):
            slots, resources = _slots(ray, cpus_per_unit)
            work = ray.remote(max_retries=RETRIES, **resources)(_work)
            images, labels = ray.put(x), ray.put(y)
            source = (load.func, load.args, tuple(sorted(load.keywords.items())), sha256)
            running: dict[Any, Unit] = {}
            while True:
                # None ends a round: the next unit depends on results that are not there yet.
                while len(running) < 2 * slots and (unit := next(units, None)) is not None:
                    task = work.remote(source, images, labels, unit, jit, cpus_per_unit)
                    running[task] = unit
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                unit = running.pop(done)
                yield unit, _result(ray, unit, done)

    return engine


@contextmanager
def _ending(ray: Any) -> Iterator[None]:
    """Leaves the cluster in the end, also where its head has died.

    Raises:
        InputError: the head, or the driver's connection to it, is gone.
    """
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise InputError(
            f"ray: expected a cluster that goes on, got {type(error).__name__}; what is finished "
            "is kept, the same command goes on from there"
        ) from error
    finally:
        with contextlib.suppress(Exception):  # a head that has died answers no goodbye
            ray.shutdown()


def _result(ray: Any, unit: Unit, task: Any) -> Result:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise InputError(
            f"ray: restart {unit.restart} of {unit.config.method}: expected a result, got "
            f"{type(error).__name__} after {RETRIES + 1} tries"
        ) from error


def _connect(address: str | None) -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("ray: expected the package ray, got none; pip install ray") from None
    try:
        if address and ":" in address:
            # Ray itself waits without end for a head that is not there.
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address or "local", log_to_driver=False, logging_level="error")
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"address: expected a Ray cluster at {address}, got {error}") from error
    return ray


def _slots(ray: Any, cpus_per_unit: int) -> tuple[int, dict[str, float]]:
    """How many units the cluster runs at once, and what each of them asks for."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    fit = sum(int(node.get("CPU", 0)) // cpus_per_unit for node in nodes)
    if not fit:
        most = int(max((node.get("CPU", 0) for node in nodes), default=0))
        raise InputError(
            f"cpus per unit: expected at most {most}, the cores of the largest machine of the "
            f"cluster, got {cpus_per_unit}"
        )
    return fit, {"num_cpus": cpus_per_unit}


# How a worker makes its target: function, arguments, named arguments, hash of the weights. Unlike a
# partial, it compares equal to the same one that came with an earlier unit.
Source = tuple[Callable[..., Target], tuple[Any, ...], tuple[tuple[str, Any], ...], str | None]


def _work(
    source: Source, x: np.ndarray, y: np.ndarray, unit: Unit, jit: bool | None, threads: int
) -> Result:
    """Runs a unit in a worker process."""
    _prepare(threads)
    result = run_unit(Attack(_target(source), unit.config, jit), x, y, unit)
    return replace(result, device=device.name())


@functools.lru_cache(maxsize=1)
def _prepare(threads: int) -> None:
    """Settings that TensorFlow takes only once in a process, before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    device.prepare()


@functools.lru_cache(maxsize=1)
def _target(source: Source) -> Target:
    """The target of this worker, which keeps the graphs of its attacks."""
    function, arguments, named, sha256 = source
    target = function(*arguments, **dict(named))
    if target.weights_sha256 != sha256:
        raise InputError(
            f"{target.name}: expected weights with sha256 {sha256} on every machine, "
            f"got {target.weights_sha256} on {socket.gethostname()}"
        )
    return target
