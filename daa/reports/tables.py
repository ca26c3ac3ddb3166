"""Tables of an experiment's records: Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daa.attacks.methods import METHODS, AttackConfig
from daa.reports import notes, stats, tabular, tidy
from daa.reports.comparisons import Comparison, Papers, compare
from daa.reports.results import Collected
from daa.reports.tabular import Align
from daa.reports.wording import label, loss, radius
from daa.runs.records import Record
from daa.targets.files import write_atomically


@dataclass(frozen=True)
class Column:
    """A column of a table. The order of columns in their list is their order in the table.

    Args:
        name: the head of the column.
        value: the text of a cell; empty where there is nothing to say. The lists below say what
            `value` is called with.
        align: the side on which the cells stand.
    """

    name: str
    value: Callable[[Any], str]
    align: Align = "right"


@dataclass(frozen=True)
class Table:
    """Columns, and rows as {name of the column: text}; a cell may be left out."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, str], ...]

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def align(self) -> list[Align]:
        return [column.align for column in self.columns]

    @property
    def cells(self) -> list[list[str]]:
        """The texts of each row, in the order of the columns."""
        return [[row.get(name, "") for name in self.header] for row in self.rows]


@dataclass(frozen=True)
class Line:
    """A record as a row of a table, and its comparison with PGD."""

    record: Record
    comparison: Comparison | None = None


def _of_particles(value: Callable[[AttackConfig], str]) -> Callable[[AttackConfig], str]:
    """A setting that only methods with particles depend on."""
    return lambda attack: value(attack) if METHODS[attack.method].particles else ""


def _per_shuffle(attack: AttackConfig) -> str:
    return attack.shuffle or str(attack.steps_per_shuffle)


def _random_start(attack: AttackConfig) -> str:
    return {None: "", True: "yes", False: "no"}[attack.random_start]


# Each table has these. They and the settings are called with the attack.
NAMES = (Column("attack", label, "left"), Column("loss", loss, "left"))
# A table has this one where the radius differs.
EPS = Column("eps", lambda attack: radius(attack.eps))
# A table has this one where runs have seeds of their own. It is called with a `Record`.
SEED = Column("seed", lambda record: str(record.seed))
# A table has those of these in which runs of one method and loss differ.
SETTINGS = (
    Column("c", _of_particles(lambda attack: f"{attack.c:.4g}")),
    Column("batch", _of_particles(lambda attack: str(attack.batch_size))),
    Column("steps per shuffle", _of_particles(lambda attack: _per_shuffle(attack))),
    Column("random start", _random_start),
)


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{100 * accuracy:.2f}"


def _given(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.2f}"


def _interval(broken: int, images: int) -> str:
    low, high = stats.interval(images - broken, images)
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _difference(record: Record) -> str:
    if record.paper_percent is None or not _papers_own(record):
        return ""
    return f"{100 * record.worst - record.paper_percent:+.2f}"


def _papers_own(record: Record) -> bool:
    """Whether the paper's value is for this very network, so that a difference means something."""
    return record.weights != "surrogate" and record.instead_of is None


def _first(record: Record) -> str:
    """Accuracy after the first restart; empty where a plan chooses what is attacked next."""
    return _percent(None if record.gradients_after else record.robust_accuracy[0])


def _count(number: float) -> str:
    """With separators of thousands; a mean over images has one decimal."""
    return f"{number:,}" if number == int(number) else f"{number:,.1f}"


def _compared(value: Callable[[Comparison], str]) -> Callable[[Line], str]:
    """What a run of DAA has beside a run of PGD."""
    return lambda line: value(line.comparison) if line.comparison else ""


# These are called with a `Line`. A column without any text is left out.
NUMBERS = (
    Column("first run", lambda line: _first(line.record)),
    Column("worst case", lambda line: _percent(line.record.worst)),
    Column("95 % interval", lambda line: _interval(len(line.record.broken), line.record.images)),
    Column("top-5", lambda line: _percent(line.record.top5_accuracy)),
    Column("paper", lambda line: _given(line.record.paper_percent)),
    Column("difference", lambda line: _difference(line.record)),
    Column("paper top-5", lambda line: _given(line.record.paper_top5_percent)),
    Column("breaks more", _compared(lambda found: found.more), "left"),
    Column("only DAA : only PGD", _compared(lambda found: f"{found.only_daa} : {found.only_pgd}")),
    Column("p McNemar", _compared(lambda found: f"{found.p:.2g}")),
    Column("p Holm", _compared(lambda found: f"{found.p_holm:.2g}")),
    Column("images", lambda line: _count(line.record.images)),
    Column("restarts", lambda line: str(line.record.restarts)),
    Column("gradients per image", lambda line: _count(line.record.gradients_per_image)),
    Column("seconds", lambda line: f"{line.record.seconds:,.0f}"),
)
# These are called with a `Comparison` whose runs have restarts enough. A column without any text is
# left out.
TESTS = (
    Column("t unpaired", lambda comparison: _fixed(comparison.unpaired.t)),
    Column("p unpaired", lambda comparison: _power(comparison.unpaired.p)),
    Column("t paired", lambda comparison: _fixed(comparison.paired.t)),
    Column("p paired", lambda comparison: _power(comparison.paired.p)),
    Column("t unpaired, arXiv", lambda comparison: _printed(comparison.papers, "t_arxiv")),
    Column("p unpaired, arXiv", lambda comparison: _printed(comparison.papers, "p_arxiv")),
    Column("p paired, AAAI", lambda comparison: _printed(comparison.papers, "p_aaai")),
)


def _fixed(t: float | None) -> str:
    return "" if t is None else f"{t:.2f}"


def _power(p: float | None) -> str:
    return "" if p is None else f"{p:.1e}"


def _printed(papers: Papers | None, name: str) -> str:
    return "" if papers is None else str(getattr(papers, name))


def varied(attacks: Sequence[AttackConfig]) -> list[Column]:
    """The columns of the settings in which attacks differ."""
    groups: dict[tuple, list[AttackConfig]] = {}
    for attack in attacks:
        groups.setdefault((attack.method, attack.loss), []).append(attack)

    def differs(column: Column) -> bool:
        return any(len({column.value(attack) for attack in group}) > 1 for group in groups.values())

    eps = [EPS] if len({attack.eps for attack in attacks}) > 1 else []
    return eps + [column for column in SETTINGS if differs(column)]


def table(collected: Collected) -> Table:
    """The table of an experiment.

    A row of the config without a record says so. Where the config asks for it, the last rows are
    all runs together, and the accuracy that no attack can get below.
    """
    records = collected.records
    attacks = [record.attack for record in records]
    attacks += [row.attack for row in collected.missing]
    settings = [*NAMES, *varied(attacks)]
    seeds = [SEED] if len({record.seed for record in records}) > 1 else []
    rows = [
        _texts(settings, record.attack)
        | _texts(seeds, record)
        | _texts(NUMBERS, Line(record, comparison))
        for record, comparison in zip(records, compare(records), strict=True)
    ]
    rows += [_texts(settings, row.attack) | {"worst case": "missing"} for row in collected.missing]
    if collected.merged_paper is not None and not collected.missing:
        rows.append(_merged(records, collected.merged_paper))
    if collected.certified is not None:
        floor = f"{collected.certified:.2f}"
        rows.append({"attack": "certified: no attack gets below", "worst case": floor})
    numbers = [column for column in NUMBERS if any(row.get(column.name) for row in rows)]
    return Table((*settings, *seeds, *numbers), tuple(rows))


def _texts(columns: Iterable[Column], of: Any) -> dict[str, str]:
    return {column.name: column.value(of) for column in columns}


def _merged(records: Sequence[Record], paper: float) -> dict[str, str]:
    """The row of all runs together: an image is broken when one run breaks it."""
    broken = set().union(*(record.broken for record in records))
    images = records[0].images
    worst = 100 * (1 - len(broken) / images)
    return {
        "attack": "all runs merged",
        "worst case": f"{worst:.2f}",
        "95 % interval": _interval(len(broken), images),
        "paper": f"{paper:.2f}",
        "difference": f"{worst - paper:+.2f}" if _papers_own(records[0]) else "",
        "images": _count(images),
        "restarts": str(sum(record.restarts for record in records)),
        "gradients per image": _count(sum(record.gradients_per_image for record in records)),
    }


def tests(collected: Collected) -> Table | None:
    """The papers' t-tests of PGD against DAA over restarts; None where there are none."""
    records = collected.records
    settings = [*NAMES, *varied([record.attack for record in records])]
    rows = [
        _texts(settings, comparison.daa.attack) | _texts(TESTS, comparison)
        for comparison in compare(records)
        if comparison is not None and comparison.repeated
    ]
    if not rows:
        return None
    names = (Column(column.name, column.value, "left") for column in settings)
    numbers = [column for column in TESTS if any(row[column.name] for row in rows)]
    return Table((*names, *numbers), tuple(rows))


def markdown(collected: Collected) -> str:
    """Title, table, notes, and the papers' tests."""
    shown = table(collected)
    parts = [f"# {collected.title}", "", *tabular.markdown(shown.header, shown.cells, shown.align)]
    for note in notes.of_table(collected):
        parts += ["", note]
    if found := tests(collected):
        lines = tabular.markdown(found.header, found.cells, found.align)
        parts += ["", notes.of_tests(collected), "", *lines]
    return "\n".join(parts) + "\n"


def latex(collected: Collected) -> str:
    """The table as a LaTeX tabular, with the title and the notes as comments."""
    shown = table(collected)
    lines = tabular.latex(shown.header, shown.cells, shown.align)
    lines = [f"% {collected.title}", *lines, *(f"% {note}" for note in notes.of_table(collected))]
    return "\n".join(lines) + "\n"


def write(collected: Collected, folder: Path) -> None:
    """Writes table.md, table.csv and table.tex."""
    forms = {"table.md": markdown, "table.csv": tidy.text, "table.tex": latex}
    for name, make in forms.items():
        write_atomically(folder / name, make(collected).encode())
