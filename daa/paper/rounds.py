"""Rounds over all cells: the first restart of each, then the next; cheap networks first."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from daa.attacks.plans import Report
from daa.attacks.worst_case import Engine
from daa.paper.networks import Network
from daa.paper.plan import Task
from daa.reports import examples
from daa.runs import records, run, state
from daa.runs.config import Row
from daa.runs.setup import Setup
from daa.runs.state import State

# Makes the engine of a network; None for this process.
Engines = Callable[[Network], "Engine | None"]


@dataclass(eq=False)
class Cell:
    """A run of a task.

    Args:
        task: that it belongs to.
        number: of its row.
        network: that it attacks.
        done: restarts in its record.
    """

    task: Task
    number: int
    network: Network
    done: int = 0

    @property
    def row(self) -> Row:
        return self.task.experiment.rows[self.number]

    @property
    def folder(self) -> Path:
        """Of its record."""
        return self.task.folder(self.network.options.out)

    @property
    def record(self) -> Path:
        return self.folder / f"{self.row.name}.json"

    @property
    def kept(self) -> Path:
        """The file of its state."""
        return self.record.with_suffix(".npz")

    @property
    def restarts(self) -> int:
        """That it has in the end."""
        return self.task.experiment.restarts

    @property
    def same(self) -> str:
        """Equal for cells that make the same units of work, as Table 1 and Figure 1."""
        seed = self.task.experiment.seed if self.row.seed is None else self.row.seed
        settings = self.row.attack.settings()
        return json.dumps([self.network.reference, seed, settings], sort_keys=True)

    def due(self, turn: int) -> int:
        """Restarts that it has after a round."""
        return min(turn, self.restarts)

    def setup(self, restarts: int) -> Setup:
        """Its experiment with so many restarts."""
        experiment = self.task.experiment.model_copy(update={"restarts": restarts})
        network, about = self.network, self.task.about
        return Setup(experiment, network.target, network.load, network.data, self.folder, about)

    def ident(self, restarts: int) -> dict[str, Any]:
        """As of `records.identity`; the network need not be loaded."""
        experiment, row, network = self.task.experiment, self.row, self.network
        seed = experiment.seed if row.seed is None else row.seed
        weights = network.provenance, network.sha256
        return records.identity(
            experiment, row, network.reference, *weights, network.data, restarts, seed
        )


def cells(work: Sequence[Task], networks: Mapping[str, Network]) -> list[Cell]:
    """All runs, with what is already there.

    Raises:
        InputError: the folder holds other runs under their names.
    """
    found = []
    for task in work:
        if task.missing:
            continue
        network = networks[task.experiment.target]
        for number in range(len(task.experiment.rows)):
            cell = Cell(task, number, network)
            if cell.record.exists():
                # A clash costs no hours, as everything is looked at before the first run.
                records.finished(cell.record, cell.ident(cell.restarts), extend=True)
                cell.done = records.load(cell.record).restarts
            found.append(cell)
    return found


def leaders(found: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells of the same units of work together; the first one makes them for all."""
    groups: dict[str, list[Cell]] = {}
    for cell in found:
        groups.setdefault(cell.same, []).append(cell)
    for group in groups.values():
        group.sort(key=lambda cell: (-cell.restarts, -cell.done))
    return groups


def image_steps(found: Sequence[Cell], turn: int | None = None) -> dict[str, float]:
    """Image-steps that are left, by the config of the cell that makes them.

    Args:
        found: all cells.
        turn: only those of the rounds up to this one; None for all.
    """
    left: dict[str, float] = {}
    for cell, *_ in leaders(found).values():
        restarts = max(cell.due(turn or cell.restarts) - cell.done, 0)
        steps = restarts * cell.row.attack.gradients_per_image * len(cell.network.data)
        left[cell.task.entry.config] = left.get(cell.task.entry.config, 0.0) + steps
    return left


def go(
    found: Sequence[Cell],
    order: Sequence[str],
    *,
    engines: Engines = lambda network: None,
    jit: bool | None = None,
    end: float = math.inf,
    on_network: Callable[[int, str], None] = lambda turn, reference: None,
    on_record: Callable[[], None] = lambda: None,
) -> bool:
    """Runs what is left, round after round.

    Args:
        found: all cells; their `done` follows.
        order: references of networks, in which each round visits them.
        engines: where the units run.
        jit: as of `Attack`, for this process.
        end: in seconds of the monotonic clock; the first unit that ends after it is the last one.
        on_network: called with the round and the network whose cells have been run.
        on_record: called after each cell that has been run.

    Returns:
        Whether everything is finished.

    Raises:
        InputError: a gradient is not finite; the disk is full.
    """
    for turn in range(1, max((cell.restarts for cell in found), default=0) + 1):
        for reference in order:
            own = [cell for cell in found if cell.network.reference == reference]
            if all(cell.done >= cell.due(turn) for cell in own):
                continue
            if time.monotonic() >= end:
                return False
            _turn(turn, own, engines(own[0].network), jit, end, on_record)
            on_network(turn, reference)
    return all(cell.done >= cell.restarts for cell in found)


def _turn(
    turn: int,
    own: Sequence[Cell],
    engine: Engine | None,
    jit: bool | None,
    end: float,
    on_record: Callable[[], None],
) -> None:
    """The restart of a round, of all cells of one network."""
    groups: list[tuple[Cell, list[Cell]]] = []
    for first, *others in leaders(own).values():
        # Without the first one's state, which a user may have removed, each runs for itself.
        if others and first.done and not first.kept.exists():
            groups += [(cell, []) for cell in (first, *others)]
        else:
            groups.append((first, others))
    runs: dict[run.Run, tuple[Cell, list[Cell], Setup]] = {}
    for cell, others in groups:
        if cell.done < cell.due(turn):
            setup = cell.setup(cell.due(turn))
            planned = run.planned(setup, cell.number)
            label = f"{cell.task.entry.config} {cell.row.name}"
            runs[replace(planned, label=label)] = cell, others, setup
        elif any(other.done < other.due(turn) for other in others):
            _follow(others, state.load(cell.kept, cell.ident(cell.done)), turn)
    for finished, reached in run.attack(own[0].setup(1), list(runs), engine, jit, end):
        cell, others, setup = runs[finished]
        _write(cell, finished, setup, reached)
        _follow(others, reached, turn)
        on_record()
    publish(own)


def _write(cell: Cell, finished: run.Run, setup: Setup, reached: State) -> None:
    assert reached.report is not None
    clean = reached.report.clean_accuracy
    records.save(finished.path, run.record(setup, finished, clean, reached))
    cell.done = len(reached.report.history)


def _follow(others: Sequence[Cell], reached: State, turn: int) -> None:
    """Records of cells whose units another cell has made."""
    report = reached.report
    for cell in others:
        units = cell.due(turn)
        if report is None or cell.done >= units or len(report.history) < units:
            continue
        setup, ident = cell.setup(units), cell.ident(units)
        followed = run.Run(cell.row, cell.row.name, ident, cell.record, finished=False)
        share = units / len(report.history)
        part = replace(reached, report=first_units(report, units), seconds=reached.seconds * share)
        if units == len(report.history) and cell.task.experiment.examples is not None:
            state.save(followed.kept, followed.ident, part)  # its figure shows the images
        _write(cell, followed, setup, part)


def first_units(report: Report, units: int) -> Report:
    """What the first units of a report achieved; its images are those of all units."""
    history = report.history[:units]
    margin = np.where(report.natural > 0, np.float32(np.inf), report.natural)
    for outcome in history:
        rows = slice(None) if outcome.images is None else outcome.images
        margin[rows] = np.minimum(margin[rows], outcome.margin)
    return replace(report, margin=margin, history=history)


def unpublished(found: Sequence[Cell]) -> list[Cell]:
    """Cells whose record is newer than the table of their task, as a kill leaves it."""

    def stale(cell: Cell) -> bool:
        table = cell.folder / "table.md"
        return not table.exists() or table.stat().st_mtime < cell.record.stat().st_mtime

    return [cell for cell in found if cell.record.exists() and stale(cell)]


def publish(found: Sequence[Cell]) -> None:
    """Tables and figures of the tasks of cells, where they have records."""
    for cell in {id(cell.task): cell for cell in found}.values():
        experiment = cell.task.experiment
        there = [(cell.folder / f"{row.name}.json").exists() for row in experiment.rows]
        if all(there):
            examples.save(experiment, cell.folder, cell.network.data)
        if any(there):
            run.publish(experiment, cell.folder)
