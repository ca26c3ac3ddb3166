"""The scheduler: runs the rows of an experiment, resumes them and writes their records."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa.attacks import plans
from daa.attacks.plans import Report
from daa.attacks.worst_case import Engine, Job, Progress, clean_accuracy, local, worst_cases
from daa.errors import InputError
from daa.runs import config, device, provenance, records, state
from daa.runs.config import Experiment, Row
from daa.runs.records import Record
from daa.runs.state import State
from daa.target import Dataset, Target, check_images, predict

# Top-5 accuracy is recorded for targets with more classes.
TOP5_ABOVE = 100
# Largest share of the time that is spent on writing states.
WRITING = 0.05


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished row of an experiment.

    Args:
        row: the row.
        record: its record.
        report: the worst images and the outcomes of all units. None if an earlier call finished
            the row; `state.load` reads the report then.
    """

    row: Row
    record: Record
    report: Report | None


def run(
    experiment: Experiment,
    target: Target,
    data: Dataset,
    *,
    folder: Path | None = None,
    about: dict[str, str] | None = None,
    engine: Engine | None = None,
    jit: bool | None = None,
    force: bool = False,
    end: float = math.inf,
    progress: bool = True,
    say: Callable[[str], None] | None = None,
    states: Path | None = None,
) -> Iterator[Finished]:
    """Runs the rows of an experiment that are not finished.

    The units of all rows form one stream, so that the workers of a cluster never wait for the end
    of a row. The folder is locked until the generator ends.

    Args:
        experiment: the rows.
        target: the attacked classifier.
        data: the attacked images.
        folder: folder of the records and of the states, from which an interrupted run resumes.
            None writes nothing.
        about: the fields `config` and `instead_of` of the records.
        engine: executes the units; None for this process.
        jit: whether XLA compiles the attack in this process, as in `Attack`.
        force: delete the records and states of all rows first.
        end: stop after the unit that ends later than this value of `time.monotonic()`.
        progress: show progress bars.
        say: receives messages for the user.
        states: folder of states that several experiments share. Rows that make the same units, also
            of different experiments, use one state there, whose name is their run id.

    Yields:
        Rows that an earlier call finished; then each row as soon as it is finished.

    Raises:
        InputError: another process uses the folder; the folder holds the record or state of a
            different run; a gradient is not finite; the disk is full.
    """
    provenance.git_commit()  # cached here, because a later commit is not the code that runs
    say = say or (lambda text: None)
    x, y = check_images(target, data.x, data.y)
    data = replace(data, x=x, y=y)
    with nullcontext() if folder is None else state.sole(folder):
        rows = [
            _RowRun(experiment, number, target, data, folder, states, force)
            for number in range(len(experiment.rows))
        ]
        left = [row for row in rows if row.finished is None]
        if folder is not None:
            _check_disk(folder, data, left)
            config.save_experiment(folder, experiment)
        clean = clean_accuracy(target, x, y)
        say(
            f"{experiment.title}\n{target.name} ({target.provenance} weights), {data.name}, "
            f"{len(data):,} images, clean accuracy {100 * clean:.2f} %"
        )
        for row in rows:
            if row.finished is not None:
                say(f"{row.row.name}: already finished, {row.path}")
                yield Finished(row.row, row.finished, None)
        done = len(rows) - len(left)
        for row, report in _attack(left, target, data, engine, jit, end, progress):
            record = row.record(report, about or {})
            if row.path is not None:
                records.save(row.path, record)
            done += 1
            yield Finished(row.row, record, report)
            del report
            row.state = row._written = State()  # the images may be large
        if done < len(rows):
            say(
                f"stopped at the time limit: {done} of {len(rows)} rows are finished; "
                "run the same command again to continue"
            )


def _check_disk(folder: Path, data: Dataset, left: Sequence[_RowRun]) -> None:
    """Checks that the states fit; one more is needed because a new file replaces an old one."""
    new = sum(row.state_path is not None and not row.state_path.exists() for row in left)
    needed, free = (new + 1) * data.x.nbytes, shutil.disk_usage(folder).free
    if left and needed > free:
        raise InputError(
            f"{folder}: {len(left)} rows need {needed / 2**30:.1f} GiB of disk for their worst "
            f"images, but only {free / 2**30:.1f} GiB are free; attack fewer images"
        )


def _attack(
    rows: Sequence[_RowRun],
    target: Target,
    data: Dataset,
    engine: Engine | None,
    jit: bool | None,
    end: float,
    progress: bool,
) -> Iterator[tuple[_RowRun, Report]]:
    """Yields each row with its report when its last unit is done."""
    active: list[_RowRun] = []

    def jobs() -> Iterator[Job]:
        for row in rows:
            active.append(row)
            yield row.start(progress)

    def advance(steps: int) -> None:
        active[0].bar.update(steps)  # the local engine runs the units of the first active row

    engine = engine or local(target, data.x, data.y, jit, advance)
    try:
        for done in worst_cases(target, jobs(), data.x, data.y, engine=engine):
            row = rows[done.job]
            row.add(done)
            if done.finished:
                active.remove(row)
                yield row, row.close(done.report)
            if time.monotonic() >= end:
                return
    finally:
        for row in active:
            row.write()
            row.bar.close()


class _RowRun:
    """A row with its identity, its files, its state and its progress bar."""

    def __init__(
        self,
        experiment: Experiment,
        number: int,
        target: Target,
        data: Dataset,
        folder: Path | None,
        states: Path | None,
        force: bool,
    ) -> None:
        self.experiment, self.row = experiment, experiment.rows[number]
        self.target, self.data = target, data
        self.ident = records.identity(experiment, self.row, target, data)
        self.shared = states is not None
        self.path = self.state_path = None
        if folder is not None:
            self.path = folder / f"{self.row.name}.json"
            self.state_path = self.path.with_suffix(".npz")
            if force:
                self.path.unlink(missing_ok=True)
                self.state_path.unlink(missing_ok=True)
        if states is not None:
            self.state_path = states / f"{records.run_id(self.ident)}.npz"
        rows = len(experiment.rows)
        self.label = self.row.name if rows == 1 else f"{number + 1}/{rows} {self.row.name}"
        self.state, self.bar, self._next_write = State(), tqdm(disable=True), 0.0
        self._written: State | None = None
        # A clash is refused here, before the first gradient.
        self.finished = self._finished_before()
        if self.finished is None and not self.shared:
            self._load(self.ident["restarts"])

    def _finished_before(self) -> Record | None:
        if self.path is None or not self.path.exists():
            return None
        record = records.load(self.path)
        restarts = self.ident["restarts"]
        assert self.state_path is not None
        # A record with fewer restarts is extended from its state. Experiments with shared states
        # grow step by step, so that a record may be ahead of the present step.
        extend = record.restarts < restarts and self.state_path.exists()
        ahead = record.restarts > restarts and self.shared
        ignored = ("restarts",) if extend or ahead else ()
        records.check_same(self.path, record, self.ident, ignored)
        return None if extend else record

    def _load(self, restarts: int) -> State:
        """The state on disk.

        Raises:
            InputError: it has more restarts than asked for. The worst images of the first restarts
                can't be separated from it.
        """
        if self.state_path is None:
            return State()
        loaded = state.load(self.state_path, self.ident)
        if self._repeats and not self.shared and loaded.units > restarts:
            raise InputError(
                f"{self.state_path}: has {loaded.units} finished restarts, but only {restarts} are "
                "asked for; ask for as many, choose another folder for the results, or start anew"
            )
        return loaded

    @property
    def _repeats(self) -> bool:
        """Whether each restart is one unit."""
        return self.row.attack.parts.plan in (plans.repeat, plans.standing)

    def start(self, progress: bool) -> Job:
        """Loads the state and opens the bar; returns what is left to do."""
        attack, restarts = self.row.attack, self.ident["restarts"]
        self.state = self._written = self._load(restarts)
        per_image = attack.gradients_per_image * restarts
        if attack.reads("budget"):
            per_image = attack.budget
        limited = attack.reads("minutes") and attack.minutes is not None
        self.bar = tqdm(
            total=None if limited else round(per_image * len(self.data)),
            initial=self.state.gradients,
            unit="gradient",
            unit_scale=True,
            disable=not progress,
        )
        self._describe()
        if limited:  # the units of an earlier call have used some of the minutes
            left = max(attack.minutes - self.state.seconds / 60, 1e-9)
            attack = attack.replace(minutes=left)
        return Job(attack, restarts, self.ident["seed"], so_far=self.state.report)

    def _describe(self) -> None:
        unit = self.state.units + 1
        if self._repeats:
            restarts = self.ident["restarts"]
            self.bar.set_description(f"{self.label} restart {min(unit, restarts)}/{restarts}")
        else:
            self.bar.set_description(f"{self.label} unit {unit}")
        report = self.state.report
        if report is not None and len(report.history):
            self.bar.set_postfix_str(f"robust accuracy {100 * report.robust_accuracy[-1]:.2f} %")

    def add(self, done: Progress) -> None:
        """Adds a unit to the state, and shows and writes it."""
        if len(done.report.history) <= self.state.units:  # nothing was left to do
            return
        used = done.device or device.name()
        self.state = self.state.after(done.report, done.seconds, used, provenance.git_commit())
        self.bar.update(self.state.gradients - self.bar.n)
        self._describe()
        if time.perf_counter() >= self._next_write:
            self.write()

    def write(self) -> None:
        """Writes the state if it has changed."""
        if self.state_path is None or self.state is self._written:
            return
        begin = time.perf_counter()
        state.save(self.state_path, self.ident, self.state)
        now = time.perf_counter()
        self._next_write = now + (now - begin) / WRITING
        self._written = self.state

    def close(self, last: Report) -> Report:
        """Writes the last state; returns the report of the restarts asked for."""
        self.write()
        self.bar.close()
        report = self.state.report
        if report is None or not report.history:
            budget = self.row.attack.budget if self.row.attack.reads("budget") else None
            raise InputError(f"{self.row.name}: budget: must be enough for one round, got {budget}")
        if self._repeats and self.state.units > len(last.history):
            # The shared state has more restarts. Its first units give the report of this row.
            share = len(last.history) / self.state.units
            self.state = replace(self.state, report=last, seconds=self.state.seconds * share)
        elif (
            self.shared
            and self.path is not None
            and self.row.name in (self.experiment.examples or ())
        ):
            state.save(self.path.with_suffix(".npz"), self.ident, self.state)
        assert self.state.report is not None
        return self.state.report

    def record(self, report: Report, about: dict[str, Any]) -> Record:
        """The record of the finished row."""
        top5 = None
        if self.target.classes > TOP5_ABOVE:
            top5 = top5_accuracy(self.target, report.adv, self.data.y)
        return records.finished_run(
            self.ident,
            self.experiment,
            self.row,
            report=report,
            seconds=self.state.seconds,
            origin=self.state.origin,
            top5=top5,
            **about,
        )


def top5_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images whose label is among the five largest logits, in [0, 1]."""
    logits = predict(target, x, batch_size=50)
    rank = (logits >= logits[np.arange(len(y)), y][:, None]).sum(axis=1)
    return float((rank <= 5).mean())
