"""Runs the experiments of the paper, cheap networks first, and keeps the report up to date."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daa.attacks.worst_case import Engine
from daa.errors import require
from daa.paper import claims, plan, report
from daa.paper.networks import Network, of_tasks
from daa.paper.plan import Options, Task
from daa.reports import tabular
from daa.reports.publish import publish
from daa.runs import records, state
from daa.runs.config import Row
from daa.runs.run import run
from daa.targets import fetch

# Seconds between two reports while an experiment runs.
REPORT_EVERY = 60.0


@dataclass(eq=False)
class Job:
    """A task that can run, with the folder of its records.

    `run_ids` is {row: hash of its units}, which rows with a shared state have in common;
    `restarts` is {row: restarts in its record}.
    """

    task: Task
    network: Network
    folder: Path
    run_ids: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)

    def due(self, turn: float) -> int:
        """Restarts of each row after a round."""
        return int(min(turn, self.task.experiment.restarts))

    def finished(self, turn: float = math.inf) -> bool:
        """Whether all restarts of a round are finished; by default those of all rounds."""
        return min(self.restarts.values()) >= self.due(turn)

    def publish(self) -> None:
        """Writes tables and figures if they are older than the records."""
        table = self.folder / "table.md"
        written = table.stat().st_mtime if table.exists() else -math.inf
        paths = [self.folder / f"{name}.json" for name, count in self.restarts.items() if count]
        if any(path.stat().st_mtime > written for path in paths):
            publish(self.folder, self.network.data)


def reproduce(
    options: Options,
    *,
    hours: float | None = None,
    engines: Callable[[Network], Engine | None] = lambda network: None,
    jit: bool | None = None,
    log: Callable[[str], None] = print,
) -> bool:
    """Runs the experiments that are not finished; returns whether all that can run are finished.

    Each round adds one restart to every experiment, so that the report covers all tables early. The
    run stops after the unit in which `hours` end. `engines` makes the engine that attacks a
    network; None is this process, in which XLA compiles the attack as `jit` says.
    """
    require(hours is None or hours >= 0, "hours", "0 or more", hours)
    claims.select(options.only)
    fetch.data_folder(options.data_dir)
    fetch.model_folder(options.model_dir)
    report.check_folder(options.out)
    end = math.inf if hours is None else time.monotonic() + 3600 * hours
    with state.sole(options.out):
        work = plan.tasks(options, log)
        networks = of_tasks(work, options, log)
        # A record of another run stops the command here, before the first restart.
        jobs = [
            _job(task, networks[task.experiment.target], options.out)
            for task in work
            if not task.missing
        ]
        log(schedule(work, jobs))
        for job in jobs:
            job.publish()  # an earlier start may have been killed between record and table
        report.write(work, options.out)
        for turn, job in _rounds(jobs):
            if job.finished(turn):
                continue
            if time.monotonic() >= end:
                break
            task = job.task
            about = {"config": task.entry.config}
            if task.substituted:
                about["instead_of"] = task.original.target
            written = time.monotonic()
            for finished in run(
                task.experiment.model_copy(update={"restarts": job.due(turn)}),
                job.network.target,
                job.network.data,
                folder=job.folder,
                about=about,
                engine=engines(job.network),
                jit=jit,
                end=end,
                states=options.out / "states",
            ):
                job.restarts[finished.row.name] = finished.record.restarts
                if time.monotonic() >= written + REPORT_EVERY:
                    report.write(work, options.out)
                    written = time.monotonic()
            job.publish()
            report.write(work, options.out)
            log(f"round {turn}, {task.entry.config}: {options.out / report.PAGE}")
        log(f"\n{report.write(work, options.out).summary}\n{options.out / report.PAGE}")
        complete = all(job.finished() for job in jobs)
        if not complete:
            log("stopped at the time limit; run the same command again to continue")
        return complete


def _job(task: Task, network: Network, out: Path) -> Job:
    """The job of a task; refuses a folder with the record of another run."""
    job = Job(task, network, out / task.experiment.name)
    for row in task.experiment.rows:
        ident = records.identity(task.experiment, row, network.target, network.data)
        job.run_ids[row.name], job.restarts[row.name] = records.run_id(ident), 0
        path = job.folder / f"{row.name}.json"
        if path.exists():
            record = records.load(path)
            records.check_same(path, record, ident, ignored=("restarts",))
            job.restarts[row.name] = record.restarts
    return job


def _rounds(jobs: Sequence[Job]) -> Iterator[tuple[int, Job]]:
    """Each round with each job: networks with a cheap first round first.

    A network comes last if the paper prints no number for it.
    """
    printed = {claim.config for claim in claims.claims() if claim.kind not in claims.ORDERS}

    def cost(job: Job) -> tuple[bool, float]:
        same = [other for other in jobs if other.network is job.network]
        unprinted = all(other.task.entry.config not in printed for other in same)
        steps = sum(steps_left(same, 1).values())
        return unprinted, job.network.check.ms_per_image * steps

    ordered = sorted(jobs, key=cost)
    for turn in range(1, max((job.due(math.inf) for job in jobs), default=0) + 1):
        for job in ordered:
            yield turn, job


def steps_left(jobs: Sequence[Job], turn: float = math.inf) -> Counter[str]:
    """Gradients of single images left up to a round, by config. Shared units count once."""
    shared: dict[str, list[tuple[Job, Row]]] = {}
    for job in jobs:
        for row in job.task.experiment.rows:
            shared.setdefault(job.run_ids[row.name], []).append((job, row))
    left: Counter[str] = Counter()
    for rows in shared.values():
        finished = max(job.restarts[row.name] for job, row in rows)
        restarts = max(max(job.due(turn) for job, _ in rows) - finished, 0)
        job, row = rows[0]
        steps = restarts * row.attack.gradients_per_image * len(job.network.data)
        left[job.task.entry.config] += round(steps)
    return left


def schedule(work: Sequence[Task], jobs: Sequence[Job]) -> str:
    """A table of the experiments with the hours that are left on this device."""
    rows, total, steps = [], 0.0, steps_left(jobs)
    by_config = {job.task.entry.config: job for job in jobs}
    for task in work:
        cells = [task.entry.config, task.experiment.target]
        job = by_config.get(task.entry.config)
        if job is None:
            rows.append([*cells, "", "", "", task.missing])
            continue
        hours = steps[task.entry.config] * job.network.check.ms_per_image / 3.6e6
        total += hours
        finished = f"{sum(job.restarts.values())} of {len(job.restarts) * job.due(math.inf)}"
        left = f"{hours:.1f}" if hours >= 0.05 or not hours else f"{hours:.2f}"
        rows.append([*cells, f"{len(job.network.data):,}", finished, left, ""])
    header = ["config", "network", "images", "restarts finished", "hours left", "not run"]
    lines = tabular.markdown(header, rows, ["left", "left", "right", "right", "right", "left"])
    text = f"{total:.1f} hours are left on this device. Units that configs share count once."
    return "\n".join(["", *lines, "", text])
