"""The report: a row for each thing that the paper prints, as HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daa.errors import require
from daa.leaderboard import boards
from daa.paper import claims as numbers
from daa.paper import paragraph
from daa.paper.columns import NETWORKS, PLAIN, SHOWN, Line
from daa.paper.networks import Known, load, place
from daa.paper.plan import Task
from daa.paper.verdicts import SHARE, verdicts
from daa.reports import results as collection
from daa.reports import stats, style, tabular
from daa.reports.results import ResultSet
from daa.reports.tables import Column, Table
from daa.targets import files
from daa.targets.files import write_atomically

# Characters in which a report says what it is.
_HEAD = 4000
TITLE = "Distributionally Adversarial Attack: what was reproduced"


@dataclass(frozen=True)
class Report:
    """All that the report says.

    Args:
        summary: one paragraph that can be quoted.
        lines: one for each thing that the paper prints.
        networks: what is known about those that were attacked.
        remarks: why a network is not the paper's, and what is missing, one sentence each.
        figures: paths of the figures from the report's folder, by title.
    """

    summary: str
    lines: tuple[Line, ...]
    networks: tuple[Known, ...]
    remarks: tuple[str, ...]
    figures: Mapping[str, str]


def make(work: Sequence[Task], out: Path) -> Report:
    """The report of what is there now.

    Args:
        work: the tasks that were asked for.
        out: folder of their records.
    """
    found = {task.entry.config: _collected(task, out) for task in work}
    shown = [task for task in work if not task.missing or found[task.entry.config]]
    targets = dict.fromkeys(task.experiment.target for task in shown)
    networks = tuple(filter(None, (load(place(out, target)) for target in targets)))
    strangers = _strangers(work, found, networks)
    tasks = {task.entry.config: task for task in work}
    judged = verdicts(numbers.printed(), work, found, strangers)
    lines = tuple(Line(verdict, tasks[verdict.number.config]) for verdict in judged)
    remarks = [f"{name} is not the paper's network: {why}." for name, why in strangers.items()]
    remarks += _absent(work, found)
    figures = {
        f"{task.experiment.title} ({path.name}, of {_restarts(found[task.entry.config])})": (
            path.relative_to(out).as_posix()
        )
        for task in work
        for path in sorted(task.folder(out).glob("*.png"))
    }
    summary = paragraph.summary(lines, networks, [*strangers], _progress(shown, found))
    return Report(summary, lines, networks, tuple(remarks), figures)


def write(report: Report, out: Path) -> list[Path]:
    """Writes index.html, report.md and report.csv; returns their paths."""
    texts = {"index.html": html(report), "report.md": markdown(report), "report.csv": plain(report)}
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return [out / name for name in texts]


def check_place(out: Path) -> None:
    """Refuses a folder in which the report would overwrite other files.

    Raises:
        InputError: a file that has a name of the report's and is no report of this command.
    """
    header = ",".join(column.name for column in PLAIN)
    for name, mark in {"index.html": TITLE, "report.md": TITLE, "report.csv": header}.items():
        path = out / name
        if path.exists():
            files.read_bytes(path, "a file")
            with path.open(encoding="utf-8", errors="replace") as file:
                ours = mark in file.read(_HEAD)
            expected = "a report of this command or no file; choose another folder"
            require(ours, str(path), expected, "another file")


def _collected(task: Task, out: Path) -> ResultSet | None:
    """The records of a task, also of one that can't go on now; None where it has none."""
    folder = task.folder(out)
    if not any((folder / f"{row.name}.json").exists() for row in task.experiment.rows):
        return None
    return collection.load(folder, task.experiment)


def _absent(work: Sequence[Task], found: Mapping[str, ResultSet | None]) -> list[str]:
    """What can't be run or finished now, one sentence for each reason."""
    configs: dict[tuple[str, str], list[str]] = {}
    for task in work:
        one = found[task.entry.config]
        if task.missing and not (one and _finished(task, one)):
            begun = "Not finished" if one else "Not run"
            configs.setdefault((begun, task.missing), []).append(task.entry.config)
    return [f"{begun}: {', '.join(names)}: {why}." for (begun, why), names in configs.items()]


def _finished(task: Task, found: ResultSet) -> bool:
    restarts = task.experiment.restarts
    return not found.missing and all(record.restarts >= restarts for record in found.records)


def _strangers(
    work: Sequence[Task], found: Mapping[str, ResultSet | None], networks: Sequence[Known]
) -> dict[str, str]:
    """Why a network is not the paper's, though its weights lie in the place of those."""
    why = {known.target: "; ".join(known.misses) for known in networks if known.misses}
    for task in work:
        collected = found[task.entry.config]
        if task.entry.board is None or collected is None or task.stand_in:
            continue
        record = collected.records[0]
        expected = boards.value(record.target, task.entry.board)
        low, high = stats.interval(record.images - len(record.broken), record.images)
        whole = record.images >= SHARE * task.entry.images and record.weights != "own"
        if whole and not 100 * low <= expected <= 100 * high:
            why[record.target] = (
                f"{task.entry.board}: expected {expected:.2f} as on the leaderboard, got "
                f"{100 * record.worst:.2f} (95 % interval {100 * low:.2f} to {100 * high:.2f})"
            )
    return why


def _progress(shown: Sequence[Task], found: Mapping[str, ResultSet | None]) -> str:
    """How many restarts of all runs are done."""
    records = [r for one in found.values() if one is not None for r in one.records]
    whole = sum(task.experiment.restarts * len(task.experiment.rows) for task in shown)
    done = sum(r.restarts for r in records)
    of = "of the runs asked for that were or can be made here"
    return f"{done:,} of {whole:,} restarts are done, {of}."


def _restarts(found: ResultSet | None) -> str:
    """How many restarts a figure shows."""
    if found is None:
        return "no record"
    return paragraph.plural(min(record.restarts for record in found.records), "restart")


def _texts(columns: Sequence[Column], of: Sequence[object]) -> Table:
    rows = [{column.name: column.value(one) for column in columns} for one in of]
    return Table(tuple(columns), tuple(rows))


def html(report: Report) -> str:
    """One page with a table that can be sorted."""
    return style.render(
        "paper.html",
        title=TITLE,
        legend=paragraph.LEGEND,
        report=report,
        table=_texts(SHOWN, report.lines),
        networks=_texts(NETWORKS, report.networks),
    )


def markdown(report: Report) -> str:
    """The same in Markdown."""
    parts = [f"# {TITLE}", "", report.summary]
    for table in (_texts(SHOWN, report.lines), _texts(NETWORKS, report.networks)):
        parts += ["", *tabular.markdown(table.header, table.cells, table.align)]
    for text in paragraph.LEGEND:
        parts += ["", text]
    for remark in report.remarks:
        parts += ["", remark]
    for title, path in report.figures.items():
        parts += ["", f"{title}:", "", f"![{title}]({path})"]
    return "\n".join(parts) + "\n"


def plain(report: Report) -> str:
    """The rows as comma-separated values."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([column.name for column in PLAIN])
    for line in report.lines:
        writer.writerow([column.value(line) for column in PLAIN])
    return lines.getvalue()
