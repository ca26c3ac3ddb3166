"""The page of all results, as HTML with sortable tables and as Markdown."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from daa.errors import require
from daa.experiments import boards, notes, tables
from daa.experiments.boards import Entry
from daa.experiments.collection import Collected, collect
from daa.experiments.tables import Table
from daa.experiments.wording import label
from daa.targets.files import read_bytes, replaceable, write_atomically

# The folder is not committed, so it is no part of a page that is.
LEFT_OUT = ("quickstart",)
# Beginnings of folder names, in the order in which a reader would ask for them; others follow.
ORDER = ("robust_mnist", "table", "merged", "headline", "public", "provable", "figure")
# Leaderboards rank attacks on the whole test set.
_RANKED_IMAGES = 10_000

# What tells the files of this page from a user's own.
_MARKS = {
    "index.html": "<title>DAA: results</title>",
    "README.md": "Written by `python scripts/page.py` from the records",
}

# Result folders with their records, in the order of the page.
Results = Mapping[Path, Collected]


def write(folders: Iterable[Path]) -> list[Path]:
    """Writes index.html and README.md beside the result folders.

    Args:
        folders: of records.

    Returns:
        The paths of both files.

    Raises:
        InputError: a folder without records, no folder to show, or other files of these names,
            which are never overwritten.
    """
    chosen = shown(folders)
    require(bool(chosen), "page", "a folder of results to show", None)
    root = chosen[0].parent
    for name, mark in _MARKS.items():
        replaceable(root / name, mark)
    results = {folder: collect(folder) for folder in chosen}
    texts = {root / "index.html": html(results), root / "README.md": markdown(results)}
    for path, text in texts.items():
        write_atomically(path, text.encode())
    return list(texts)


def shown(folders: Iterable[Path]) -> list[Path]:
    """The folders that are part of the page, in its order."""

    def place(folder: Path) -> tuple[int, str]:
        starts = [k for k, start in enumerate(ORDER) if folder.name.startswith(start)]
        return min(starts, default=len(ORDER)), folder.name

    return sorted((folder for folder in folders if folder.name not in LEFT_OUT), key=place)


@dataclass(frozen=True)
class Part:
    """What the page shows of an experiment.

    Args:
        folder: name of the result folder.
        title: of the experiment.
        weights: where the weights of the target come from.
        table: the results.
        links: path of the record of each row of the table; empty where the row has none.
        notes: what the numbers were computed on, and what was found.
        tests: the papers' tests; None where there are none.
        about: what these tests mean.
        figures: name and content of each PNG file, in base64.
    """

    folder: str
    title: str
    weights: str
    table: Table
    links: Sequence[str]
    notes: Sequence[str]
    tests: Table | None
    about: str
    figures: Sequence[tuple[str, str]]


def part(folder: Path, collected: Collected) -> Part:
    """What the page shows of an experiment."""
    table, tests = tables.table(collected), tables.tests(collected)
    links = [f"{folder.name}/{record.run}.json" for record in collected.records]
    return Part(
        folder.name,
        collected.title,
        collected.records[0].weights,
        table,
        links + [""] * (len(table.rows) - len(links)),
        notes.of_table(collected),
        tests,
        notes.of_tests(collected),
        [
            (path.stem, base64.b64encode(read_bytes(path, "a figure")).decode())
            for path in _figures(folder)
        ],
    )


def _figures(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def _base64(path: Path) -> str:
    return base64.b64encode(read_bytes(path, "a figure")).decode()


def html(results: Results) -> str:
    """One self-contained page; the figures are part of it."""
    environment = Environment(
        loader=PackageLoader("daa.experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    own = entries(results)
    return environment.get_template("index.html").render(
        parts=[part(folder, found) for folder, found in results.items()],
        boards=[(board, board.ranked(own)) for board in boards.load()],
        mark=_mark(own),
    )


def markdown(results: Results) -> str:
    """The same in Markdown, with links to the figures."""
    parts = [
        "# Results",
        "",
        "Written by `python scripts/page.py` from the records in the folders beside this file; "
        "[index.html](index.html) is the same with sortable tables.",
    ]
    for folder, found in results.items():
        parts += ["", tables.markdown(found).replace("# ", "## ", 1).rstrip()]
        for path in _figures(folder):
            parts += ["", f"![{path.stem} of {found.title}]({folder.name}/{path.name})"]
        parts += ["", f"[Records]({folder.name})"]
    own = entries(results)
    parts += ["", "## Leaderboards", "", _mark(own), "", boards.markdown(boards.load(), own)]
    return "\n".join(parts) + "\n"


def entries(results: Results) -> list[Entry]:
    """This project's runs on the very networks of the leaderboards; no surrogate is among them."""
    return [
        Entry(record.target, f"{label(record.attack)} (this project)", 100 * record.worst)
        for found in results.values()
        for record in found.records
        if record.weights == "original" and record.images == _RANKED_IMAGES
    ]


def _mark(own: Sequence[Entry]) -> str:
    if own:
        return "This project's runs stand in bold."
    return "This project has no run on the original weights yet."
