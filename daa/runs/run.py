"""Runs an experiment to its records, tables and figures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa import memory
from daa.attacks import plans
from daa.attacks.worst_case import Engine, Job, Progress, clean_accuracy, local, worst_cases
from daa.errors import InputError, require
from daa.reports import examples, figures, tables
from daa.reports import results as collection
from daa.runs import device, provenance, records, state
from daa.runs.config import Experiment, Row
from daa.runs.setup import Setup
from daa.runs.state import State
from daa.target import Target, predict

# Data sets with this many classes are also judged by whether the label is among the first five.
TOP5_FROM = 100


@dataclass(frozen=True, eq=False)
class Run:
    """One row of an experiment, and its place among all rows.

    Args:
        row: of the experiment.
        label: place and name, as in "2/10 blob-xent".
        ident: of `records.identity`.
        path: of the record.
        finished: whether the record is there.
    """

    row: Row
    label: str
    ident: dict[str, Any]
    path: Path
    finished: bool

    @property
    def kept(self) -> Path:
        """The file of the state, which lies beside the record."""
        return self.path.with_suffix(".npz")

    @property
    def repeats(self) -> bool:
        """Whether each restart is one unit of work."""
        return self.row.attack.method_spec.plan in (plans.repeat, plans.on_robust)

    def state(self) -> State:
        """What the run has reached.

        Raises:
            InputError: more restarts are kept than are asked for now. Their worst images can't be
                taken apart, and they are not thrown away.
        """
        found = state.load(self.kept, self.ident)
        units = 0 if found.report is None else len(found.report.history)
        asked = self.ident["restarts"]
        if self.repeats and units > asked:
            raise InputError(
                f"{self.kept}: expected at most {asked} restarts as asked for now, got {units} "
                "finished ones; ask for as many, choose another folder for the results, or start "
                "anew"
            )
        return found


def reproduce(
    setup: Setup,
    *,
    engine: Engine | None = None,
    jit: bool | None = None,
    force: bool = False,
    minutes: float | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> str:
    """Runs what is left of an experiment, then writes tables and figures.

    Args:
        setup: the experiment.
        engine: where the units run; None for this process.
        jit: as of `Attack`, for this process.
        force: run again what is already there.
        minutes: stop after the unit in which this time ends; what was reached is kept, and the next
            call goes on from there. None for no end.
        progress: show bars.
        say: takes what the user is told on the way.

    Returns:
        The table of what is finished and the names of what was written.

    Raises:
        InputError: another process is at work in the folder; the folder holds results of another
            run; a gradient is not finite; the disk is full.
    """
    require(minutes is None or minutes > 0, "minutes", "more than 0", minutes)
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    target, data, folder = setup.target, setup.data, setup.folder
    with state.sole(folder):
        # All that is there is looked at before the first run, so that a clash costs no hours.
        runs = [planned(setup, k, force) for k in range(len(setup.experiment.rows))]
        clean = clean_accuracy(target, data.x, data.y)
        say(
            f"{setup.experiment.title}\n{target.name} ({target.provenance} weights), {data.name}, "
            f"{len(data):,} images, clean accuracy {100 * clean:.2f} %"
        )
        for run in runs:
            if run.finished:
                say(f"{run.row.name}: kept from {run.path}")
        left = [run for run in runs if not run.finished]
        finished = len(runs) - len(left)
        for run, reached in attack(setup, left, engine, jit, end, progress):
            records.save(run.path, record(setup, run, clean, reached))
            finished += 1
        if finished < len(runs):
            say(
                f"stopped, as {minutes:g} min are over: {finished} of {len(runs)} runs are "
                "finished; the same command goes on from there"
            )
        else:
            examples.save(setup.experiment, folder, data)
        return publish(setup.experiment, folder) if finished else ""


def planned(setup: Setup, number: int, force: bool = False) -> Run:
    """The run of a row.

    Args:
        setup: the experiment.
        number: of the row.
        force: remove what is already there.

    Raises:
        InputError: the folder holds another run under this name.
    """
    target, experiment = setup.target, setup.experiment
    row = experiment.rows[number]
    ident = records.identity(
        experiment,
        row,
        target.name,
        target.provenance,
        target.weights_sha256,
        setup.data,
        experiment.restarts if row.attack.loss else 1,  # a plan of its own has no restarts
        experiment.seed if row.seed is None else row.seed,
    )
    path = setup.folder / f"{row.name}.json"
    kept = path.with_suffix(".npz")
    if force:
        path.unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
    finished = records.finished(path, ident, extend=kept.exists())
    run = Run(row, f"{number + 1}/{len(experiment.rows)} {row.name}", ident, path, finished)
    if not finished:
        run.state()
    return run


def attack(
    setup: Setup,
    runs: Sequence[Run],
    engine: Engine | None = None,
    jit: bool | None = None,
    end: float = math.inf,
    progress: bool = True,
) -> Iterator[tuple[Run, State]]:
    """Attacks in one stream over all runs; gives each run when it is finished.

    So Ray gets units of the next run while it ends the present one, and no worker waits.

    Args:
        setup: target and images of all runs, which may belong to several experiments.
        runs: unfinished ones, as of `planned`.
        engine: where the units run; None for this process.
        jit: as of `Attack`, for this process.
        end: in seconds of the monotonic clock; the first unit that ends after it is the last one.
        progress: show bars.

    Raises:
        InputError: the disk is too small for the worst images of these runs.
    """
    x, y = setup.data.x, setup.data.y
    if runs:
        # One file more than there are new runs, as each is written beside the one that it replaces.
        files = 1 + sum(not run.kept.exists() for run in runs)
        memory.require_disk(runs[0].kept.parent, x, files)
    bars: dict[int, _Bar] = {}
    left = list(range(len(runs)))

    def bar(k: int) -> _Bar:
        if k not in bars:
            bars[k] = _Bar(runs[k], len(x), progress)
        return bars[k]

    def jobs() -> Iterator[Job]:
        for k, run in enumerate(runs):
            restarts, seed = run.ident["restarts"], run.ident["seed"]
            yield Job(run.row.attack, restarts, seed, so_far=bar(k).state.report)

    # In this process the units are those of the first run that is left.
    engine = engine or local(setup.target, x, y, jit, lambda steps: bar(left[0]).move(steps))
    try:
        if runs:
            bar(0)
        for reached in worst_cases(setup.target, jobs(), x, y, engine=engine):
            bar(reached.job).take(reached)
            if reached.finished:
                left.remove(reached.job)
                yield runs[reached.job], bars.pop(reached.job).close()
            if time.monotonic() >= end:
                return
            if reached.finished and left:
                bar(left[0])
    finally:
        for shown in bars.values():
            shown.close()


class _Bar:
    """The progress bar of a run, and the run's state, which is kept on disk after each unit."""

    def __init__(self, run: Run, images: int, shown: bool) -> None:
        self._run, self.state = run, run.state()
        attack, restarts = run.row.attack, run.ident["restarts"]
        # A plan that has a budget spends the budget; others repeat one unit.
        each = attack.budget if attack.reads("budget") else restarts * attack.gradients_per_image
        self._bar = tqdm(
            total=round(images * each),
            initial=self._steps,
            unit="image-step",
            unit_scale=True,
            desc=self._description,
            disable=not shown,
        )

    @property
    def _units(self) -> int:
        return 0 if self.state.report is None else len(self.state.report.history)

    @property
    def _steps(self) -> int:
        return 0 if self.state.report is None else round(self.state.report.gradients.sum())

    @property
    def _description(self) -> str:
        if not self._run.repeats:
            return f"{self._run.label} unit {self._units + 1}"
        restarts = self._run.ident["restarts"]
        return f"{self._run.label} restart {min(self._units + 1, restarts)}/{restarts}"

    def move(self, steps: int) -> None:
        """Shows image-steps of a unit that is not finished."""
        self._bar.update(steps)

    def take(self, progress: Progress) -> None:
        """Keeps and shows the state after a unit."""
        if len(progress.report.history) > self._units:  # else nothing was left to do
            self.state = self.state.after(
                progress.report,
                progress.seconds,
                progress.device or device.name(),
                provenance.git_commit(),
            )
            state.save(self._run.kept, self._run.ident, self.state)
        self._bar.update(self._steps - self._bar.n)
        self._bar.set_description(self._description)
        self._bar.set_postfix_str(f"worst case {100 * progress.report.robust_accuracy[-1]:.2f} %")

    def close(self) -> State:
        """The last state; the bar stays as it is."""
        self._bar.close()
        return self.state


def record(setup: Setup, run: Run, clean: float, reached: State) -> records.Record:
    """The record of a finished run; `clean` is the accuracy on natural images, in [0, 1]."""
    target, report = setup.target, reached.report
    assert report is not None
    many = target.classes > TOP5_FROM
    return records.finished_run(
        run.ident,
        setup.experiment,
        run.row,
        clean=clean,
        report=report,
        seconds=reached.seconds,
        origin=reached.origin,
        top5=top5_accuracy(target, report.adv, setup.data.y) if many else None,
        **setup.about,
    )


def top5_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images whose label is among the five largest logits, in [0, 1]."""
    above = np.zeros(len(y), int)
    for part in memory.parts(x, memory.PART):
        logits, labels = predict(target, x[part], batch_size=50), y[part]
        above[part] = (logits >= logits[np.arange(len(labels)), labels][:, None]).sum(axis=1)
    return float((above <= 5).mean())


def publish(experiment: Experiment, folder: Path) -> str:
    """Writes tables and figures of an experiment; returns the table and what was written."""
    collected = collection.collect(folder, experiment)
    tables.write(collected, folder)
    written = figures.write(collected, folder)
    names = ", ".join(["table.md", "table.csv", "table.tex", *(path.name for path in written)])
    count = len(collected.records)
    found = f"{count} record{'' if count == 1 else 's'}"
    return f"\n{tables.markdown(collected)}\n{folder}: {found}, {names}"
