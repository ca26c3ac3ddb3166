"""What both versions of the paper print: every number, and every order of DAA and PGD."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from daa.attacks.methods import METHODS
from daa.errors import require
from daa.runs import config
from daa.runs.config import Experiment, Row

_FILE = Path(__file__).parent / "claims.yaml"

# What a number is: accuracy in % after all restarts, top-5 accuracy in %, accuracy in % after all
# runs together, accuracy in % of a single run; t and p of the unpaired test, p of the paired one;
# number of images that the run breaks and PGD does not; how DAA stands to PGD; whether DAA lies
# lowest everywhere.
Kind = Literal[
    "worst", "top-5", "merged", "single", "t", "p", "p paired", "examples", "order", "lowest"
]
ACCURACIES = ("worst", "top-5", "merged", "single")
# Kinds that say how DAA and PGD stand to each other.
ORDERS = ("order", "lowest")
TESTS = ("t", "p", "p paired")


class StandIn(BaseModel):
    """What is attacked in the place of weights that are missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str
    images: Annotated[int, Field(ge=1)]
    restarts: Annotated[int, Field(ge=1)]


class Entry(BaseModel):
    """A table, a figure or a sentence of the paper.

    Args:
        config: that computes it.
        part: name of the group that can be asked for.
        source: where the paper has it.
        images: that the paper attacked.
        stand_in: what is attacked in the place of missing weights.
        board: entry of the target's leaderboard that the config's only row must agree with.
        lowest: whether the texts say of all its rows that DAA lies lowest.
        assumed: what the texts leave open, and how it was read here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str
    part: str
    source: str
    images: Annotated[int, Field(ge=1)]
    stand_in: StandIn | None = None
    board: str | None = None
    lowest: bool = False
    assumed: str = ""


class _Text(BaseModel):
    """A number that stands in the text alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str
    run: str
    kind: Kind
    printed: float
    source: str
    assumed: str = ""


class _Paper(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    experiments: tuple[Entry, ...]
    numbers: tuple[_Text, ...]


@dataclass(frozen=True)
class Number:
    """Something that the paper prints.

    Args:
        config, run: what computes it; run is None for all runs of the config together.
        kind: what it is.
        text: as it is printed.
        source: where.
        value: in percent for accuracies; None where it is no plain number.
        assumed: what the texts leave open about it, and how it was read here.
    """

    config: str
    run: str | None
    kind: Kind
    text: str
    source: str
    value: float | None = None
    assumed: str = ""


def entries() -> tuple[Entry, ...]:
    """All tables, figures and sentences, in the order in which they are run."""
    return _paper().experiments


def parts() -> list[str]:
    """The names of the groups that can be asked for."""
    return list(dict.fromkeys(entry.part for entry in entries()))


def chosen(only: Sequence[str]) -> list[Entry]:
    """Those of some parts; all where none is named.

    Raises:
        InputError: an unknown part.
    """
    for part in only:
        require(part in parts(), "only", f"some of {','.join(parts())}", part)
    return [entry for entry in entries() if not only or entry.part in only]


def load(name: str, target: str | None = None) -> Experiment:
    """The experiment of a config; `target` as for `config.load`."""
    return config.load(config.FOLDER / f"{name}.yaml", target)


def printed() -> list[Number]:
    """Everything that the paper prints, table after table."""
    found: list[Number] = []
    for entry in entries():
        experiment = load(entry.config)
        found += _cells(entry, experiment)
        found += _texts(entry.config)
        found += _tests(entry.config, experiment)
        found += _orders(entry, experiment)
    return found


def _paper() -> _Paper:
    return config.check(TypeAdapter(_Paper), config.read_yaml(_FILE), str(_FILE))


def _cells(entry: Entry, experiment: Experiment) -> Iterator[Number]:
    """What stands in the config."""
    for row in experiment.rows:
        if row.paper is not None:
            yield _accuracy(entry, row.name, "worst", row.paper)
        if row.paper_top5 is not None:
            yield _accuracy(entry, row.name, "top-5", row.paper_top5)
    if experiment.merged_paper is not None:
        yield _accuracy(entry, None, "merged", experiment.merged_paper)


def _accuracy(entry: Entry, run: str | None, kind: Kind, value: float) -> Number:
    return Number(entry.config, run, kind, f"{value:.2f}", entry.source, value, entry.assumed)


def _texts(name: str) -> Iterator[Number]:
    for found in _paper().numbers:
        if found.config == name:
            value, source = found.printed, found.source
            yield Number(name, found.run, found.kind, f"{value:g}", source, value, found.assumed)


def _tests(name: str, experiment: Experiment) -> Iterator[Number]:
    """The t-tests."""
    assumed = "the texts don't say of which loss; taken for cross-entropy"
    for row in experiment.rows:
        papers = row.paper_tests
        if papers is not None:
            unpaired, paired = "text of arXiv, unpaired test", "text of AAAI, paired test"
            if (t := papers.t_arxiv) is not None:
                yield Number(name, row.name, "t", t, unpaired, float(t), assumed)
            if papers.p_arxiv is not None:
                yield Number(name, row.name, "p", papers.p_arxiv, unpaired, None, assumed)
            if papers.p_aaai is not None:
                yield Number(name, row.name, "p paired", papers.p_aaai, paired, None, assumed)


def _orders(entry: Entry, experiment: Experiment) -> Iterator[Number]:
    """How DAA stands to PGD in the printed values, and where DAA is said to lie lowest."""
    for row in experiment.rows:
        beside = pgd_of(row, experiment.rows)
        if beside is not None and row.paper is not None and beside.paper is not None:
            side = (row.paper > beside.paper) - (row.paper < beside.paper)
            text = {-1: "below PGD", 0: "equal to PGD", 1: "above PGD"}[side]
            yield Number(entry.config, row.name, "order", text, entry.source, side, entry.assumed)
    if entry.lowest:
        yield Number(entry.config, None, "lowest", "DAA lowest", entry.source, None, entry.assumed)


def pgd_of(row: Row, rows: tuple[Row, ...]) -> Row | None:
    """The row of PGD that a row of DAA is compared with: same loss and radius."""
    if not METHODS[row.attack.method].particles:
        return None
    same = (row.attack.loss, row.attack.eps)
    plain = [one for one in rows if one.attack.method == "pgd" and one.attack.reads("steps")]
    found = [one for one in plain if (one.attack.loss, one.attack.eps) == same]
    return next((one for one in found if one.attack.steps == row.attack.steps), None)
