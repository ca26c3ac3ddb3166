"""Result records: one JSON file per run, written whole or not at all."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import io
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daa import device
from daa.attack import AttackConfig
from daa.config import Experiment, Row
from daa.data import Dataset
from daa.errors import InputError
from daa.evaluate import Report
from daa.target import Target

SCHEMA = 1
_IDENTITY = (
    "schema",
    "experiment",
    "run",
    "attack",
    "target",
    "weights",
    "weights_sha256",
    "data",
    "data_sha256",
    "images",
    "restarts",
    "seed",
)


_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(AttackConfig)
    if field.default is not dataclasses.MISSING
}


def identity(
    experiment: Experiment, row: Row, target: Target, data: Dataset, restarts: int, seed: int
) -> dict[str, Any]:
    """All that decides the numbers of a run; two records with the same identity must agree.

    Returns:
        A JSON-ready mapping: the attack as it ran, target, weights, data, restarts, seed.
    """
    values = (
        SCHEMA,
        experiment.name,
        row.name,
        attack_as_run(row),
        target.name,
        target.weights,
        target.weights_sha256,
        data.name,
        data.sha256,
        len(data),
        restarts,
        seed,
    )
    return dict(zip(_IDENTITY, values, strict=True))


def attack_as_run(row: Row) -> dict[str, Any]:
    """Every setting of a row's attack, c resolved."""
    return {**dataclasses.asdict(row.attack), "c": row.attack.weight}


def identity_of(record: dict[str, Any]) -> dict[str, Any]:
    """The identity part of a record."""
    return {key: record[key] for key in _IDENTITY}


def record(
    ident: dict[str, Any],
    title: str,
    row: Row,
    clean: float,
    report: Report,
    seconds: float,
    origin: Mapping[str, list[str]],
    top5: float | None = None,
) -> dict[str, Any]:
    """The complete record of a finished run.

    Args:
        ident: of `identity`.
        title: of the experiment.
        row: of the experiment, for the paper's values.
        clean: accuracy on the natural images, in [0, 1].
        report: what the attack achieved.
        seconds: that the restarts took, together.
        origin: the devices and commits that they ran on, as in `progress`.
        top5: top-5 accuracy on the worst images, where the data set is judged by it.

    Returns:
        A JSON-ready mapping; accuracies in [0, 1].
    """
    broken = np.flatnonzero(~report.correct_per_restart.all(axis=0))
    return {
        **ident,
        "title": title,
        "clean_accuracy": clean,
        "accuracy_per_restart": report.accuracy_per_restart.tolist(),
        "robust_accuracy": report.robust_accuracy.tolist(),
        "paper_percent": row.paper,
        **({} if top5 is None else {"top5_accuracy": top5, "paper_top5_percent": row.paper_top5}),
        "gradients_per_image": row.attack.gradients_per_image * ident["restarts"],
        "seconds": round(seconds, 1),
        **provenance(),
        **{key: " and ".join(names) for key, names in origin.items()},
        "broken": broken.tolist(),
    }


def provenance() -> dict[str, Any]:
    """Device, versions and commit that produced a number."""
    packages = ("tensorflow", "numpy")
    return {
        "device": device.name(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "git_commit": git_commit(),
    }


@functools.cache
def git_commit(folder: Path = Path(__file__).parent.parent) -> str | None:
    """The commit of a checkout when this was first asked for; None outside of one.

    With `-dirty` behind it where code or configs are not those of the commit.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "*.py", "*.yaml")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a record atomically: readers see the old file or the whole new one."""
    text = json.dumps(content, indent=2)
    # Lists of numbers on one line each, so that a record stays readable.
    text = re.sub(r"\[\s+([-\d.,e\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    write_atomically(path, (text + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name beside it, then renames it.

    Raises:
        InputError: a full disk, a folder that can't be written to; what was there still is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"{path}: expected to write {len(content):,} bytes, got {error.strerror}"
        ) from error


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Reads a record.

    Raises:
        InputError: not a whole record of this schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a result record, got {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: schema: expected {SCHEMA}, got {found!r}")
    return completed(content)


def completed(ident: dict[str, Any]) -> dict[str, Any]:
    """A record or identity with all settings; one that is younger than it had its default."""
    if "attack" not in ident:
        return ident
    return {**ident, "attack": {**_DEFAULTS, **ident["attack"]}}


def finished(path: Path, ident: dict[str, Any], extend: bool = False) -> bool:
    """Whether `path` holds the result of this very run.

    Args:
        path: of a record, which need not exist.
        ident: of `identity`.
        extend: the same run with fewer restarts is no other one, only unfinished.

    Raises:
        InputError: it holds the result of another one, which is never overwritten.
    """
    if not path.exists():
        return False
    found = load(path)
    done = found.get("restarts")
    unfinished = extend and isinstance(done, int) and done < ident["restarts"]
    for key, value in ident.items():
        if found.get(key) != value and not (unfinished and key == "restarts"):
            raise InputError(
                f"{path}: {key}: expected {value!r} as asked for now, got {found.get(key)!r}; "
                "choose another --out, or --force to start anew"
            )
    return not unfinished
