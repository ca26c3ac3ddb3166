"""The page of all results, as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from daa.errors import require
from daa.leaderboard import boards
from daa.leaderboard.boards import Entry
from daa.reports import cards as summary
from daa.reports import plotting, tables
from daa.reports import sections as parts
from daa.reports.results import Collected, collect
from daa.reports.wording import at_most, label, radius
from daa.targets.files import replaceable, write_atomically

# The folder is not committed, so it is no part of a page that is.
LEFT_OUT = ("quickstart",)
# Leaderboards rank attacks on the whole test set.
_RANKED_IMAGES = 10_000
# Files that become part of the page as they are, beside its template.
_FILES = ("page.css", "page.js", "uPlot.min.css", "uPlot.iife.min.js", "uPlot.LICENSE")

# Folders of the reports of `scripts/paper.py`, and on which networks they are.
_REPORTS = {
    "paper": "on the weights that were there",
    "paper_surrogates": "with other networks in the place of missing weights",
}

# What tells the files of this page from a user's own.
_MARKS = {
    "index.html": "results</title>",
    "README.md": "Written by `python scripts/page.py` from the records",
}

# Result folders with their records, in the order of the page.
Results = Mapping[Path, Collected]


def write(folders: Iterable[Path], out: Path | None = None) -> list[Path]:
    """Writes index.html and README.md.

    Args:
        folders: of records.
        out: folder of both files; None for that in which the result folders lie.

    Returns:
        The paths of both files.

    Raises:
        InputError: a folder without records, no folder to show, or other files of these names,
            which are never overwritten.
    """
    chosen = shown(folders)
    require(bool(chosen), "page", "a folder of results to show", None)
    root = out or chosen[0].parent
    for name, mark in _MARKS.items():
        replaceable(root / name, mark)
    results = {folder: collect(folder) for folder in chosen}
    texts = {root / "index.html": html(results, root), root / "README.md": markdown(results, root)}
    for path, text in texts.items():
        write_atomically(path, text.encode())
    return list(texts)


def shown(folders: Iterable[Path]) -> list[Path]:
    """The folders that are part of the page, in its order.

    A folder that is not committed is part of a page of its own only.
    """
    folders = list(folders)
    kept = [folder for folder in folders if folder.name not in LEFT_OUT]
    return sorted(kept or folders, key=summary.place)


def _root(results: Results) -> Path:
    """The folder in which the result folders lie, and the benchmark and the living board."""
    return next(iter(results)).parent


def html(results: Results, out: Path | None = None) -> str:
    """One self-contained page that loads nothing; figures, styles and scripts are part of it.

    Args:
        results: of the page.
        out: folder in which the page lies, from where its links lead; None for that of the results.
    """
    environment = Environment(
        loader=PackageLoader("daa.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    root = _root(results)
    made = [parts.part(folder, found, out or root) for folder, found in results.items()]
    own, of_paper = entries(results), _of_paper(results)
    only = made[0].card if len(made) == 1 else None
    return environment.get_template("index.html").render(
        root=parts.path_from(out or root, root),
        places={folder.name: parts.path_from(out or root, folder) for folder in results},
        groups=_grouped(made),
        choices=_choices(made),
        verdict=verdict(results),
        of_paper=of_paper,
        reports=_reports(root, out or root) if of_paper else {},
        only=only,
        boards=[(board, board.ranked(own)) for board in _boards(results)],
        mark=_mark(own),
        living=_living(root, results),
        benchmark=parts.benchmark(root) if of_paper else None,
        figure_style=plotting.page_style(),
        radius=radius,
        at_most=at_most,
        files={name: _file(environment, name) for name in _FILES},
    )


def _of_paper(results: Results) -> bool:
    """Whether a page is about the paper: it has one of its experiments, or those beside them."""
    return any(summary.of_paper(folder) for folder in results)


def _file(environment: Environment, name: str) -> str:
    loader = environment.loader
    assert loader is not None
    return loader.get_source(environment, name)[0]


def _grouped(made: Sequence[parts.Part]) -> list[tuple[str, list[parts.Part]]]:
    groups: dict[str, list[parts.Part]] = {}
    for one in made:
        groups.setdefault(one.group, []).append(one)
    return list(groups.items())


def _choices(made: Sequence[parts.Part]) -> dict[str, list[str]]:
    """What the tables can be filtered by."""
    rows = [row for one in made for row in one.table.rows]
    found = {
        "target": [one.card.record.target for one in made],
        "loss": [row.loss for row in rows],
        "attack": [row.attack for row in rows],
    }
    return {name: list(dict.fromkeys(filter(None, values))) for name, values in found.items()}


def verdict(results: Results) -> dict[str, Any]:
    """What the page opens with.

    Returns:
        `headlines` of the experiments with equal budgets; `cards` of the experiments of the
        paper's tables, and `counts` of all their comparisons by outcome; `weights`: networks by
        where their weights come from; `original`: whether some have the paper's own; `unchecked`:
        experiments of the paper that have no result, on a page that is about the paper.
    """
    cards = [summary.card(folder, found) for folder, found in results.items()]
    of_tables = [
        card
        for folder, card in zip(results, cards, strict=True)
        if summary.group(folder) == summary.TABLES and card.comparisons
    ]
    weights: dict[str, list[str]] = {}
    for card in cards:
        networks = weights.setdefault(card.weights, [])
        if card.record.target not in networks:
            networks.append(card.record.target)
    headlines = [summary.headline(folder, found) for folder, found in results.items()]
    return {
        "headlines": [headline for headline in headlines if headline],
        "cards": of_tables,
        "counts": {
            name: sum(card.outcomes[name] for card in of_tables)
            for name in ("stronger", "none", "weaker")
        },
        "weights": weights,
        "original": any(card.record.weights == "original" for card in cards),
        "unchecked": summary.unchecked(results.values()) if _of_paper(results) else {},
    }


def markdown(results: Results, out: Path | None = None) -> str:
    """The same in Markdown, with links to the figures; arguments as of `html`."""
    out = out or _root(results)
    lines = [
        "# Results",
        "",
        "Written by `python scripts/page.py` from the records in the folders beside this file; "
        "[index.html](index.html) is the same with sortable tables.",
    ]
    for folder, found in results.items():
        lines += ["", tables.markdown(found).replace("# ", "## ", 1).rstrip()]
        place = parts.path_from(out, folder)
        for path in sorted(folder.glob("*.png")):
            lines += ["", f"![{path.stem} of {found.title}]({place}/{path.name})"]
        lines += ["", f"[Records]({place})"]
    if _of_paper(results) and (reports := _reports(_root(results), out)):
        lines += ["", "## Number by number", ""]
        lines += [
            f"- [Everything that the paper prints]({place}/report.md), {on}"
            for place, on in reports.items()
        ]
    if ranked := _boards(results):
        own = entries(results)
        lines += ["", "## Leaderboards", "", _mark(own), "", boards.markdown(ranked, own)]
    return "\n".join(lines) + "\n"


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


def _reports(root: Path, out: Path) -> dict[str, str]:
    """The reports of the whole paper that are there: {path from the page: on which networks}."""
    there = {
        root / name: on for name, on in _REPORTS.items() if (root / name / "report.md").exists()
    }
    return {parts.path_from(out, folder): on for folder, on in there.items()}


def _boards(results: Results) -> list[boards.Board]:
    """The leaderboards of a page: all on the paper's, else those of the networks on it."""
    chosen = boards.load()
    return chosen if _of_paper(results) else [b for b in chosen if b.target in _networks(results)]


def _living(root: Path, results: Results) -> dict[str, list[boards.Ranked]]:
    """The networks of the living board that have entries, chosen as the leaderboards."""
    living = boards.load_living(root / boards.FOLDER.name)
    shown = boards.TARGETS if _of_paper(results) else _networks(results)
    return {b.target: b.ranked() for b in living if b.entries and b.target in shown}


def _networks(results: Results) -> set[str]:
    return {record.target for found in results.values() for record in found.records}
