"""Where units of work run: in this process, or on a Ray cluster.

A unit is one restart of one attack over all images. It is a function of (seed, restart), so every
engine gives the same results. A restart is never split over machines: its images are the particles
of one distribution and are shuffled together, so that parts of them would be another attack.
"""

from __future__ import annotations

import collections
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from daa import device
from daa.attack import Attack, AttackConfig
from daa.errors import InputError
from daa.evaluate import one_restart
from daa.target import Target

# A unit whose worker dies is run again on another one so many times.
RETRIES = 3
# Adversarial images [N, H, W, C], margins [N], seconds, name of the device.
Result = tuple[np.ndarray, np.ndarray, float, str]


@dataclass(frozen=True)
class Unit:
    """One restart of an attack."""

    config: AttackConfig
    seed: int
    restart: int


def local(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    units: Iterable[Unit],
    jit: bool | None = None,
    on_steps: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Runs units one after another in this process.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        units: those of one attack stand together, as it is compiled for them once.
        jit: of `Attack`.
        on_steps: called with the image-steps done since its last call.

    Yields:
        What is said at `Result` for each unit, in their order.
    """
    for config, group in itertools.groupby(units, key=lambda unit: unit.config):
        attack = Attack(target, config, jit)
        for unit in group:
            yield _timed(attack, x, y, unit, on_steps=on_steps)


def _timed(
    attack: Attack, x: np.ndarray, y: np.ndarray, unit: Unit, **options: Callable | None
) -> Result:
    begin = time.perf_counter()
    adv, margin = one_restart(attack, x, y, seed=unit.seed, restart=unit.restart, **options)
    return adv, margin, time.perf_counter() - begin, device.name()


def on_ray(
    load: partial[Target],
    sha256: str | None,
    x: np.ndarray,
    y: np.ndarray,
    units: Iterable[Unit],
    jit: bool | None = None,
    address: str | None = None,
    cpus_per_unit: int = 1,
) -> Iterator[Result]:
    """Runs units on a Ray cluster, one per GPU where it has any, else one per `cpus_per_unit`.

    Twice as many units as fit are handed out ahead, so that the results that wait for their turn
    stay few. A unit whose worker dies runs again elsewhere.

    Args:
        load: makes the target from a function of an installed package; every worker calls it, so
            its weights lie on each machine.
        sha256: that those weights must have.
        x, y, units, jit: as in `local`.
        address: of the cluster, as in ray.init; None starts one on this machine.
        cpus_per_unit: processor cores of a unit, and its threads.

    Yields:
        What is said at `Result` for each unit, in their order.

    Raises:
        InputError: no Ray, no such cluster, no machine with so many cores, a unit whose workers
            died `RETRIES` + 1 times.
    """
    ray = _connect(address)
    try:
        slots, resources = _slots(ray, cpus_per_unit)
        work = ray.remote(max_retries=RETRIES, **resources)(_work)
        images, labels = ray.put(x), ray.put(y)
        left, running = iter(units), collections.deque()

        def hand_out(count: int) -> None:
            for unit in itertools.islice(left, count):
                task = work.remote(load, sha256, images, labels, unit, jit, cpus_per_unit)
                running.append((unit, task))

        hand_out(2 * slots)
        while running:
            unit, task = running.popleft()
            try:
                result = ray.get(task)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"ray: restart {unit.restart} of {unit.config.method}: expected a result, got "
                    f"{type(error).__name__} after {RETRIES + 1} tries"
                ) from error
            hand_out(1)
            yield result
    finally:
        ray.shutdown()


def _connect(address: str | None):
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            "--engine ray: expected the package ray, got none; pip install ray"
        ) from None
    try:
        if address and ":" in address:
            # Ray itself waits without end for a head that is not there.
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address or "local", log_to_driver=False, logging_level="error")
    except (OSError, ValueError) as error:
        raise InputError(f"--address: expected a Ray cluster at {address}, got {error}") from error
    return ray


def _slots(ray, cpus_per_unit: int) -> tuple[int, dict[str, float]]:
    """How many units the cluster runs at once, and what each of them asks for."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    fit = sum(int(node.get("CPU", 0)) // cpus_per_unit for node in nodes)
    if not fit:
        most = int(max((node.get("CPU", 0) for node in nodes), default=0))
        raise InputError(
            f"--cpus-per-unit: expected at most {most}, the cores of the cluster's largest "
            f"machine, got {cpus_per_unit}"
        )
    return fit, {"num_cpus": cpus_per_unit}


# The attack of the last unit that this worker process ran, and what it was made from.
_last: tuple[object, Attack] | None = None


def _work(
    load: partial[Target],
    sha256: str | None,
    x: np.ndarray,
    y: np.ndarray,
    unit: Unit,
    jit: bool | None,
    threads: int,
) -> Result:
    global _last
    key = (load.func, load.args, sorted(load.keywords.items()), unit.config, jit)
    if _last is None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if _last is None or _last[0] != key:
        target = load()
        if target.weights_sha256 != sha256:
            raise InputError(
                f"{target.name}: expected weights with sha256 {sha256} on every machine, "
                f"got {target.weights_sha256} on {socket.gethostname()}"
            )
        _last = (key, Attack(target, unit.config, jit))
    return _timed(_last[1], x, y, unit)
