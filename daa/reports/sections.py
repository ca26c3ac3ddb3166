"""What the page shows of each experiment, and of the benchmark."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from daa.attacks.methods import METHODS
from daa.reports import budget, figures, notes, plots, plotting, races, tables
from daa.reports import cards as summary
from daa.reports.cards import Card, Found
from daa.reports.comparisons import Comparison, budgeted, compare
from daa.reports.plots import Plot
from daa.reports.races import Race
from daa.reports.results import Collected
from daa.reports.tables import Table
from daa.reports.wording import loss, options
from daa.runs.records import Record

# A table of more rows is folded.
_LONG = 24
# What a reader looks for first, beside the names and the settings.
_KEY = "worst case"
_SETTINGS = {
    column.name for column in (*tables.NAMES[1:], tables.EPS, *tables.SETTINGS, tables.SEED)
}


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        cells: {name of the column: text}.
        link: path of its record; empty where it has none.
        attack, loss: what it can be filtered by; empty for a row that is no run.
        options: of the attack, those that its label has in brackets.
        settings: the texts of its settings, for screens that are too narrow for their columns.
        against: what its comparison with PGD says.
    """

    cells: dict[str, str]
    link: str = ""
    attack: str = ""
    loss: str = ""
    options: str = ""
    settings: str = ""
    against: Found | None = None


@dataclass(frozen=True)
class Sheet:
    """A table with its key columns first.

    Args:
        settings: names of the columns of settings.
        rest: names of the columns after the key ones, and whether they hold words.
        rows: of the table.
        compared: whether a row has a comparison.
    """

    settings: tuple[str, ...]
    rest: tuple[tuple[str, bool], ...]
    rows: tuple[Row, ...]
    compared: bool


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Args:
        svg: of the figure.
        data: for the interactive plot; None where there is none.
    """

    svg: str
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class Part:
    """What the page shows of an experiment.

    Args:
        group: title of the group that it belongs to.
        card: at a glance.
        table: the results.
        folded: whether the table is folded, under its figure.
        notes: what the numbers were computed on, and what was found.
        tests: the papers' tests; None where there are none.
        about: what these tests mean.
        pictures: the panels of its figure.
        images: the images that it shows, as an SVG element; empty where it shows none.
        races: with AutoAttack, each with its rows and its verdict.
    """

    group: str
    card: Card
    table: Sheet
    folded: bool
    notes: Sequence[str]
    tests: Table | None
    about: str
    pictures: Sequence[Picture]
    images: str
    races: Sequence[tuple[Race, list[list[str]], str]]


def part(folder: Path, collected: Collected, out: Path) -> Part:
    """What a page in the folder `out` shows of an experiment."""
    _, panels = figures.of(collected, folder)
    images = figures.shown_examples(collected, folder)
    name = re.sub(r"[^\w-]", "-", folder.name)
    table = sheet(path_from(out, folder), collected)
    curves = budget.has_curves(collected.records)
    about = f"{collected.title}: images before and after the attacks"
    return Part(
        summary.group(folder),
        summary.card(folder, collected),
        table,
        bool(collected.sweep) or curves or len(table.rows) > _LONG,
        notes.of_table(collected),
        tables.tests(collected),
        notes.of_tests(collected),
        [picture(plot, f"{name}-{k}", collected.title) for k, plot in enumerate(panels)],
        "" if images is None else plotting.inline(images, f"{name}-images", about),
        [(race, races.rows(race), races.verdict(race)) for race in races.load(folder)],
    )


def path_from(out: Path, folder: Path) -> str:
    """The path of a folder as links of a file in `out` have it."""
    return Path(os.path.relpath(folder, out)).as_posix()


def picture(plot: Plot, name: str, title: str) -> Picture:
    """A panel as a figure of the page and as an interactive plot."""
    panel = f"{title}, {plot.title}" if plot.title else title
    about = f"{panel}: {plot.y_label} against {plot.x_label}"
    svg = plotting.inline(plots.panel(plot), name, about)
    return Picture(svg, plots.interactive(plot) | {"about": about})


def sheet(place: str, collected: Collected) -> Sheet:
    """The table of an experiment with its key columns first, each run with what was found.

    Args:
        place: path of the records, as links have it.
        collected: the records.
    """
    table = tables.table(collected)
    records: list[Record | None] = [*collected.records]
    records += [None] * (len(table.rows) - len(records))
    found: list[Comparison | None] = [*compare(collected.records)]
    found += [None] * (len(table.rows) - len(found))
    spent = {one.daa.run: one for one in budgeted(collected.records)}
    settings = [name for name in table.header if name in _SETTINGS]
    rows = []
    for cells, record, comparison in zip(table.rows, records, found, strict=True):
        texts = dict(cells)
        if record is None:
            rows.append(Row(texts))
            continue
        comparison = comparison or spent.get(record.run)
        rows.append(
            Row(
                texts,
                f"{place}/{record.run}.json",
                METHODS[record.attack.method].title,
                loss(record.attack),
                options(record.attack),
                _settings(texts, settings),
                summary.found(comparison) if comparison else None,
            )
        )
    shown = {"attack", _KEY, *settings}
    rest = [(c.name, c.align == "left") for c in table.columns if c.name not in shown]
    return Sheet(tuple(settings), tuple(rest), tuple(rows), any(row.against for row in rows))


def _settings(cells: dict[str, str], names: Sequence[str]) -> str:
    """The settings of a run as words; the loss needs no name before it."""
    texts = [(name, cells.get(name, "")) for name in names]
    return ", ".join(text if name == "loss" else f"{name} {text}" for name, text in texts if text)


def benchmark(root: Path) -> dict[str, Any] | None:
    """What the page shows of the benchmark; None where it was not run.

    Args:
        root: the folder of the result folders.
    """
    path = root / "benchmark.json"
    if not path.exists():
        return None
    content = report.load(path)
    if not report.drawable(content):
        return None
    about = "Time of a step of each attack over that of the gradient alone"
    return {
        "bars": plotting.inline(report.bars(content), "benchmark-bars", about),
        "growth": [
            picture(plot, f"benchmark-{k}", "Cost of DAA-BLOB")
            for k, plot in enumerate(report.growth(content))
        ],
        "peers": report.peers(content),
        "networks": list(content.get("peers", {})),
        "about": report.about(content),
    }
