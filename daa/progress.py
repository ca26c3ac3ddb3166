"""What a run has reached after each restart: kept on disk, so that it can go on after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from daa import checkpoints
from daa.errors import InputError
from daa.evaluate import Report
from daa.results import completed, git_commit, save_npz

# Devices and commits that restarts were computed with: {"device": [...], "git_commit": [...]}.
Origin = dict[str, list[str]]


def save(path: Path, ident: dict[str, Any], report: Report, seconds: float, origin: Origin) -> None:
    """Writes the restarts so far and the worst images, atomically.

    Args:
        path: an .npz file.
        ident: of `results.identity`; the number of restarts may differ when it is read.
        report: over the restarts so far.
        seconds: that they took.
        origin: what they were computed with.
    """
    arrays = {
        "adv": report.adv,
        "margin": report.margin,
        "correct": np.packbits(report.correct_per_restart, axis=1),
        "ident": np.array(_key(ident)),
        "seconds": np.array(seconds),
        "origin": np.array(json.dumps(origin)),
    }
    save_npz(path, arrays)


def load(path: Path, ident: dict[str, Any]) -> tuple[Report | None, float, Origin]:
    """The restarts of the same run that are done, the seconds they took, and on what.

    Returns:
        (None, 0, {}) where nothing was done yet, or more restarts than are asked for now.

    Raises:
        InputError: a damaged file, or one of another run.
    """
    if not path.exists():
        return None, 0.0, {}
    arrays = checkpoints.read_npz(path)
    missing = {"adv", "margin", "correct", "ident", "seconds", "origin"} - set(arrays)
    if missing:
        raise InputError(f"{path}: expected {sorted(missing)[0]}, got no such array")
    if _key(json.loads(str(arrays["ident"]))) != _key(ident):
        raise InputError(
            f"{path}: expected the restarts of the run asked for now, got those of another; "
            "choose another --out, or --force to start anew"
        )
    correct = np.unpackbits(arrays["correct"], axis=1, count=len(arrays["margin"])).astype(bool)
    if len(correct) > ident["restarts"]:
        return None, 0.0, {}
    report = Report(arrays["adv"], arrays["margin"], correct)
    return report, float(arrays["seconds"]), json.loads(str(arrays["origin"]))


def add(origin: Origin, device: str) -> None:
    """Adds the device of one more restart, and the commit of the code here."""
    for key, name in (("device", device), ("git_commit", git_commit())):
        if name is not None:
            origin[key] = sorted({*origin.get(key, []), name})


def _key(ident: dict[str, Any]) -> str:
    decides = {k: v for k, v in completed(ident).items() if k != "restarts"}
    return json.dumps(decides, sort_keys=True)
