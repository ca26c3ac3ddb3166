"""The attack of an evaluation, kept on disk so that it can go on after a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import Job, local, worst_cases
from daa.errors import require
from daa.evaluation import given
from daa.evaluation.checks import percent
from daa.runs import device, provenance, state
from daa.runs.state import State
from daa.target import Target

# Part of the time that may go into keeping what was reached.
_KEEPING = 0.05


def attack(
    target: Target,
    config: AttackConfig,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    *,
    kept: Path | None = None,
    ident: dict[str, Any] | None = None,
    progress: bool = True,
) -> State:
    """Runs what is left of an attack.

    Args:
        target: the classifier.
        config: the attack.
        x, y: images and labels.
        seed: of all random numbers.
        kept: file in which the state is kept; None to keep nothing.
        ident: of `records.identity`; needed with `kept`.
        progress: show a bar.

    Raises:
        InputError: a budget that is not enough for one round; a kept state that is damaged or of
            another run; a disk that is full.
    """
    reached = State() if kept is None or ident is None else state.load(kept, ident)
    left = _left(config, reached.seconds)
    if left is None:
        return reached
    written = _Written(kept, ident)
    whole = config.budget if config.reads("budget") else config.gradients_per_image
    total = None if whole >= given.ENDLESS else round(whole * len(x))
    with tqdm(
        total=total,
        initial=_gradients(reached),
        unit="gradient",
        unit_scale=True,
        desc=target.name,
        disable=not progress,
    ) as bar:
        engine = local(target, x, y, on_steps=lambda steps: _move(bar, steps))
        begin = time.perf_counter()
        try:
            job = Job(left, seed=seed, so_far=reached.report)
            for step in worst_cases(target, [job], x, y, engine=engine):
                now = time.perf_counter()
                if len(step.report.history) > _units(reached):
                    commit = provenance.git_commit()
                    reached = reached.after(step.report, now - begin, device.name(), commit)
                    written.soon(reached)
                begin = now
                bar.update(_gradients(reached) - bar.n)
                standing = (step.report.margin > 0).mean()
                bar.set_postfix_str(f"robust accuracy {percent(standing)}")
        finally:
            written.now(reached)
    spent = config.budget if config.reads("budget") else None
    require(_units(reached) > 0, "budget", "enough for one round", spent)
    return reached


def _left(config: AttackConfig, seconds: float) -> AttackConfig | None:
    """The attack with the minutes that are left; None where none are."""
    minutes = config.minutes if config.reads("minutes") else None
    if minutes is None or not seconds:
        return config
    if 60 * minutes <= seconds:
        return None
    return config.replace(minutes=minutes - seconds / 60)


class _Written:
    """The file of a state, which is written often, but takes a small part of the time."""

    def __init__(self, path: Path | None, ident: dict[str, Any] | None) -> None:
        self._path, self._ident = path, ident
        self._last: State | None = None
        self._next = 0.0

    def soon(self, reached: State) -> None:
        """Writes a state, unless the last one was written just now."""
        if time.perf_counter() >= self._next:
            self.now(reached)

    def now(self, reached: State) -> None:
        """Writes a state, unless it is there."""
        if self._path is None or self._ident is None:
            return
        if reached is self._last or reached.report is None:
            return
        begin = time.perf_counter()
        state.save(self._path, self._ident, reached)
        end = time.perf_counter()
        self._last, self._next = reached, end + (end - begin) / _KEEPING


def _units(reached: State) -> int:
    return 0 if reached.report is None else len(reached.report.history)


def _gradients(reached: State) -> int:
    return 0 if reached.report is None else round(reached.report.gradients.sum())


def _move(bar: tqdm, steps: int) -> None:
    bar.update(steps)
