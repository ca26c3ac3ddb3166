"""States of interrupted runs, and the lock of a result folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from daa.attacks.plans import Outcome, Report
from daa.errors import InputError
from daa.runs.records import ANEW, unit_identity
from daa.targets.files import read_npz, reason, save_npz, write_atomically

# The lock file of a folder, and a file with the name of the locking process.
LOCK, OWNER = ".lock", ".owner"
# Devices and commits that computed the units: {"device": [...], "git_commit": [...]}.
Origin = dict[str, list[str]]


@dataclass(frozen=True)
class State:
    """The finished units of a run; `report` is None before the first one."""

    report: Report | None = None
    seconds: float = 0.0
    origin: Origin = field(default_factory=dict)

    @property
    def units(self) -> int:
        """Number of finished units."""
        return 0 if self.report is None else len(self.report.history)

    @property
    def gradients(self) -> int:
        """Image gradients of all units."""
        return 0 if self.report is None else round(self.report.gradients.sum())

    def after(self, report: Report, seconds: float, device: str, commit: str | None) -> State:
        """The state after one more unit, which took `seconds` on `device`."""
        origin = dict(self.origin)
        for key, name in (("device", device), ("git_commit", commit)):
            if name is not None:
                origin[key] = sorted({*origin.get(key, []), name})
        return State(report, self.seconds + seconds, origin)


def save(path: Path, ident: Mapping[str, Any], state: State) -> None:
    """Writes a state of at least one unit atomically as an .npz file."""
    report = state.report
    assert report is not None
    history = report.history
    images = [outcome.images for outcome in history if outcome.images is not None]
    arrays = {
        "adv": report.adv,
        "margin": report.margin,
        "natural": report.natural,
        "unit_on_all": np.array([outcome.images is None for outcome in history], bool),
        "unit_images": np.concatenate([np.zeros(0, np.int64), *images]),
        "unit_margin": np.concatenate([np.zeros(0, np.float32), *(o.margin for o in history)]),
        "unit_size": np.array([len(outcome.margin) for outcome in history], np.int64),
        "unit_gradients": np.array([outcome.gradients for outcome in history], float),
        "ident": np.array(json.dumps(unit_identity(ident), sort_keys=True)),
        "seconds": np.array(state.seconds),
        "origin": np.array(json.dumps(state.origin)),
    }
    save_npz(path, arrays)


def load(path: Path, ident: Mapping[str, Any]) -> State:
    """Reads the state of the run `ident`; an empty state if the file does not exist."""
    if not path.exists():
        return State()
    arrays = read_npz(path)
    try:
        if unit_identity(json.loads(str(arrays["ident"]))) == unit_identity(ident):
            report = _report(arrays, ident["images"])
            return State(report, float(arrays["seconds"]), json.loads(str(arrays["origin"])))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not the state of a run, or damaged: {reason(error)}; remove the file"
        ) from error
    raise InputError(f"{path}: is the state of a different run; {ANEW}")


def _report(arrays: Mapping[str, np.ndarray], images: int) -> Report:
    sizes, on_all = arrays["unit_size"], arrays["unit_on_all"]
    indices, margins = arrays["unit_images"], arrays["unit_margin"]
    if not (
        arrays["adv"].ndim >= 2
        and len(arrays["adv"]) == images
        and arrays["margin"].shape == arrays["natural"].shape == (images,)
        and sizes.shape == on_all.shape == arrays["unit_gradients"].shape
        and len(margins) == sizes.sum()
        and len(indices) == sizes[~on_all].sum()
        and (sizes[on_all] == images).all()
        and ((indices >= 0) & (indices < images)).all()
    ):
        raise ValueError("arrays of wrong shapes")
    ends = np.cumsum(sizes)
    picked = iter(np.split(indices, np.cumsum(sizes[~on_all])[:-1]))
    history = tuple(
        Outcome(None if all_images else next(picked), margins[end - size : end], float(gradients))
        for all_images, size, end, gradients in zip(
            on_all, sizes, ends, arrays["unit_gradients"], strict=True
        )
    )
    return Report(arrays["adv"], arrays["margin"], arrays["natural"], history)


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Creates and locks a folder; the system frees the lock of a process that ends.

    docs/scaling.md describes locks on network file systems.
    """
    lock, owner = FileLock(folder / LOCK, timeout=0), folder / OWNER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        holder = "another process"  # which has just started or ended
        with contextlib.suppress(OSError):
            holder = owner.read_text(encoding="utf-8")
        raise InputError(
            f"{folder}: is in use by {holder}; wait until it ends, or choose another folder (out)"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise InputError(
            f"{folder}: can't be written to or locked: {reason(error)}; choose another folder (out)"
        ) from error
    try:
        write_atomically(owner, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # somebody may have deleted the folder
            owner.unlink()
        lock.release()
