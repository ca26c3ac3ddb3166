"""Plants small faults, one at a time, and tells which of them the tests notice.

    python tests/mutate.py                      all faults
    python tests/mutate.py daa/steps.py ramp    those whose file or text has one of these words

The faults stand in tests/faults. They are planted in a copy of the checkout, so nothing here
changes. All tests must pass without a fault first. A fault is killed when one of its tests fails,
and survives when all pass. It is stale when its old text does not stand in its file exactly once,
and unclear when its tests fail without it. The check takes about an hour on two cores and is no
part of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faults

ROOT = Path(__file__).parent.parent
LEFT_OUT = (".git", ".venv", "build", "__pycache__", ".*_cache", "*.egg-info")
# Seconds of a core that the tests may take; a fault that makes them endless is killed.
LIMIT = 300
# What the tests import; loaded once and inherited by each process, as TensorFlow takes seconds.
LOADED = [
    *("tensorflow", "keras", "numpy", "scipy.stats", "scipy.spatial.distance"),
    *("matplotlib.figure", "pydantic", "yaml", "jinja2", "tqdm"),
    *("filelock", "tabulate", "lazy_loader", "PIL.Image", "pytest", "_pytest.config"),
]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        file: in which it is planted; empty for none at all.
        old, new: what stands there once, and what takes its place.
        tests: files and pytest options, `tests/` left out.
        reason: why no test can notice it; empty where one must.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        if not self.file:
            return f"nothing planted: {' '.join(self.tests)}"
        short = [" ".join(text.split())[:60] for text in (self.old, self.new)]
        return f"{self.file}: {short[0]} -> {short[1] or '(nothing)'}"


def every_fault() -> list[Fault]:
    """The faults of all lists, in their order."""
    found = []
    for name in faults.LISTS:
        for file, tests, planted in importlib.import_module(f"faults.{name}").FAULTS:
            found += [
                Fault(file, *fault[:2], tuple(shlex.split(tests)), *fault[2:]) for fault in planted
            ]
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only faults with one of these")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument("--logs", type=Path, help="folder that keeps pytest's output")
    args = parser.parse_args(arguments)
    chosen = [fault for fault in every_fault() if not args.words or _has(fault, args.words)]
    for name in LOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        logs = args.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        counts: dict[str, int] = {}
        copies = copied(Path(folder), args.workers)
        bases = [Fault("", "", "", tests) for tests in dict.fromkeys(f.tests for f in chosen)]
        broken = set()
        for base, verdict, seconds in run(bases, copies, logs):
            if verdict != "survived":
                broken.add(base.tests)
                print(f"fails {seconds:8.0f} s  {base}", flush=True)
        for fault, verdict, seconds in run(chosen, copies, logs):
            verdict = "unclear" if fault.tests in broken and verdict == "killed" else verdict
            counts[verdict] = counts.get(verdict, 0) + 1
            why = f" ({fault.reason})" if verdict == "survived" and fault.reason else ""
            print(f"{verdict:9} {seconds:4.0f} s  {fault}{why}", flush=True)
    total = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    print(f"{len(chosen)} faults; {total}")
    return int(set(counts) - {"killed", "survived"} != set())


def _has(fault: Fault, words: list[str]) -> bool:
    return any(word in f"{fault.file} {fault.old} {fault.new}" for word in words)


def copied(folder: Path, workers: int) -> list[Path]:
    """Copies of the checkout, one for each worker."""
    copies = [folder / f"copy{k}" for k in range(workers)]
    for copy in copies:
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copies


def run(chosen: list[Fault], copies: list[Path], logs: Path) -> Iterator[tuple[Fault, str, float]]:
    """Plants faults in the copies and tests these; gives the verdicts."""
    free = list(copies)
    running: dict[int, tuple[Fault, Path, str, float]] = {}
    waiting = list(enumerate(chosen))
    while waiting or running:
        while waiting and free:
            number, fault = waiting.pop(0)
            text = ""
            if fault.file:
                path = free[-1] / fault.file
                text = path.read_text(encoding="utf-8")
                if text.count(fault.old) != 1:
                    yield fault, "stale", 0.0
                    continue
                path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
            copy = free.pop()
            log = logs / f"{number:03} {Path(fault.file).stem or 'no fault'}.txt"
            running[_test(copy, fault.tests, log)] = (fault, copy, text, time.monotonic())
        if running:
            process, status = os.wait()
            fault, copy, text, begin = running.pop(process)
            if fault.file:
                (copy / fault.file).write_text(text, encoding="utf-8")
            free.append(copy)
            yield fault, _verdict(status), time.monotonic() - begin


def _verdict(status: int) -> str:
    """What the status of a process says: pytest gives 0, 1 for failures, 2 for broken imports."""
    if os.WIFSIGNALED(status):
        return "killed"
    return {0: "survived", 1: "killed", 2: "killed"}.get(os.WEXITSTATUS(status), "unclear")


def _test(copy: Path, tests: tuple[str, ...], log: Path) -> int:
    """Starts pytest in a copy, in a process of its own."""
    process = os.fork()
    if process:
        return process
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    os.nice(3)
    os.chdir(copy)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path[:] = [str(copy), *(place for place in sys.path if Path(place) != ROOT / "tests")]
    for name in [name for name in sys.modules if name.partition(".")[0] == "faults"]:
        del sys.modules[name]
    import pytest

    paths = [f"tests/{test}" if test.endswith(".py") or "::" in test else test for test in tests]
    os._exit(pytest.main([*paths, "-x", "-m", "not slow and not real", "-p", "no:cacheprovider"]))


if __name__ == "__main__":
    raise SystemExit(main())
