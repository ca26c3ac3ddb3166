"""What both versions of the paper print: accuracies, t-tests, and rankings of the attacks."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from daa.attacks.methods import METHODS
from daa.errors import require
from daa.runs import config
from daa.runs.config import Experiment, PaperTests, Row

# Kinds of claims, with their names in the report. "worst" is an accuracy after all restarts,
# "merged" an accuracy after all runs of the config; "examples" is the number of images that the run
# breaks and PGD does not; "lowest" means that DAA is the strongest attack in all of a figure.
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
}
ORDERS = ("order", "lowest")
TESTS = ("t", "p", "p paired")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Substitute(_Model):
    """The network that is attacked when the original weights are missing."""

    target: str
    images: Annotated[int, Field(ge=1)]
    restarts: Annotated[int, Field(ge=1)]


class TextNumber(_Model):
    """A number that only the text of the paper has."""

    run: str
    kind: str
    printed: float
    source: str
    assumed: str = ""


class Entry(_Model):
    """A table, a figure or a sentence of the paper.

    Args:
        config: name of the config that computes it.
        dataset: name for the option `--only`.
        source: table, figure or text of the paper.
        images: number of images that the paper attacked.
        substitute: network that is attacked when the original weights are missing.
        board: entry of the target's leaderboard that the only row of the config must agree with.
        lowest: whether the paper calls DAA the strongest attack in all rows.
        assumed: what the paper leaves open, and the assumption made here.
        numbers: numbers that only the text has.
    """

    config: str
    dataset: str
    source: str
    images: Annotated[int, Field(ge=1)]
    substitute: Substitute | None = None
    board: str | None = None
    lowest: bool = False
    assumed: str = ""
    numbers: tuple[TextNumber, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A number or a ranking that the paper prints.

    Args:
        config, run: the run that computes it; `run` is None for all runs of the config together.
        kind: see `KINDS`.
        text: the number as the paper prints it.
        source: table, figure or text of the paper.
        value: the number; accuracies in percent; -1, 0 or 1 for DAA below, equal to or above PGD;
            None for p-values.
        assumed: what the paper leaves open, and the assumption made here.
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
    text = Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8")
    return tuple(Entry.model_validate(entry) for entry in yaml.safe_load(text))


def datasets() -> list[str]:
    """The names that `--only` takes."""
    return list(dict.fromkeys(entry.dataset for entry in entries()))


def select(only: Sequence[str]) -> list[Entry]:
    """The entries of some data sets; all entries for an empty list.

    Raises:
        InputError: an unknown data set.
    """
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
            yield Claim(name, run, kind, f"{value:.2f}", entry.source, value, entry.assumed)

    for row in rows:
        yield from accuracy(row.name, "worst", row.paper)
        yield from accuracy(row.name, "top-5", row.paper_top5)
    yield from accuracy(None, "merged", experiment.merged_paper)
    for number in entry.numbers:
        text, value = f"{number.printed:g}", number.printed
        yield Claim(name, number.run, number.kind, text, number.source, value, number.assumed)
    for row in rows:
        tests = row.paper_tests or PaperTests()
        unpaired, paired = "text of arXiv, unpaired test", "text of AAAI, paired test"
        assumed = "the texts don't say of which loss; taken for cross-entropy"
        if tests.t_arxiv is not None:
            value = float(tests.t_arxiv)
            yield Claim(name, row.name, "t", tests.t_arxiv, unpaired, value, assumed)
        if tests.p_arxiv is not None:
            yield Claim(name, row.name, "p", tests.p_arxiv, unpaired, None, assumed)
        if tests.p_aaai is not None:
            yield Claim(name, row.name, "p paired", tests.p_aaai, paired, None, assumed)
    for row in rows:
        pgd = pgd_of(row, rows)
        if pgd is not None and row.paper is not None and pgd.paper is not None:
            side = (row.paper > pgd.paper) - (row.paper < pgd.paper)
            text = {-1: "below PGD", 0: "equal to PGD", 1: "above PGD"}[side]
            yield Claim(name, row.name, "order", text, entry.source, side, entry.assumed)
    if entry.lowest:
        yield Claim(name, None, "lowest", "DAA lowest", entry.source, None, entry.assumed)


def pgd_of(row: Row, rows: tuple[Row, ...]) -> Row | None:
    """The row of PGD with the loss, radius and steps of a row of DAA."""
    if not METHODS[row.attack.method].particles:
        return None
    for other in rows:
        pgd = other.attack
        if pgd.method == "pgd" and pgd.reads("steps"):
            settings = (pgd.loss, pgd.eps, pgd.steps)
            if settings == (row.attack.loss, row.attack.eps, row.attack.steps):
                return other
    return None
