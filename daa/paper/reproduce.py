"""From what is there to the report: plan, checks, rounds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from daa.errors import require
from daa.paper import claims as numbers
from daa.paper import plan, report, rounds
from daa.paper.networks import Known, examined, of_tasks
from daa.paper.plan import Options, Task
from daa.paper.report import Report
from daa.paper.rounds import Cell, Engines
from daa.reports import tabular
from daa.runs import state

_HOUR = 3600.0
# Seconds from one report to the next, where networks take longer.
_REPORTED_EVERY = 60.0


def reproduce(
    options: Options,
    *,
    hours: float | None = None,
    engines: Engines = lambda network: None,
    jit: bool | None = None,
    say: Callable[[str], None] = print,
) -> bool:
    """Runs the paper, or what is left of it, and keeps the report up to date.

    Args:
        options: of the user.
        hours: the unit in which they end is the last one; None for no limit.
        engines: where the units run.
        jit: as of `Attack`, for this process.
        say: takes what the user is told.

    Returns:
        Whether everything that can be run is finished.

    Raises:
        InputError: an unknown part of the paper or a named folder that is not there; hours below 0;
            another process at work in the folder; results of another run or files of the report's
            names there; a damaged state; a gradient that is not finite; a full disk.
    """
    require(hours is None or hours >= 0, "hours", "0 or more", hours)
    plan.check(options)  # before anything is written
    report.check_place(options.out)
    end = math.inf if hours is None else time.monotonic() + _HOUR * hours
    with state.sole(options.out):
        work = plan.tasks(options, say)
        networks = of_tasks(work, options)
        known = {name: examined(network, say) for name, network in networks.items()}
        found = rounds.cells(work, networks)
        say(schedule(work, found, known))
        # An earlier start may have been killed between a record and its figure.
        rounds.publish(rounds.unpublished(found))
        page = _Page(work, options.out)

        def told(turn: int, name: str) -> None:
            page.write()
            say(f"round {turn}, {name}: {page.path}")

        whole = rounds.go(
            found,
            by_cost(found, known),
            engines=engines,
            jit=jit,
            end=end,
            on_network=told,
            on_record=page.refresh,
        )
        say(f"\n{page.write().summary}\n{page.path}")
        if not whole:
            say("the time is over; the same command goes on from here")
        return whole


class _Page:
    """The report on disk: there from the start, and never much older than the records."""

    def __init__(self, work: Sequence[Task], out: Path) -> None:
        self._work, self._out = work, out
        self.write()

    def write(self) -> Report:
        """Writes it anew."""
        made = report.make(self._work, self._out)
        self.path, *_ = report.write(made, self._out)
        self._written = time.monotonic()
        return made

    def refresh(self) -> None:
        """Writes it anew where it is old."""
        if time.monotonic() - self._written >= _REPORTED_EVERY:
            self.write()


def by_cost(found: Sequence[Cell], known: Mapping[str, Known]) -> list[str]:
    """The networks, those of a cheap first round first; without a printed number last."""
    seconds = {
        name: _seconds([cell for cell in found if cell.network.reference == name], known, 1)
        for name in known
    }
    printed = {n.config for n in numbers.printed() if n.kind not in numbers.ORDERS}
    told = {cell.network.reference for cell in found if cell.task.entry.config in printed}
    return sorted(seconds, key=lambda name: (name not in told, seconds[name]))


def _seconds(found: Sequence[Cell], known: Mapping[str, Known], turn: int | None = None) -> float:
    """What cells still take, as they were timed."""
    if not found:
        return 0.0
    each = known[found[0].network.reference].ms_per_image / 1000
    return each * sum(rounds.image_steps(found, turn).values())


def schedule(work: Sequence[Task], found: Sequence[Cell], known: Mapping[str, Known]) -> str:
    """What is run, with the hours that are left on this device."""
    rows, total = [], 0.0
    for task in work:
        target = task.experiment.target
        if task.missing:
            rows.append([task.entry.config, target, "", "", "", task.missing])
            continue
        beside = [cell for cell in found if cell.task.experiment.target == target]
        steps = rounds.image_steps(beside).get(task.entry.config, 0.0)
        hours = steps * known[target].ms_per_image / 1000 / _HOUR
        total += hours
        own = [cell for cell in found if cell.task is task]
        done = sum(cell.done for cell in own)
        units = f"{done} of {sum(cell.restarts for cell in own)}"
        images = f"{len(own[0].network.data):,}"
        told = f"{hours:.1f}" if hours >= 0.05 or not hours else f"{hours:.2f}"
        rows.append([task.entry.config, target, images, units, told, ""])
    header = ["config", "network", "images", "restarts done", "hours left", "not run"]
    align: list[tabular.Align] = ["left", "left", "right", "right", "right", "left"]
    lines = tabular.markdown(header, rows, align)
    text = f"{total:.1f} hours are left on this device, units that several configs share once."
    return "\n".join(["", *lines, "", text])
