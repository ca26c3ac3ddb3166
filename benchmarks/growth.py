"""How the cost of an attack grows with particles and images.

    python -m benchmarks.growth '{"method": "pgd", "particles": 50, "images": 1000}'

prints one point as JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.contestants import minibatch, target
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.errors import InputError

PARTICLES = (50, 100, 200, 500, 1000, 2000)
IMAGES = (1000, 3000, 10000, 30000, 60000)
Point = dict[str, float]


def growth() -> dict[str, list[Point]]:
    """Time and peak memory against particles and images, each point in a process of its own."""
    by_particles = [point_apart(method="blob", particles=m, images=2000) for m in PARTICLES]
    by_images = [point_apart(method="blob", particles=200, images=n) for n in IMAGES]
    return {"particles": by_particles, "images": by_images}


def point_apart(**options: object) -> Point:
    """`point` in a process of its own, so that the memory is that of the attack alone."""
    command = [sys.executable, "-m", __name__, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"benchmark: {options}: expected a time, got {done.stderr[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


def point(method: str, particles: int, images: int) -> Point:
    """Microseconds per image-step and peak gigabytes of 10 steps on the small network."""
    attacked = target("locuslab")
    x, y = minibatch(attacked.image_shape, images)
    config = AttackConfig(method, steps=10, batch_size=particles, eps=0.3, step_size=0.01)
    attack = Attack(attacked, config)
    attack(x[: 2 * particles], y[: 2 * particles])
    begin = time.perf_counter()
    attack(x, y)
    seconds = time.perf_counter() - begin
    return {
        "particles": particles,
        "images": images,
        "microseconds_per_image_step": round(1e6 * seconds / images / 10, 2),
        "gigabytes": round(peak_memory() / 1e9, 3),
    }


def peak_memory() -> int:
    """The most memory that this process held, in bytes.

    Linux starts ru_maxrss at the memory of the process that started this one, and VmHWM at 0.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        assert found is not None
        return 1024 * int(found[1])
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(point(**json.loads(sys.argv[1]))))
