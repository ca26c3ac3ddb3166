"""The results page: index.html and README.md, written from the records."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from daa import targets
from daa.attacks.methods import METHODS
from daa.reports import autoattack, curves, figures, style, tables, tabular, wording
from daa.reports.budgets import levels
from daa.reports.comparisons import Comparison
from daa.reports.results import ResultSet, load
from daa.runs.records import Record
from daa.targets.files import replaceable, write_atomically

# Values of the field `group` of the project's experiments, in the order of the
# page. All but the last group are about the paper; other groups follow.
BUDGETS, TABLES, FIGURES = "Equal budgets", "The paper's tables", "The paper's figures"
GROUPS = (BUDGETS, TABLES, FIGURES, "Choices and precision")
OTHERS = "Other experiments"
# Longer tables are folded, with the figure above them.
_LONG = 24
_SETTINGS = {
    column.name for column in (*tables.NAMES[1:], tables.EPS, *tables.SETTINGS, tables.SEED)
}
# Folders of reports by the command `paper`, and their weights.
_PAPER_REPORTS = {
    "paper": "with the weights that were available",
    "paper_surrogates": "with stand-ins for missing weights",
}
# Texts distinguish the files of this page from other files of the same name.
_MARKS = {
    "index.html": "results</title>",
    "README.md": "Written by `python scripts/page.py` from the records",
}
# Origin of a network's weights in words.
WEIGHTS = {
    "original": "the paper's weights",
    "third-party": "weights published by others",
    "surrogate": "stand-in trained here",
    "own": "trained here",
}


class Entry(NamedTuple):
    """An attack on a leaderboard; accuracy in percent, `own` for an attack of this project.

    An entry without a rank says that there is no run; its accuracy is not shown.
    """

    rank: int | None
    name: str
    accuracy: float
    by: str = ""
    url: str | None = None
    own: bool = False


class Board(NamedTuple):
    """A leaderboard; `about` is a sentence in plain text, `target` the network if it is one."""

    title: str
    about: str
    entries: Sequence[Entry]
    target: str = ""

    def ranked(self, own: Iterable[Entry] = ()) -> "Board":
        """The board with ranks and with more entries; equal accuracies share a rank."""
        entries = sorted([*self.entries, *own], key=lambda entry: entry.accuracy)
        # Boards show two decimals, so two decimals decide.
        shown = [round(entry.accuracy, 2) for entry in entries]
        ranks = [1 + shown.index(accuracy) for accuracy in shown]
        ranked = [entry._replace(rank=k) for entry, k in zip(entries, ranks, strict=True)]
        return self._replace(entries=ranked)

    @property
    def markdown(self) -> str:
        cells = []
        for entry in self.entries:
            name = f"**{entry.name}**" if entry.own else entry.name
            accuracy = f"{entry.accuracy:.2f} %" if entry.rank else ""
            cells.append([str(entry.rank or ""), name, accuracy])
        align: list[tabular.Align] = ["right", "left", "right"]
        return "\n".join(tabular.markdown(["rank", "attack", "accuracy"], cells, align))


def _card(results: ResultSet) -> SimpleNamespace:
    """An experiment in brief: PGD, the strongest DAA and Adaptive DAA, as far as they exist.

    Records and pairs are for the radius of the target and the first seed, which `part` names if
    there are several; `outcomes` counts all comparisons.
    """
    records = results.records
    name, radii = records[0].target, {record.attack.eps for record in records}
    usual = targets.row(name).eps if targets.exists(name) else None
    eps, seed = usual if usual in radii else records[0].attack.eps, records[0].seed

    def matches(record: Record) -> bool:
        return record.attack.eps == eps and record.seed == seed

    pairs = [pair for pair in results.compared if matches(pair.daa)]
    pairs = sorted(pairs, key=lambda pair: (pair.daa.worst, pair.p_holm))[:1]
    adaptive = [pair for pair in results.budgeted if matches(pair.daa)][:1]
    if both := pairs + adaptive:
        selected = [both[0].pgd, *(pair.daa for pair in both)]
    else:
        selected = [min(filter(matches, records), key=lambda record: record.worst)]
    part = [f"eps {wording.radius(eps)}"] * (len(radii) > 1)
    part += [f"seed {seed}"] * (len({record.seed for record in records}) > 1)
    count = outcomes(results.compared)
    return SimpleNamespace(records=selected, pairs=both, outcomes=count, part=", ".join(part))


def outcomes(pairs: Iterable[Comparison]) -> dict[str, int]:
    """Number of comparisons by outcome."""
    count = Counter(pair.outcome for pair in pairs)
    return {name: count[name] for name in ("stronger", "no difference", "weaker")}


def write(
    folders: Sequence[Path],
    out: Path | None = None,
    boards: Callable[[Sequence[ResultSet]], Sequence[Board]] = lambda _: (),
) -> list[Path]:
    """Writes index.html and README.md to a folder, by default the parent of the result folders.

    `boards` makes the leaderboards of the results. Other files of these names are not overwritten.
    """
    out = out or folders[0].parent
    require_replaceable(out)
    experiments = in_order(map(load, folders))
    made = boards(experiments)
    write_atomically(out / "index.html", html(experiments, out, made).encode())
    write_atomically(out / "README.md", markdown(experiments, out, made).encode())
    return [out / "index.html", out / "README.md"]


def require_replaceable(out: Path) -> None:
    """Refuses a folder with other files of these names."""
    for name, mark in _MARKS.items():
        replaceable(out / name, mark)


def in_order(experiments: Iterable[ResultSet]) -> list[ResultSet]:
    """Experiments in the order of the page: by group, then by the name of the folder."""
    return sorted(
        experiments,
        key=lambda one: ((*GROUPS, one.group).index(one.group), one.group, one.folder.name),
    )


def of_paper(experiments: Sequence[ResultSet]) -> bool:
    return any(results.group in GROUPS[:-1] for results in experiments)


def html(experiments: Sequence[ResultSet], out: Path, boards: Sequence[Board] = ()) -> str:
    """The page in the folder `out` as a single HTML file without external resources."""
    root = experiments[0].folder.parent
    sections = [_section(results, out) for results in experiments]
    networks: dict[str, dict[str, None]] = {}
    groups: dict[str, list[SimpleNamespace]] = {}
    for section in sections:
        networks.setdefault(_origin(section.record), {})[section.record.target] = None
        groups.setdefault(section.results.group or OTHERS, []).append(section)
    attacks = [record.attack for results in experiments for record in results.records]
    choices = {
        "target": [section.record.target for section in sections],
        "loss": [wording.loss(attack) for attack in attacks if attack.loss],
        "attack": [METHODS[attack.method].title for attack in attacks],
    }
    paper = of_paper(experiments)
    papers = [section for section in groups.get(TABLES, ()) if section.results.compared]
    benchmark = root / "benchmark.svg"
    drawn, alt = "", "Time of a step of each attack, and growth of time and memory"
    if paper and benchmark.exists():
        drawn = style.inline(benchmark.read_text(), "benchmark", alt)
    return style.render(
        "index.html",
        groups=groups,
        sections=sections,
        of_paper=paper,
        headlines=[section for section in sections if section.levels],
        papers=papers,
        counts=outcomes(pair for part in papers for pair in part.results.compared),
        networks=networks,
        runs=len(attacks),
        choices={name: dict.fromkeys(values) for name, values in choices.items()},
        reports=_paper_reports(experiments, out),
        boards=boards,
        benchmark=drawn,
        root=_path(out, root),
        METHODS=METHODS,
        WEIGHTS=WEIGHTS,
        origin=_origin,
        autoattack=autoattack,
        by_outcome=outcomes,
        tables=tables,
        wording=wording,
    )


def _origin(record: Record) -> str:
    """Origin of the weights in words."""
    if record.weights == "own" and not targets.exists(record.target):
        return "your model"
    return WEIGHTS.get(record.weights, record.weights)


def _path(out: Path, folder: Path) -> str:
    """The path of a folder in a link of a file in `out`."""
    return Path(os.path.relpath(folder, out)).as_posix()


def _paper_reports(experiments: Sequence[ResultSet], out: Path) -> dict[str, str]:
    """Reports on the paper next to the result folders: {path from the page: weights}."""
    root = experiments[0].folder.parent
    names = _PAPER_REPORTS if of_paper(experiments) else {}
    there = {root / name: on for name, on in names.items() if (root / name / "report.md").exists()}
    return {_path(out, folder): on for folder, on in there.items()}


def _section(results: ResultSet, out: Path) -> SimpleNamespace:
    """An experiment for the template.

    `link` is the path of the folder, `figures` the SVG and the data of the interactive plot of each
    panel, and `images` the SVG of the attacked images, or an empty text.
    """
    name = re.sub(r"[^\w-]", "-", results.folder.name)
    _, panels = figures.of(results)
    pictures = []
    for k, plot in enumerate(panels):
        panel = f"{results.title}, {plot.title}" if plot.title else results.title
        alt = f"{panel}: {plot.y_label} against {plot.x_label}"
        svg = style.inline(curves.panel(plot), f"{name}-{k}", alt)
        pictures.append((svg, curves.interactive(plot) | {"about": alt}))
    images = figures.attacked_images(results)
    alt = f"{results.title}: images before and after the attacks"
    table, records = tables.table(results), results.records
    pairs = {pair.daa.run: pair for pair in results.budgeted} | results.pairs
    return SimpleNamespace(
        results=results,
        id=results.folder.name,
        title=(results.experiment or records[0]).title,
        record=records[0],
        link=_path(out, results.folder),
        card=_card(results),
        table=table,
        folded=bool(results.sweep) or results.has_curves or len(table.rows) > _LONG,
        settings=[name for name in table.columns if name in _SETTINGS],
        rows=[*zip_longest(table.rows, records, (pairs.get(record.run) for record in records))],
        figures=pictures,
        images=style.inline(images, f"{name}-images", alt) if images else "",
        levels=levels(results),
    )


def markdown(experiments: Sequence[ResultSet], out: Path, boards: Sequence[Board] = ()) -> str:
    return style.render(
        "results.md",
        experiments=experiments,
        boards=boards,
        reports=_paper_reports(experiments, out),
        link=partial(_path, out),
        tables=tables,
        wording=wording,
    )
