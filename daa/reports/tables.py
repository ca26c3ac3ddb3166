"""The table of an experiment as Markdown, LaTeX and CSV."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daa.attacks.methods import METHODS, AttackConfig
from daa.reports import budgets, stats, tabular, wording
from daa.reports.comparisons import Comparison
from daa.reports.results import ResultSet
from daa.reports.tabular import Align
from daa.reports.wording import label, loss, radius
from daa.runs.records import Record
from daa.targets.files import write_atomically

FILES = ("table.md", "table.csv", "table.tex")


class Column(NamedTuple):
    """A column; `value` makes the text of a cell from an attack, a `Line` or a `Comparison`."""

    name: str
    value: Callable[[Any], str]
    align: Align = "right"


class Table(NamedTuple):
    """Columns as {name: alignment}, and rows as {name of a column: text}."""

    columns: Mapping[str, Align]
    rows: Sequence[Mapping[str, str]]

    @property
    def cells(self) -> list[list[str]]:
        return [[row.get(name, "") for name in self.columns] for row in self.rows]

    def markdown(self) -> list[str]:
        return tabular.markdown([*self.columns], self.cells, [*self.columns.values()])


class Line(NamedTuple):
    """A record and the comparison with PGD."""

    record: Record
    comparison: Comparison | None = None


def _first_run(line: Line) -> str:
    # The units of a plan are not restarts.
    return "" if line.record.gradients_after else _text(line.record.robust_accuracy[0], scale=100)


def _restarts(line: Line) -> str:
    return "" if line.record.attack.reads("budget") else str(line.record.restarts)


def _particles(value: Callable[[AttackConfig], str]) -> Callable[[AttackConfig], str]:
    return lambda attack: value(attack) if METHODS[attack.method].particles else ""


def _text(value: float | None, form: str = ".2f", scale: int = 1) -> str:
    return "" if value is None else format(scale * value, form)


def _interval(line: Line) -> str:
    images = line.record.images
    low, high = stats.interval(images - len(line.record.broken), images)
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _difference(line: Line) -> str:
    """Difference from the paper's accuracy in percent, for the paper's network only."""
    record, paper = line.record, line.record.paper_percent
    same = record.weights != "surrogate" and record.instead_of is None
    return _text(100 * record.worst - paper, "+.2f") if same and paper is not None else ""


def _number(value: float) -> str:
    return f"{value:,}" if value == int(value) else f"{value:,.1f}"


def _all(form: str) -> Callable[[Any], str]:
    return lambda level: ", ".join(form.format(pair) for pair in level.pairs)


def _pair(value: Callable[[Comparison], str]) -> Callable[[Line], str]:
    return lambda line: value(line.comparison) if line.comparison else ""


# All tables have these. `value` of these and of the settings is called with the attack.
NAMES = (Column("attack", label, "left"), Column("loss", loss, "left"))
# For several radii.
EPS = Column("eps", lambda attack: radius(attack.eps))
NORM = Column("norm", lambda attack: attack.ball.title, "left")
# For several seeds; called with a `Line`.
SEED = Column("seed", lambda line: str(line.record.seed))
# Settings in which runs of the same method and loss differ.
SETTINGS = (
    Column("c", _particles(lambda attack: f"{attack.c:.4g}")),
    Column("batch", _particles(lambda attack: str(attack.batch_size))),
    Column("steps per shuffle", _particles(lambda a: a.shuffle or str(a.steps_per_shuffle))),
    Column("random start", lambda a: {None: "", True: "yes", False: "no"}[a.random_start]),
)
# Called with a `Line`. A column without any text is left out.
NUMBERS = (
    Column("first run", _first_run),
    Column("worst case", lambda line: _text(line.record.worst, scale=100)),
    Column("95 % interval", _interval),
    Column("top-5", lambda line: _text(line.record.top5_accuracy, scale=100)),
    Column("paper", lambda line: _text(line.record.paper_percent)),
    Column("difference", _difference),
    Column("paper top-5", lambda line: _text(line.record.paper_top5_percent)),
    Column("breaks more", _pair(lambda pair: pair.more), "left"),
    Column("only DAA : only PGD", _pair(lambda pair: f"{pair.only_daa} : {pair.only_pgd}")),
    Column("p McNemar", _pair(lambda pair: f"{pair.p:.2g}")),
    Column("p Holm", _pair(lambda pair: f"{pair.p_holm:.2g}")),
    Column("images", lambda line: _number(line.record.images)),
    Column("restarts", _restarts),
    Column("gradients per image", lambda line: _number(line.record.gradients_per_image)),
    Column("seconds", lambda line: f"{line.record.seconds:,.0f}"),
)
# Columns of the row of all runs together.
_MERGED = (
    *("worst case", "95 % interval", "paper", "difference"),
    *("images", "restarts", "gradients per image"),
)

# Called with a `Comparison` over at least two restarts. A column without any text is left out.
TESTS = (
    Column("t unpaired", lambda pair: _text(pair.unpaired.t)),
    Column("p unpaired", lambda pair: _text(pair.unpaired.p, ".1e")),
    Column("t paired", lambda pair: _text(pair.paired.t)),
    Column("p paired", lambda pair: _text(pair.paired.p, ".1e")),
    Column("t unpaired, arXiv", lambda pair: (pair.paper and pair.paper.t_arxiv) or ""),
    Column("p unpaired, arXiv", lambda pair: (pair.paper and pair.paper.p_arxiv) or ""),
    Column("p paired, AAAI", lambda pair: (pair.paper and pair.paper.p_aaai) or ""),
)

# Called with a `Level`. A column without any text is left out.
LEVELS = (
    Column("network", lambda level: level.record.target, "left"),
    Column("images", lambda level: f"{level.record.images:,} of {level.record.data}", "left"),
    Column("gradients", lambda level: str(level.gradients)),
    Column("Adaptive DAA", lambda level: _text(level.adaptive)),
    Column("strongest other attack", lambda level: level.name, "left"),
    Column("its accuracy", lambda level: _text(level.other)),
    Column("its gradients", lambda level: _text(level.spent, ".1f")),
    Column("only Adaptive DAA : only the other", _all("{0.only_daa} : {0.only_pgd}")),
    Column("p Holm", _all("{0.p_holm:.2g}")),
    Column("significantly stronger", lambda level: level.stronger, "left"),
)


def varied(attacks: Sequence[AttackConfig]) -> list[Column]:
    """Columns of the settings in which attacks differ."""
    groups = {(attack.method, attack.loss) for attack in attacks}

    def differs(column: Column) -> bool:
        return len({(a.method, a.loss, column.value(a)) for a in attacks}) > len(groups)

    eps = [EPS] if len({attack.eps for attack in attacks}) > 1 else []
    eps += [NORM] if len({attack.norm for attack in attacks}) > 1 else []
    return eps + [column for column in SETTINGS if differs(column)]


def table(results: ResultSet) -> Table:
    """The main table: a row per run, missing runs, all runs merged, the certified accuracy."""
    records, experiment = results.records, results.experiment
    attacks = [record.attack for record in records] + [row.attack for row in results.missing]
    settings = [*NAMES, *varied(attacks)]
    seeds = [SEED] if len({record.seed for record in records}) > 1 else []
    rows = [
        _texts(settings, line.record.attack) | _texts([*seeds, *NUMBERS], line)
        for line in (Line(record, results.pairs.get(record.run)) for record in records)
    ]
    rows += [_texts(settings, row.attack) | {"worst case": "missing"} for row in results.missing]
    if experiment and experiment.merged_paper is not None and not results.missing:
        rows.append(_merged(records, experiment.merged_paper))
    if experiment and experiment.certified is not None:
        floor = _text(experiment.certified)
        rows.append({"attack": "certified lower bound for all attacks", "worst case": floor})
    return _filled([*settings, *seeds], NUMBERS, rows)


def _texts(columns: Iterable[Column], of: Any) -> dict[str, str]:
    return {column.name: column.value(of) for column in columns}


def _filled(
    always: Sequence[Column], numbers: Sequence[Column], rows: Sequence[Mapping[str, str]]
) -> Table:
    used = [column for column in numbers if any(row.get(column.name) for row in rows)]
    return Table({column.name: column.align for column in (*always, *used)}, rows)


def _merged(records: Sequence[Record], paper: float) -> dict[str, str]:
    """The row of all runs together: an image is broken if any run breaks it."""
    broken = set().union(*(record.broken for record in records))
    together = {
        "broken": tuple(broken),
        "robust_accuracy": (1 - len(broken) / records[0].images,),
        "paper_percent": paper,
        "restarts": sum(record.restarts for record in records),
        "gradients_per_image": sum(record.gradients_per_image for record in records),
    }
    texts = _texts(NUMBERS, Line(records[0].model_copy(update=together)))
    return {name: texts[name] for name in _MERGED} | {"attack": "all runs merged"}


def tests(results: ResultSet) -> Table | None:
    """The papers' t-tests of PGD against DAA over restarts; None without restarts."""
    settings = [*NAMES, *varied([record.attack for record in results.records])]
    rows = [
        _texts(settings, pair.daa.attack) | _texts(TESTS, pair)
        for pair in results.compared
        if pair.repeated
    ]
    left = [column._replace(align="left") for column in settings]
    return _filled(left, TESTS, rows) if rows else None


def levels(*experiments: ResultSet) -> Table | None:
    """Adaptive DAA and the strongest other attack after equal numbers of gradients, if any."""
    rows = [_texts(LEVELS, level) for one in experiments for level in budgets.levels(one)]
    return _filled(LEVELS[:7], LEVELS[7:], rows) if rows else None


def markdown(results: ResultSet) -> str:
    parts = [f"# {results.title}", "", *table(results).markdown()]
    for note in wording.notes(results):
        parts += ["", note]
    if ttests := tests(results):
        parts += ["", wording.tests(results), "", *ttests.markdown()]
    if at_levels := levels(results):
        parts += ["", wording.LEVELS, "", *at_levels.markdown()]
    return "\n".join(parts) + "\n"


def latex(results: ResultSet) -> str:
    """The table as a LaTeX tabular, with title and notes as comments."""
    import pandas as pd  # takes half a second, and most commands do not need it

    main = table(results)
    frame = pd.DataFrame(main.cells, columns=[*main.columns])
    sides = "".join(side[0] for side in main.columns.values())
    body = frame.to_latex(index=False, escape=True, column_format=sides)
    comments = [f"% {note}\n" for note in wording.notes(results)]
    return "".join([f"% {results.title}\n", body, *comments])


def write(results: ResultSet, folder: Path) -> None:
    csv = results.frame().to_csv(index=False, lineterminator="\n")
    texts = (markdown(results), csv, latex(results))
    for name, text in zip(FILES, texts, strict=True):
        write_atomically(folder / name, text.encode())
