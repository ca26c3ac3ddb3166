"""Kills an experiment at random moments: python tests/survive.py --kills 50.

After each SIGKILL all records are whole and no finished restart is lost. After the last one the
experiment is run to its end, and its records and images equal those of an undisturbed run byte for
byte, apart from the times. The checkout must stay as it is meanwhile, as records name its commit.
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

ROOT = Path(__file__).parent.parent
CONFIG = """
name: survivor
title: Survivor
target: tiny/cnn
restarts: 4
attack: {eps: 0.15, step_size: 0.001, steps: 100, batch_size: 50, steps_per_shuffle: 10}
rows:
  - {method: pgd, loss: xent}
  - {method: momentum, loss: cw}
  - {method: blob, loss: xent}
  - {method: dgf, loss: cw}
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plug")])
    with tempfile.TemporaryDirectory() as name:
        killed = survive(Path(name), args.kills, random.Random(args.seed))
    print(f"{killed} runs killed; records and images equal an undisturbed run's")
    return 0


def survive(folder: Path, kills: int, rng: random.Random) -> int:
    """Kills until `kills` runs have died and compares; returns how many did."""
    config = folder / "survivor.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    script = [sys.executable, ROOT / "scripts" / "reproduce.py", config, "--images", "250", "--out"]
    begin = time.perf_counter()
    subprocess.run([*script, folder / "whole"], check=True, capture_output=True)
    whole_seconds = time.perf_counter() - begin
    out, killed = folder / "killed", 0
    done: dict[str, int] = {}
    bar = tqdm(total=kills, unit="kill")
    while killed < kills:
        anew = all_finished(out)
        command = [*script, out, *(["--force"] if anew else [])]
        done = {} if anew else done
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=rng.uniform(0.2, 1) * whole_seconds)
            if anew:
                # The machine is less busy than it was, and the moments are to fall within a run.
                whole_seconds = time.perf_counter() - begin
        process.kill()
        process.wait()
        if process.returncode not in (0, -9):
            raise AssertionError(f"a resumed run ended with status {process.returncode}")
        killed += process.returncode == -9
        bar.update(killed - bar.n)
        now = restarts(out)
        if not anew:
            lost = [run for run, count in done.items() if now.get(run, 0) < count]
            assert not lost, f"restarts of {lost} were lost"
        done = now
    subprocess.run([*script, out], check=True, capture_output=True)
    compare(folder / "whole" / "survivor", out / "survivor")
    return killed


def all_finished(out: Path) -> bool:
    return len(list(out.glob("*/*.json"))) == CONFIG.count("method:")


def restarts(out: Path) -> dict[str, int]:
    """Finished restarts of each run; whatever lies there must be whole."""
    counts = {}
    for path in out.glob("*/*.npz"):
        with np.load(path) as arrays:
            counts[path.stem] = len(arrays["unit_size"])
    for path in out.glob("*/*.json"):
        counts[path.stem] = len(json.loads(path.read_text())["accuracy_per_restart"])
    return counts


def compare(whole: Path, killed: Path) -> None:
    """Records, tables and images, apart from the times."""
    names = sorted(path.name for path in whole.iterdir() if path.suffix in (".json", ".npz"))
    assert names == sorted(p.name for p in killed.iterdir() if p.suffix in (".json", ".npz"))
    for name in names:
        if name.endswith(".json"):
            a, b = (timeless((folder / name).read_bytes()) for folder in (whole, killed))
            assert a == b, name
        else:
            with np.load(whole / name) as a, np.load(killed / name) as b:
                for key in set(a.files) - {"seconds"}:
                    assert a[key].tobytes() == b[key].tobytes(), (name, key)


def timeless(record: bytes) -> bytes:
    return re.sub(rb'"seconds": [\d.]+', b"", record)


if __name__ == "__main__":
    raise SystemExit(main())
