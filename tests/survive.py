"""Kills an experiment at random moments: python tests/survive.py --kills 50.

After each SIGKILL all records are readable and no restart in a state is lost. In the end, records
and states equal those of an undisturbed run byte for byte, except for times and commits.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

import numpy as np

from daa.cli.reproduce import main

# Processes fork from a server that has imported TensorFlow, so they start at once. They import the
# target folder of the tests like an installed package.
sys.path.append(str(Path(__file__).parent / "plug"))
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tensorflow", "pydantic", "scipy.stats", "matplotlib.pyplot"])
CONFIG = """
name: survivor
title: Survivor
target: tiny/cnn
restarts: 4
attack: {eps: 0.15, step_size: 0.001, steps: 20, batch_size: 50, steps_per_shuffle: 10}
rows:
  - {method: pgd, loss: xent}
  - {method: momentum, loss: cw}
  - {method: blob, loss: xent}
  - {method: dgf, loss: cw}
"""


def start(config: Path, out: Path, *options: str, largest_file: int = -1) -> Process:
    """Starts `reproduce` in a new process, whose errors go to `errors(out)`."""
    arguments = [str(config), "--out", str(out), *options]
    process = SERVER.Process(target=_reproduce, args=(arguments, out, largest_file))
    process.start()
    return process


def _reproduce(arguments: list[str], out: Path, largest_file: int) -> None:
    out.mkdir(exist_ok=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(out / "errors.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    # A shell without job control makes background processes ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.exit(main(arguments))


def errors(out: Path) -> str:
    return (out / "errors.txt").read_text()


def survive(folder: Path, kills: int, rng: random.Random) -> int:
    """Kills until `kills` runs have died, and compares; returns how many died."""
    config = folder / "survivor.yaml"
    config.write_text(CONFIG, encoding="utf-8")

    def finish(out: Path) -> float:
        begin = time.perf_counter()
        process = start(config, out, "--images", "100")
        process.join()
        assert process.exitcode == 0, errors(out)
        return time.perf_counter() - begin

    ready = SERVER.Process(target=int)  # the server imports TensorFlow
    ready.start()
    ready.join()
    seconds = finish(folder / "expected")
    out, killed = folder / "killed", 0
    before: dict[str, int] = {}
    while killed < kills:
        finished = len(list(out.glob("*/*-*.json"))) == CONFIG.count("method:")
        process = start(config, out, "--images", "100", *(["--force"] if finished else []))
        process.join(rng.uniform(0.1, 0.8) * seconds)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), errors(out)
        killed += process.exitcode != 0
        print(f"{killed} of {kills} runs killed", flush=True)
        now = restarts(out)
        lost = [run for run, count in before.items() if now.get(run, 0) < count and not finished]
        assert not lost, f"restarts of {lost} were lost"
        before = now
    finish(out)
    compare(folder / "expected" / "survivor", out / "survivor")
    return killed


def restarts(out: Path) -> dict[str, int]:
    """Finished restarts of each run."""
    states = {path.stem: len(np.load(path)["unit_size"]) for path in out.glob("*/*.npz")}
    loaded = {path.stem: json.loads(path.read_text()) for path in out.glob("*/*-*.json")}
    return states | {run: len(record["accuracy_per_restart"]) for run, record in loaded.items()}


def compare(expected: Path, folder: Path) -> None:
    """Checks that records and states are equal, except for times and commits."""
    names = sorted(path.name for path in expected.glob("*.[jn]*"))
    assert names == sorted(path.name for path in folder.glob("*.[jn]*"))
    for a, b in ((expected / name, folder / name) for name in names):
        if a.suffix == ".json":
            texts = [re.sub('"(seconds|git_commit)": .*', "", path.read_text()) for path in (a, b)]
            assert texts[0] == texts[1], a.name
        else:
            with np.load(a) as x, np.load(b) as y:
                for key in {*x.files, *y.files} - {"seconds", "origin"}:
                    assert x[key].tobytes() == y[key].tobytes(), (a.name, key)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        died = survive(Path(name), args.kills, random.Random(args.seed))
    print(f"{died} runs killed; records and states equal those of an undisturbed run")
