"""The scheduler: runs the rows of an experiment, resumes them and writes their records."""

from __future__ import annotations

import math
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from daa.attacks import plans
from daa.attacks.losses import xent
from daa.attacks.plans import Report
from daa.attacks.worst_case import (
    Engine,
    Job,
    Progress,
    clean_accuracy,
    local,
    require_same_model,
    worst_cases,
)
from daa.errors import InputError
from daa.runs import config, device, provenance, records, state
from daa.runs.config import Experiment, Row
from daa.runs.records import Record
from daa.runs.state import State
from daa.target import Dataset, Target, check_images, input_gradient, predict

# Records have the top-5 accuracy of targets with more classes.
TOP5_ABOVE = 100
# A run of more gradients is timed before it starts, with some images; one of more seconds is named.
TIMED, LONG, _SAMPLE = 10_000, 60.0, 16
# Largest share of the time for writing states.
WRITING = 0.05


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished row; `report` is None if an earlier call finished it, see `state.load`."""

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
    """Runs the unfinished rows of an experiment.

    The units of all rows form one stream, so the workers of a cluster never wait for the end of a
    row. The folder is locked until the generator ends.

    Args:
        folder: folder of records and states, from which an interrupted run resumes; or None.
        about: the fields `config` and `instead_of` of the records.
        engine: computes the units; None for this process, with `jit` as in `Attack`.
        force: delete the records and states of all rows first.
        end: time limit, as a value of `time.monotonic()`; the running unit is completed.
        say: receives messages for the user.
        states: folder of states that rows with the same run id share, also of other experiments.

    Yields:
        The rows finished by earlier calls; then each row at its end.
    """
    provenance.git_commit()  # cached now, because a later commit is not the code of this process
    x, y = check_images(target, data.x, data.y)
    data = replace(data, x=x, y=y)
    started: list[_RowRun] = []

    def jobs() -> Iterator[Job]:
        for row in left:
            started.append(row)
            yield row.start(progress)

    def advance(gradients: float) -> None:
        started[-1].bar.update(gradients)  # the local engine runs one row at a time

    with nullcontext() if folder is None else state.sole(folder):
        rows = [
            _RowRun(experiment, number, target, data, folder, states, force)
            for number in range(len(experiment.rows))
        ]
        left = [row for row in rows if row.record is None]
        if folder is not None:
            # Each new state needs room, and a new file exists together with the file it replaces.
            new = sum(row.state_path is not None and not row.state_path.exists() for row in left)
            needed, free = (new + 1) * x.nbytes, shutil.disk_usage(folder).free
            if left and needed > free:
                raise InputError(
                    f"{folder}: {len(left)} rows need {needed / 2**30:.1f} GiB of disk for their "
                    f"worst images, but only {free / 2**30:.1f} GiB are free; attack fewer images"
                )
            config.save_experiment(folder, experiment)
        if say is not None or (target.provenance == "own" and len(left) < len(rows)):
            clean = clean_accuracy(target, x, y)
            for row in rows:
                if row.record is not None:
                    require_same_model(str(row.path), row.record.clean_accuracy, clean)
        if say is not None:
            say(
                f"{experiment.title}\n{target.name} ({target.provenance} weights), {data.name}, "
                f"{len(data):,} images, clean accuracy {100 * clean:.2f} %"
            )
            names = {*(row.name for row in experiment.rows), *config.TAKEN}
            others = {path.stem for path in folder.glob("*.json")} - names if folder else ()
            for name in sorted(others):
                say(f"{name}: not a row of this experiment; stays in {folder}, but not in reports")
        committed = folder is not None and provenance.committed(folder)
        for row in rows:
            if row.record is not None:
                if say is not None:
                    state_of = "committed record" if committed else "already finished"
                    say(f"{row.row.name}: {state_of}, {row.path}")
                yield Finished(row.row, row.record, None)
        if not left:
            return
        if progress and engine is None:
            gradients = sum(max((row.gradients or 0) - row.stored, 0) for row in left)
            _announce(target, x, y, gradients)
        engine = engine or local(target, x, y, jit, advance)
        try:
            for step in worst_cases(target, jobs(), x, y, engine=engine):
                row = left[step.job]
                row.add(step)
                if step.finished:
                    yield row.finish(step.report, about or {})
                if time.monotonic() >= end:
                    break
        finally:
            for row in started:
                row.bar.close()
                row.write()
        finished = sum(row.record is not None for row in rows)
        if finished < len(rows) and say is not None:
            count = f"{finished} of {len(rows)} rows are finished"
            text = f"stopped at the time limit: {count}; run the same command again to continue"
            warnings.warn(text, stacklevel=2)


def require_same_runs(experiment: Experiment, target: Target, data: Dataset, folder: Path) -> None:
    """Refuses a folder with different runs of the same names."""
    for number in range(len(experiment.rows)):
        _RowRun(experiment, number, target, data, folder, None, False)


def _announce(target: Target, x: np.ndarray, y: np.ndarray, gradients: float) -> None:
    """Prints how long some gradients take on this device, if it is long."""
    if gradients < TIMED:
        return
    for _ in range(2):  # the first call compiles
        begin = time.perf_counter()
        input_gradient(target, x[:_SAMPLE], y[:_SAMPLE], xent)
        seconds = (time.perf_counter() - begin) / len(x[:_SAMPLE])
    if (total := seconds * gradients) >= LONG:
        unit, size = ("hours", 3600) if total >= 7200 else ("minutes", 60)
        text = f"about {total / size:.1f} {unit} for {gradients:,.0f} gradients on this device"
        print(text, file=sys.stderr)


@dataclass(eq=False)
class _RowRun:
    """A row with identity, files, state and progress bar."""

    experiment: Experiment
    number: int
    target: Target
    data: Dataset
    folder: Path | None
    states: Path | None
    force: bool

    def __post_init__(self) -> None:
        self.row, self.shared = self.experiment.rows[self.number], self.states is not None
        self.ident = records.identity(self.experiment, self.row, self.target, self.data)
        self.restarts = self.ident["restarts"]
        own = self.row.attack.method_spec.plan not in (plans.repeat, plans.on_robust)
        self.repeats = not (own or self.row.attack.reads("budget"))
        self.path = None if self.folder is None else self.folder / f"{self.row.name}.json"
        self.local_state = None if self.path is None else self.path.with_suffix(".npz")
        self.state_path = self.local_state
        if self.states is not None:
            self.state_path = self.states / f"{records.run_id(self.ident)}.npz"
        for path in (self.path, self.local_state):
            if self.force and path is not None:
                path.unlink(missing_ok=True)
        count = len(self.experiment.rows)
        self.label = self.row.name if count == 1 else f"{self.number + 1}/{count} {self.row.name}"
        self.state = self.written = State()
        self.next_write, self.bar = 0.0, tqdm(disable=True)
        # A clash is refused here, before the first gradient.
        self.record = self._finished_record()
        self.stored = 0 if self.record else self._load().gradients

    def _finished_record(self) -> Record | None:
        """The record on disk, unless more restarts or more minutes are to extend it."""
        if self.path is None or not self.path.exists():
            return None
        record = records.load(self.path)
        assert self.state_path is not None
        limits = record.attack.minutes, self.row.attack.minutes
        extend = record.restarts < self.restarts or (None not in limits and limits[0] < limits[1])
        extend = extend and self.state_path.exists()
        # Experiments with shared states grow round by round; a record may be ahead of the round.
        ahead = record.restarts > self.restarts and self.shared
        more = ["restarts", "attack.minutes"] if extend else ["restarts"] if ahead else []
        records.check_same(self.path, record, self.ident, more)
        return None if extend else record

    def _load(self) -> State:
        """The state on disk; the worst images of its first restarts can't be separated."""
        loaded = State() if self.state_path is None else state.load(self.state_path, self.ident)
        if self.repeats and not self.shared and loaded.units > self.restarts:
            raise InputError(
                f"{self.state_path}: has {loaded.units} finished restarts, but only "
                f"{self.restarts} are asked for; ask for as many, or {records.ANEW}"
            )
        return loaded

    @property
    def gradients(self) -> float | None:
        """Gradients of all images in the complete run; None if the run chooses its end."""
        attack = self.row.attack
        if attack.minutes is not None or attack.budget == "auto":
            return None
        per_image = attack.budget or attack.gradients_per_image * self.restarts
        return per_image * len(self.data)

    def start(self, progress: bool) -> Job:
        """Loads the state and opens the bar; returns the remaining work."""
        attack = self.row.attack
        self.state = self.written = self._load()
        minutes, total = attack.minutes, self.gradients
        self.bar = tqdm(
            total=None if total is None else round(total),
            initial=self.state.gradients,
            unit="gradient",
            unit_scale=True,
            disable=not progress,
        )
        self._describe()
        if minutes is not None:  # earlier calls have used a part of them
            attack = attack.replace(minutes=max(minutes - self.state.seconds / 60, 1e-9))
        return Job(attack, self.restarts, self.ident["seed"], so_far=self.state.report)

    def _describe(self) -> None:
        """Shows the running unit and the robust accuracy after the last unit."""
        unit = f"unit {self.state.units + 1}"
        if self.repeats:
            unit = f"restart {min(self.state.units + 1, self.restarts)}/{self.restarts}"
        self.bar.set_description(f"{self.label} {unit}")
        if self.state.report is not None and self.state.units:
            accuracy = (self.state.report.margin > 0).mean()
            self.bar.set_postfix_str(f"robust accuracy {100 * accuracy:.2f} %")

    def add(self, step: Progress) -> None:
        """Adds a unit, shows it, and writes it if writing takes little time."""
        if len(step.report.history) <= self.state.units:  # no unit was left
            return
        used = step.device or device.name()
        self.state = self.state.after(step.report, step.seconds, used, provenance.git_commit())
        self.bar.update(self.state.gradients - self.bar.n)
        self._describe()
        if time.perf_counter() >= self.next_write:
            self.write()

    def write(self) -> None:
        """Writes the state if it has changed."""
        if self.state_path is None or self.state is self.written:
            return
        begin = time.perf_counter()
        state.save(self.state_path, self.ident, self.state)
        end = time.perf_counter()
        self.next_write, self.written = end + (end - begin) / WRITING, self.state

    def finish(self, last: Report, about: dict[str, str]) -> Finished:
        """Writes state and record; `last` is the report of the restarts asked for."""
        self.write()
        self.bar.close()
        report, seconds = self.state.report, self.state.seconds
        if report is None or not report.history:
            if not (last.natural > 0).any():
                raise InputError(
                    f"{self.target.name}: misclassifies all {len(self.data):,} images without an "
                    "attack; check labels, pixel range and weights"
                )
            raise InputError(
                f"{self.row.name}: the attack made no unit; raise budget or minutes for one round"
            )
        if len(report.history) == len(last.history):
            report = replace(report, predicted=last.predicted, stopped=last.stopped)
        if self.repeats and len(report.history) > len(last.history):
            seconds *= len(last.history) / len(report.history)
            report = last
        elif self.shared and self.local_state and self.row.name in (self.experiment.examples or ()):
            state.save(self.local_state, self.ident, self.state)  # for the images of the figure
        many = self.target.classes > TOP5_ABOVE
        self.record = records.finished_run(
            self.ident,
            self.experiment,
            self.row,
            report=report,
            seconds=seconds,
            origin=self.state.origin,
            top5=top5_accuracy(self.target, report.adv, self.data.y) if many else None,
            **about,
        )
        if self.path is not None:
            records.save(self.path, self.record)
        self.state = self.written = State()  # frees the images
        return Finished(self.row, self.record, report)


def top5_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images whose label is among the five largest logits, in [0, 1]."""
    logits = predict(target, x, batch_size=50)
    rank = (logits >= logits[np.arange(len(y)), y][:, None]).sum(axis=1)
    return float((rank <= 5).mean())
