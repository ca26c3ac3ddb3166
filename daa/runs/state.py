"""What a run has reached, kept on disk so that it can go on; one process at a time in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from daa import memory
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.errors import InputError, require
from daa.targets.files import parse_json, read_json, reason, save_npz, write_atomically
from daa.targets.npy import read_npz

# The arrays of a state's file. Those of the units hold all units one behind another.
_UNITS = ("unit_on_all", "unit_images", "unit_margin", "unit_size", "unit_gradients")
_ARRAYS = ("adv", "margin", "natural", *_UNITS, "ident", "seconds", "origin")
# The files by which a process holds a folder, and says who it is.
LOCK, OWNER = ".lock", ".owner"
# Devices and commits that units were computed with: {"device": [...], "git_commit": [...]}.
Origin = dict[str, list[str]]


@dataclass(frozen=True)
class State:
    """What a run has reached.

    Args:
        report: over the units so far; None before the first one.
        seconds: that those units took.
        origin: what they were computed with.
    """

    report: Report | None = None
    seconds: float = 0.0
    origin: Origin = field(default_factory=dict)

    def after(self, report: Report, seconds: float, device: str, commit: str | None) -> State:
        """The state after one more unit, which ran `seconds` on `device`, with `commit`'s code."""
        origin = dict(self.origin)
        for key, name in (("device", device), ("git_commit", commit)):
            if name is not None:
                origin[key] = sorted({*origin.get(key, []), name})
        return State(report, self.seconds + seconds, origin)


def save(path: Path, ident: dict[str, Any], state: State) -> None:
    """Writes a state atomically: a reader sees the old file or the whole new one.

    Args:
        path: an .npz file.
        ident: of `records.identity`; the number of restarts may differ when the file is read.
        state: after at least one unit.

    Raises:
        InputError: the file can't be written; the old one is still there.
    """
    report = state.report
    assert report is not None
    history = report.history
    on_all = [outcome.images is None for outcome in history]
    chosen = [np.zeros(0, np.int64), *(o.images for o in history if o.images is not None)]
    arrays = {
        "adv": report.adv,
        "margin": report.margin,
        "natural": report.natural,
        "unit_on_all": np.array(on_all, bool),
        "unit_images": np.concatenate(chosen),
        "unit_margin": np.concatenate([np.zeros(0, np.float32), *(o.margin for o in history)]),
        "unit_size": np.array([len(outcome.margin) for outcome in history], np.int64),
        "unit_gradients": np.array([outcome.gradients for outcome in history], float),
        "ident": np.array(_key(ident)),
        "seconds": np.array(state.seconds),
        "origin": np.array(json.dumps(state.origin)),
    }
    save_npz(path, arrays)


def load(path: Path, ident: dict[str, Any]) -> State:
    """The state of the same run, empty where the run has not begun.

    Args:
        path: of a file that need not exist.
        ident: of `records.identity`.

    Raises:
        InputError: a damaged file, one of an earlier version, or one of another run.
    """
    if not path.exists():
        return State()
    arrays = read_npz(path)
    if "correct" in arrays:
        raise InputError(
            f"{path}: expected the state of a run, got that of an earlier version, which can't go "
            "on; remove the file"
        )
    for name in _ARRAYS:
        if name not in arrays:
            raise InputError(f"{path}: expected the array {name}, got none")
    about = {name: _parsed(arrays[name], path) for name in ("ident", "origin")}
    try:
        same = _key(about["ident"]) == _key(ident)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected the state of a run, got {reason(error)}") from error
    if not same:
        raise InputError(
            f"{path}: expected the state of the run asked for now, got that of another; "
            "choose another folder for the results, or start anew"
        )
    _check(arrays, ident["images"], path)
    origin = about["origin"]
    fits = isinstance(origin, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in origin.values()
    )
    require(fits, f"{path}: origin", "lists of texts", origin)
    report = Report(arrays["adv"], arrays["margin"], arrays["natural"], _history(arrays))
    return State(report, float(arrays["seconds"]), origin)


def _parsed(array: np.ndarray, path: Path) -> Any:
    """The content of a text that is kept as an array."""
    expected = "the state of a run"
    try:
        text = str(array)
    except ValueError as error:  # NumPy does not check that the numbers of a text are characters
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error
    return parse_json(text, str(path), expected)


def _check(arrays: Mapping[str, np.ndarray], images: int, path: Path) -> None:
    """Checks types, shapes and values of the arrays of a state of so many images."""
    units, on_all = len(np.atleast_1d(arrays["unit_size"])), arrays["unit_on_all"].astype(bool)

    def check(name: str, kinds: str, *shape: int | None) -> None:
        array = arrays[name]
        fits = len(array.shape) == len(shape) and all(
            expected in (None, size) for expected, size in zip(shape, array.shape, strict=True)
        )
        fits = fits and array.dtype.kind in kinds
        shown = f"{'numbers' if 'f' in kinds else 'whole numbers'} of shape {list(shape)}"
        require(fits, f"{path}: {name}", shown, f"{array.dtype} of shape {list(array.shape)}")
        # A margin may be infinite.
        some = any(np.isnan(part).any() for part in _looked_at(array))
        require(not some, f"{path}: {name}", "numbers", float("nan"))

    check("adv", "f", images, None, None, None)
    check("margin", "f", images)
    check("natural", "f", images)
    check("seconds", "fiu")
    check("unit_on_all", "b", units)
    check("unit_size", "iu", units)
    check("unit_gradients", "fiu", units)
    sizes = arrays["unit_size"]
    fits = bool((sizes >= 0).all() and (sizes <= images).all() and (sizes[on_all] == images).all())
    require(fits, f"{path}: unit_size", f"0 to {images}", sizes.tolist())
    check("unit_margin", "f", int(sizes.sum()))
    check("unit_images", "iu", int(sizes[~on_all].sum()))
    chosen = arrays["unit_images"]
    fits = bool((chosen >= 0).all() and (chosen < images).all())
    require(fits, f"{path}: unit_images", f"0 to {images - 1}", chosen.tolist())
    for name in ("adv", "unit_gradients", "seconds"):
        fits = all(bool(np.isfinite(part).all()) for part in _looked_at(arrays[name]))
        require(fits, f"{path}: {name}", "finite numbers", np.inf)


def _looked_at(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array in parts, as a look at all of it at once would take memory of its size."""
    array = np.atleast_1d(array)
    return (array[part] for part in memory.parts(array))


def _history(arrays: dict[str, np.ndarray]) -> tuple[Outcome, ...]:
    """The outcomes of all units."""
    outcomes, begin, first = [], 0, 0
    for on_all, size, gradients in zip(
        arrays["unit_on_all"], arrays["unit_size"], arrays["unit_gradients"], strict=True
    ):
        margin = arrays["unit_margin"][begin : begin + size]
        begin += size
        images = None
        if not on_all:
            images = arrays["unit_images"][first : first + size]
            first += size
        outcomes.append(Outcome(images, margin, float(gradients)))
    return tuple(outcomes)


def _key(ident: dict[str, Any]) -> str:
    """What two states of one run have in common, as text.

    Settings that were added to the attack after a state was written have their defaults in it.
    """
    decides = {key: value for key, value in ident.items() if key != "restarts"}
    settings = AttackConfig.from_settings(decides["attack"]).settings()
    return json.dumps({**decides, "attack": settings}, sort_keys=True)


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; makes the folder if need be.

    The operating system frees the lock when the process ends, however it ends, so a killed process
    leaves nothing to be cleaned up. docs/scaling.md says how far the lock of a network folder
    reaches.

    Raises:
        InputError: another process holds the folder (the message names the process and since when),
            or the folder can't be written to.
    """
    owner = folder / OWNER
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: expected no other process at work here, got {_named(owner)}"
        ) from None
    except NotImplementedError as error:  # filelock's answer to ENOSYS
        raise InputError(
            f"{folder}: expected a file system with locks, got one without; "
            "choose a folder on another one for the results"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: expected to write there, got {error.strerror}") from error
    try:
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        write_atomically(owner, json.dumps(about).encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may have been deleted, or be read-only now
            owner.unlink()
        lock.release()


def _named(owner: Path) -> str:
    """The process that holds a folder, in words."""
    try:
        about = read_json(owner, "the process at work")
        # The clock may have been set back since then, or be that of another machine.
        minutes = max((time.time() - about["since"]) / 60, 0)
        return f"process {about['pid']} on {about['host']}, for {minutes:.0f} min"
    except (ValueError, LookupError, TypeError, OverflowError):  # it is not written yet
        return "one that has just begun"
