"""The page of all results, as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from daa.experiments import boards, living, parts, plotting, summary, tables
from daa.experiments.boards import Entry
from daa.experiments.collection import Collected, collect
from daa.experiments.wording import label, radius
from daa.targets.files import write_atomically

# The folder is not committed, so it is no part of a page that is.
LEFT_OUT = ("quickstart",)
# Leaderboards rank attacks on the whole test set.
_RANKED_IMAGES = 10_000
# Files that become part of the page as they are, beside its template.
_FILES = ("page.css", "page.js", "uPlot.min.css", "uPlot.iife.min.js", "uPlot.LICENSE")

# Result folders with their records, in the order of the page.
Results = Mapping[Path, Collected]


def write(folders: Iterable[Path], out: Path | None = None) -> list[Path]:
    """Writes index.html and README.md.

    Args:
        folders: of records.
        out: folder of both files; None for that in which the result folders lie.

    Returns:
        The paths of both files.
    """
    results = {folder: collect(folder) for folder in shown(folders)}
    out = out or _root(results)
    files = {out / "index.html": html(results, out), out / "README.md": markdown(results, out)}
    for path, text in files.items():
        write_atomically(path, text.encode())
    return list(files)


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
        loader=PackageLoader("daa.experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    root = _root(results)
    made = [parts.part(folder, found, out or root) for folder, found in results.items()]
    own = entries(results)
    return environment.get_template("index.html").render(
        root=parts.path_from(out or root, root),
        places={folder.name: parts.path_from(out or root, folder) for folder in results},
        groups=_grouped(made),
        choices=_choices(made),
        verdict=verdict(results),
        boards=[(board, board.ranked(own)) for board in boards.load()],
        mark=_mark(own),
        living=_living(root),
        benchmark=parts.benchmark(root),
        figure_style=plotting.page_style(),
        radius=radius,
        files={name: _file(environment, name) for name in _FILES},
    )


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
        experiments of the paper that have no result.
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
        "unchecked": summary.unchecked(results.values()),
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
    own = entries(results)
    lines += ["", "## Leaderboards", "", _mark(own), "", boards.markdown(boards.load(), own)]
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


def _living(root: Path) -> dict[str, Sequence[living.Place]]:
    """The networks of the living board that have entries."""
    board = living.load(root / living.FOLDER.name)
    return {target: places for target, places in board.items() if places}
