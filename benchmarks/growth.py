"""Cost of an attack against its numbers of particles and images.

    python -m benchmarks.growth '{"method": "pgd", "particles": 50, "images": 1000}'

prints one point as JSON.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.cases import minibatch, target
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.errors import InputError

PARTICLES = (50, 100, 200, 500, 1000, 2000)
IMAGES = (1000, 3000, 10000, 30000, 60000)
Point = dict[str, float]


def growth() -> dict[str, list[Point]]:
    """Time and peak memory against particles and images, each point in a new process."""
    by_particles = [new_process(method="blob", particles=m, images=2000) for m in PARTICLES]
    by_images = [new_process(method="blob", particles=200, images=n) for n in IMAGES]
    return {"particles": by_particles, "images": by_images}


def new_process(**options: object) -> Point:
    """`point` in a new process, whose peak memory is the memory of the attack."""
    command = [sys.executable, "-m", __name__, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"benchmark: {options}: the measurement failed: {done.stderr[-300:]}")
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
    """Peak memory of this process in bytes.

    Linux starts ru_maxrss at the memory of the parent process, and VmHWM at 0.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        return 1024 * int(peak)
    import resource  # missing on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(point(**json.loads(sys.argv[1]))))
