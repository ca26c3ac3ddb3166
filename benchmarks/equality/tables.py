"""Rebuilds the committed tables with the scripts of a checkout and compares them."""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SAME = {**dict.fromkeys(THREADS, "1"), "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")


def python(checkout: Path, command: str, folder: Path, **more: str) -> tuple[int, str]:
    """Runs a script of a checkout in a folder; returns its exit status and output."""
    script, *arguments = command.split()
    environment = {**os.environ, **SAME, **more, "PYTHONPATH": str(checkout)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    call = [sys.executable, str(checkout / script), *arguments]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"exit status {done.returncode}: {command}\n{done.stderr[-2000:]}", file=sys.stderr)
    return done.returncode, done.stdout


def digest(array: Any) -> str:
    """Hash of an array: type, shape and values."""
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()


def read(path: Path) -> dict[str, dict[str, str]]:
    """{row: {column: text}} of a table; equal names are numbered."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = [name + f"#{header[:k].count(name)}" for k, name in enumerate(header)]
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        name = " ".join(cells.get(f"{key}#0", "") for key in ("config", "run", "kind", "source"))
        found[name + "'" * sum(other.rstrip("'") == name for other in found)] = cells
    return found


def differing(a: dict, b: dict, where: str) -> list[str]:
    """Cells that differ between two tables; numbers are compared as numbers."""
    lines = [f"{where}: {row}: only in one table" for row in a.keys() ^ b.keys()]
    for row in a.keys() & b.keys():
        for column, cell in a[row].items():
            got = b[row].get(column)
            if got is None or not (got == cell or number(got) == number(cell) is not None):
                lines.append(f"{where}: {row}, {column.removesuffix('#0')}: {cell!r}, {got!r}")
    return sorted(lines)


def number(text: str) -> float | None:
    """The number in a cell; None for other texts."""
    try:
        return float(text)
    except ValueError:
        return None


def rebuilt(checkout: Path, folder: Path) -> dict[str, dict]:
    """All tables of a checkout and its report on surrogates, rebuilt in a folder."""
    results = checkout / "results"
    tables = [path.parent for path in sorted(results.glob("**/table.csv"))]
    for parent in sorted({path.parent for path in tables}):
        named = " ".join(str(path) for path in tables if path.parent == parent)
        into = folder / parent.relative_to(results)
        status, _ = python(checkout, f"scripts/tables.py {named} --out {into}", folder)
        assert status == 0
    report = folder / "report"
    shutil.copytree(results / "paper_surrogates", report)
    (report / "report.csv").unlink()
    command = f"scripts/paper.py --surrogates --hours 0 --out {report}"
    status, _ = python(checkout, command, folder, **OFFLINE)
    assert status == 0
    shutil.move(report / "report.csv", folder / "paper_surrogates" / "report.csv")
    shutil.rmtree(report)
    return {path.relative_to(folder).as_posix(): read(path) for path in folder.glob("**/*.csv")}


def compare_tables(a: Path, b: Path) -> list[str]:
    """Differences between the tables of two checkouts, and the committed tables of A."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = rebuilt(a, Path(one)), rebuilt(b, Path(two))
    lines = [f"{name}: only in one checkout" for name in sorted(first.keys() ^ second.keys())]
    for name in sorted(first.keys() & second.keys()):
        committed = read(a / "results" / name)
        lines += differing(first[name], second[name], f"A, B: {name}")
        lines += differing(committed, first[name], f"committed, A: {name}")
        lines += differing(committed, second[name], f"committed, B: {name}")
    print(f"{len(first)} tables, {sum(len(rows) for rows in first.values())} rows")
    return lines
