"""Checks that two checkouts of this project compute the same numbers.

    python benchmarks/equality run CHECKOUT OUT   run a list of commands, write summary.json
    python benchmarks/equality compare OUT OUT2   compare two summaries; status 1 if they differ
    python benchmarks/equality tables A B         rebuild all committed tables with two checkouts,
                                                  and compare them

`run` uses only documented commands and the public names of `daa`, each in a process with one
thread, because the rounding of a sum depends on the number of threads. It needs DAA_DATA and
DAA_MODELS.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cases import commands, configs
from tables import compare_tables, digest, python

# Hashes of Keras files and SavedModels, which contain the time of their creation.
FILES = {"weights_sha256", "model_sha256"}
# Fields that differ from run to run.
VOLATILE = {"seconds", "device", "versions", "git_commit", "commit"}
UNCOMPARED = {"ident", "seconds", "origin"}


def stable(value: Any) -> Any:
    """A JSON value without volatile fields; long lists become hashes."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list) and len(value) > 20:
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()
    return value


def collected(folder: Path) -> dict[str, Any]:
    """{file name without suffix: content} of all records, evaluations and arrays in a folder."""
    found: dict[str, Any] = {}
    for path in sorted([*folder.glob("results/**/*.json"), *folder.glob("evaluations/**/*.json")]):
        if path.name == "experiment.json":  # the config, without a result
            continue
        entry = stable(json.loads(path.read_text(encoding="utf-8")))
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as arrays:
                names = [name for name in arrays.files if name not in UNCOMPARED]
                entry["arrays"] = {name: digest(arrays[name]) for name in names}
        if path.parent.name in ("keras", "saved"):
            entry = {key: entry[key] for key in entry if key not in FILES}
        found[path.relative_to(folder).with_suffix("").as_posix()] = entry
    if (folder / "trained.npz").exists():
        with np.load(folder / "trained.npz") as arrays:
            found["trained.npz"] = {name: digest(arrays[name]) for name in sorted(arrays.files)}
    return found | {path.name: digest(np.load(path)) for path in sorted(folder.glob("*.npy"))}


def run(checkout: Path, out: Path) -> int:
    """Runs all cases; returns 1 if a command fails or a resumed or Ray run differs."""
    cases: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.chdir(folder)
        configs()
        for name, command in commands():
            begin = time.monotonic()
            status, text = python(checkout, command, folder)
            seconds[name] = round(time.monotonic() - begin, 1)
            print(f"{seconds[name]:6.1f} s  {name}", flush=True)
            cases[f"command {name}"] = {"exit": status}
            if name in ("build", "verify", "train"):
                cases[f"command {name}"]["printed"] = re.findall(r"\d[\d.,]*", text)
            if name == "calls" and status == 0:
                cases |= {f"call {key}": value for key, value in json.loads(text).items()}
        cases |= collected(folder)
        os.chdir("/")
    out.mkdir(parents=True, exist_ok=True)
    summary = {"cases": cases, "seconds": seconds}
    (out / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    whole = [name for name in cases if name.startswith("results/whole/")]
    pairs = [(name, name.replace("whole", "resumed")) for name in whole]
    pairs += [("results/whole/units/blob-xent", "results/ray/ray/blob-xent")]
    apart = [pair for pair in pairs if not agree(*(cases.get(name) for name in pair))]
    for pair in apart:
        print("different results:", *pair)
    failed = [name for name, case in cases.items() if isinstance(case, dict) and case.get("exit")]
    print(f"{out}: {len(cases)} cases, {sum(seconds.values()):.0f} s; failed: {failed or 'none'}")
    return int(bool(apart or failed))


def agree(a: dict | None, b: dict | None) -> bool:
    """Whether two runs have the same images and accuracies."""
    keys = ("clean_accuracy", "robust_accuracy", "gradients_per_image", "broken", "arrays")
    return bool(a and b) and all(a[key] == b[key] for key in keys)


def compare(a: Any, b: Any, where: str = "") -> list[str]:
    """One line for each difference between two JSON values."""
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return [] if a == b else [f"{where}: {a!r}, {b!r}"]
    names = list(dict.fromkeys([*a, *b]))
    return [
        line
        for name in names
        for line in compare(a.get(name), b.get(name), f"{where}, {name}" if where else name)
    ]


def compared(a: Path, b: Path) -> list[str]:
    """The differences between two summaries."""
    texts = [(path / "summary.json").read_text(encoding="utf-8") for path in (a, b)]
    first, second = (json.loads(text)["cases"] for text in texts)
    print(f"{len(first)} and {len(second)} cases")
    return compare(first, second)


def main() -> int:
    command, *folders = sys.argv[1:] or [""]
    if command not in ("run", "compare", "tables") or len(folders) != 2:
        print(__doc__)
        return 2
    a, b = (Path(folder).resolve() for folder in folders)
    if command == "run":
        return run(a, b)
    lines = compared(a, b) if command == "compare" else compare_tables(a, b)
    print("\n".join([*lines, f"differences: {len(lines)}"]))
    return int(bool(lines))


if __name__ == "__main__":
    raise SystemExit(main())
