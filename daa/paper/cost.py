"""Time and memory of one step of DAA on a network.

    python -m daa.paper.cost '{"reference": "FOLDER/NAME", "particles": 200}'

prints them as JSON; the memory is that of the whole process, so it is measured apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from daa import targets
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.errors import InputError
from daa.runs import device
from daa.target import Precision, Target

# Seconds of a step from which on one is timed alone.
_SLOW = 1.0


class Step(NamedTuple):
    """Seconds that a step took, and that processors worked on it, all cores together."""

    seconds: float
    processor: float


def step(
    target: Target,
    eps: float,
    particles: int,
    precision: Precision = "float32",
    jit: bool | None = None,
    repeats: int = 2,
) -> Step:
    """One DAA-BLOB step of a minibatch: the fastest of some, after one that traces.

    Fast steps are timed ten in a row, as an attack makes them, so that what an attack does around
    its steps counts as it does there.

    Args:
        target: the network.
        eps: radius, for images in [0, 1].
        particles: images of the minibatch, which are random.
        precision: of the gradients.
        jit: as of `Attack`.
        repeats: how many times it is timed.
    """
    rng = np.random.default_rng(0)
    x = rng.random((particles, *target.image_shape), dtype=np.float32)
    y = rng.integers(0, target.classes, particles)

    def timed(steps: int) -> Step:
        config = AttackConfig(
            "blob",
            eps=eps,
            step_size=eps / 10,
            steps=steps,
            steps_per_shuffle=steps,
            batch_size=particles,
            precision=precision,
        )
        attack = Attack(target, config, jit)
        begin = time.perf_counter(), time.process_time()
        attack(x, y)
        seconds, processor = time.perf_counter() - begin[0], time.process_time() - begin[1]
        return Step(seconds / steps, processor / steps)

    timed(1)  # traces
    first = timed(1)
    if first.seconds > _SLOW:
        return min([first, *(timed(1) for _ in range(repeats - 1))])
    return min(timed(10) for _ in range(repeats))


def measure(
    reference: str,
    particles: int,
    model_dir: str | None = None,
    precision: Precision = "float32",
    repeats: int = 2,
) -> dict[str, Any]:
    """Milliseconds of one step, and peak gigabytes of this process."""
    device.prepare()
    target = targets.load_target(reference, model_dir=model_dir)
    eps = targets.row(reference).eps
    found = step(target, eps, particles, precision, repeats=repeats)
    return {
        "target": reference,
        "precision": precision,
        "particles": particles,
        "ms_per_step": round(1000 * found.seconds, 1),
        # On a busy machine this says more than the time by the clock.
        "processor_ms_per_step": round(1000 * found.processor, 1),
        "gigabytes": round(device.peak_memory() / 1e9, 2),
        "device": device.name(),
    }


def measure_apart(**options: Any) -> dict[str, Any]:
    """`measure` in a process of its own.

    Raises:
        InputError: that process failed, as when the memory does not do.
    """
    command = [sys.executable, "-m", __name__, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise InputError(f"{options['reference']}: expected the cost of a step, got {why}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
