"""Kills an experiment at random moments: python tests/survive.py --kills 50.

After each SIGKILL all records are readable and no restart in a state is lost. After the last one,
the experiment runs to its end; its records and states equal those of an undisturbed run byte for
byte, except for the times. The checkout must not change meanwhile, as records name its commit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

TESTS = Path(__file__).parent
SCRIPT = TESTS.parent / "scripts" / "reproduce.py"
# The processes import the target folder of the tests like an installed package.
PATHS = [str(TESTS / "plug"), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, PATHS))}
CONFIG = """
name: survivor
title: Survivor
target: tiny/cnn
restarts: 4
attack: {eps: 0.15, step_size: 0.001, steps: 50, batch_size: 50, steps_per_shuffle: 10}
rows:
  - {method: pgd, loss: xent}
  - {method: momentum, loss: cw}
  - {method: blob, loss: xent}
  - {method: dgf, loss: cw}
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        killed = survive(Path(name), args.kills, random.Random(args.seed))
    print(f"{killed} runs killed; records and states equal those of an undisturbed run")
    return 0


def survive(folder: Path, kills: int, rng: random.Random) -> int:
    """Kills until `kills` runs have died, and compares; returns how many died."""
    config = folder / "survivor.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    script = [sys.executable, SCRIPT, config, "--images", "250", "--out"]
    quiet = {"check": True, "capture_output": True, "env": ENVIRONMENT}
    begin = time.perf_counter()
    subprocess.run([*script, folder / "expected"], **quiet)
    seconds = time.perf_counter() - begin
    out, killed = folder / "killed", 0
    before: dict[str, int] = {}
    bar = tqdm(total=kills, unit="kill")
    while killed < kills:
        finished = len(list(out.glob("*/*-*.json"))) == CONFIG.count("method:")
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*script, out, *(["--force"] if finished else [])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=rng.uniform(0.2, 1) * seconds)
            if finished:  # the machine is less busy now; the next kill must hit a running process
                seconds = time.perf_counter() - begin
        process.kill()
        process.wait()
        if process.returncode not in (0, -9):
            raise AssertionError(f"a resumed run ended with exit code {process.returncode}")
        killed += process.returncode == -9
        bar.update(killed - bar.n)
        now = restarts(out)
        lost = [run for run, count in before.items() if now.get(run, 0) < count and not finished]
        assert not lost, f"restarts of {lost} were lost"
        before = now
    subprocess.run([*script, out], **quiet)
    compare(folder / "expected" / "survivor", out / "survivor")
    return killed


def restarts(out: Path) -> dict[str, int]:
    """Finished restarts of each run; raises an error if a file is damaged."""
    counts = {}
    for path in out.glob("*/*.npz"):
        with np.load(path) as arrays:
            counts[path.stem] = len(arrays["unit_size"])
    for path in out.glob("*/*-*.json"):
        counts[path.stem] = len(json.loads(path.read_text())["accuracy_per_restart"])
    return counts


def compare(expected: Path, folder: Path) -> None:
    """Checks that records and states are equal, except for the times."""
    names = sorted(path.name for path in expected.iterdir() if path.suffix in (".json", ".npz"))
    assert names == sorted(p.name for p in folder.iterdir() if p.suffix in (".json", ".npz"))
    for name in names:
        if name.endswith(".json"):
            a, b = ((f / name).read_bytes() for f in (expected, folder))
            assert re.sub(rb'"seconds": [\d.]+', b"", a) == re.sub(rb'"seconds": [\d.]+', b"", b)
        else:
            with np.load(expected / name) as a, np.load(folder / name) as b:
                for key in set(a.files) - {"seconds"}:
                    assert a[key].tobytes() == b[key].tobytes(), (name, key)


if __name__ == "__main__":
    raise SystemExit(main())
