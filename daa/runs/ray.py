"""Units of work on a Ray cluster.

A unit is a function of (seed, restart), so every machine computes the same result. A restart is
never split over machines, because the images are the particles of one distribution.
"""

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
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

# How often a unit is tried again after the death of its worker.
RETRIES = 3
# How a worker loads its target: function, arguments, keyword arguments, hash of the weights. A
# partial would not compare equal to the partial of an earlier unit.
Source = tuple[Callable[..., Target], tuple[Any, ...], tuple[tuple[str, Any], ...], str | None]


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

    The engine submits twice as many units as the cluster has slots, so no worker waits. A unit
    whose worker dies runs again on another worker. Every worker calls `load`, a function of an
    installed package, so each machine needs the weights with the hash `sha256`. `address` is as in
    `ray.init`; None starts a cluster on this machine.
    """

    def engine(units: Iterator[Unit | None]) -> Iterator[tuple[Unit, Result]]:
        ray = _connect(address)
        source = (load.func, load.args, tuple(sorted(load.keywords.items())), sha256)
        running: dict[Any, Unit] = {}
        try:
            slots, resources = _slots(ray, cpus_per_unit)
            work = ray.remote(max_retries=RETRIES, **resources)(_work)
            images, labels = ray.put(x), ray.put(y)
            while True:
                # None: the next unit depends on results of running units.
                while len(running) < 2 * slots and (unit := next(units, None)) is not None:
                    task = work.remote(source, images, labels, unit, jit, cpus_per_unit)
                    running[task] = unit
                if not running:
                    return
                (task, *_), _ = ray.wait(list(running), num_returns=1)
                unit = running.pop(task)
                yield unit, ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise InputError(
                f"ray: the cluster failed ({type(error).__name__}): the head died, or "
                f"{RETRIES + 1} workers died during a unit; finished units are saved, run the same "
                "command again to continue"
            ) from error
        finally:
            with contextlib.suppress(Exception):  # the head may be dead
                ray.shutdown()

    return engine


def _connect(address: str | None) -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("ray: is not installed; install it with `pip install ray`") from None
    try:
        if address and ":" in address:
            # Ray itself would wait forever for a missing head.
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address or "local", log_to_driver=False, logging_level="error")
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"address: there is no Ray cluster at {address}: {error}") from error
    return ray


def _slots(ray: Any, cpus_per_unit: int) -> tuple[int, dict[str, float]]:
    """The number of units that the cluster runs at once, and the resources of each."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    cores = [int(node.get("CPU", 0)) for node in nodes]
    slots = sum(count // cpus_per_unit for count in cores)
    if not slots:
        raise InputError(
            f"cpus per unit: must be at most {max(cores, default=0)}, the cores of the largest "
            f"machine of the cluster, got {cpus_per_unit}"
        )
    return slots, {"num_cpus": cpus_per_unit}


def _work(
    source: Source, x: np.ndarray, y: np.ndarray, unit: Unit, jit: bool | None, threads: int
) -> Result:
    _prepare(threads)
    result = run_unit(Attack(_target(source), unit.config, jit), x, y, unit)
    return replace(result, device=device.name())


@functools.lru_cache(maxsize=1)
def _prepare(threads: int) -> None:
    """Settings that TensorFlow accepts only before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    device.prepare()


@functools.lru_cache(maxsize=1)
def _target(source: Source) -> Target:
    """The target of this worker; cached together with the graphs of its attacks."""
    function, arguments, keywords, sha256 = source
    target = function(*arguments, **dict(keywords))
    if target.weights_sha256 != sha256:
        raise InputError(
            f"{target.name}: the weights on {socket.gethostname()} differ: their sha256 must be "
            f"{sha256}, got {target.weights_sha256}"
        )
    return target
