"""What both versions of the paper print: accuracies, t-tests, and rankings of the attacks."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from daa.attacks.methods import METHODS
from daa.errors import require
from daa.runs import config
from daa.runs.config import Experiment, PaperTests, Row

# Sentences on all rows of a config, with their short form in the report. "below PGD" is about each
# DAA and PGD, the others are about the strongest DAA and the strongest other attack.
RANKINGS = {"lowest": "DAA lowest", "below PGD": "DAA below PGD", "best": "state of the art"}
# Kinds of claims, with their names in the report. "worst" is an accuracy after all restarts,
# "merged" an accuracy after all runs of the config; "examples" is the number of images that the run
# breaks and PGD does not.
KINDS = {
    "worst": "worst case, %",
    "top-5": "top-5, %",
    "merged": "runs merged, %",
    "single": "single run, %",
    "t": "t, unpaired",
    "p": "p, unpaired",
    "p paired": "p, paired",
    "examples": "images only DAA breaks",
    "order": "DAA against PGD",
    "lowest": "DAA against all",
    "below PGD": "each DAA against PGD",
    "best": "DAA against PGD and Momentum PGD",
}
ACCURACIES = ("worst", "top-5", "merged", "single")
ORDERS = ("order", *RANKINGS)
TESTS = ("t", "p", "p paired")


class Substitute(BaseModel, extra="forbid", frozen=True):
    """The network that is attacked when the original weights are missing."""

    target: str
    images: int
    restarts: int


class TextNumber(BaseModel, extra="forbid", frozen=True):
    """A number that only the text of the paper has."""

    run: str
    kind: str
    printed: float
    source: str
    assumed: str = ""


class Entry(BaseModel, extra="forbid", frozen=True):
    """A table, a figure or a sentence of the paper; claims.yaml explains the fields."""

    config: str
    dataset: str
    source: str
    images: int
    same_images: bool = True
    decimals: int = 2
    substitute: Substitute | None = None
    board: str | None = None
    ranking: str | None = None
    assumed: str = ""
    numbers: tuple[TextNumber, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A number or a ranking that the paper prints; `run` is None for all runs of the config.

    `value` is an accuracy in percent, or DAA minus PGD in percentage points for an order; None
    for t-tests and rankings.
    """

    config: str
    run: str | None
    kind: str
    text: str
    source: str
    value: float | None = None
    assumed: str = ""


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All tables, figures and sentences, in the order in which they run."""
    content = config.read_yaml(Path(__file__).with_name("claims.yaml"))
    return tuple(Entry.model_validate(entry) for entry in content)


def datasets() -> list[str]:
    return list(dict.fromkeys(entry.dataset for entry in entries()))


def select(only: Sequence[str]) -> list[Entry]:
    """The entries of some data sets; all entries for an empty list."""
    for name in only:
        require(name in datasets(), "only", f"some of {','.join(datasets())}", name)
    return [entry for entry in entries() if not only or entry.dataset in only]


@functools.cache
def load(name: str, target: str | None = None) -> Experiment:
    """The experiment of a config; `target` as in `config.load`."""
    return config.load(config.FOLDER / f"{name}.yaml", target)


@functools.cache
def claims() -> tuple[Claim, ...]:
    """Everything that the paper prints, entry after entry."""
    return tuple(claim for entry in entries() for claim in _claims(entry, load(entry.config)))


def _claims(entry: Entry, experiment: Experiment) -> Iterator[Claim]:
    name, rows = entry.config, experiment.rows

    def accuracy(run: str | None, kind: str, value: float | None) -> Iterator[Claim]:
        if value is not None:
            text = f"{value:.{entry.decimals}f}"
            yield Claim(name, run, kind, text, entry.source, value, entry.assumed)

    for row in rows:
        yield from accuracy(row.name, "worst", row.paper)
        yield from accuracy(row.name, "top-5", row.paper_top5)
    yield from accuracy(None, "merged", experiment.merged_paper)
    for number in entry.numbers:
        text, value = f"{number.printed:g}", number.printed
        yield Claim(name, number.run, number.kind, text, number.source, value, number.assumed)
    for row in rows:
        tests = row.paper_tests or PaperTests()
        assumed = "the texts don't say of which loss; taken for cross-entropy"
        arxiv, aaai = "text of arXiv, unpaired test", "text of AAAI, paired test"
        values = (tests.t_arxiv, arxiv), (tests.p_arxiv, arxiv), (tests.p_aaai, aaai)
        for kind, (printed, source) in zip(TESTS, values, strict=True):
            if printed is not None:
                yield Claim(name, row.name, kind, printed, source, assumed=assumed)
    pgd = {_settings(row): row.paper for row in rows if row.attack.method == "pgd"}
    for row in rows:
        other = pgd.get(_settings(row)) if METHODS[row.attack.method].particles else None
        if row.paper is not None and other is not None:
            points = round(row.paper - other, 2)
            text = "equal to PGD" if not points else f"{'above' if points > 0 else 'below'} PGD"
            yield Claim(name, row.name, "order", text, entry.source, points, entry.assumed)
    if entry.ranking is not None:
        text = RANKINGS[entry.ranking]
        yield Claim(name, None, entry.ranking, text, entry.source, None, entry.assumed)


def _settings(row: Row) -> tuple:
    """What a row of DAA and the row of PGD to compare it with have in common."""
    return row.attack.loss, row.attack.eps, row.attack.steps
