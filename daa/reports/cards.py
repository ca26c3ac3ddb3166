"""What all results together say: a card per experiment, and the sentences above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daa import targets
from daa.attacks.methods import METHODS
from daa.reports import budget
from daa.reports.comparisons import Comparison, budgeted, compare
from daa.reports.results import Collected
from daa.reports.wording import loss, options, radius
from daa.runs import config
from daa.runs.records import Record

# Groups of experiments in the order in which a reader would ask for them: title, beginnings of the
# folders' names. An experiment that is in none is in the last one.
GROUPS = (
    ("Equal budgets", ("equal_budget",)),
    (
        "The paper's tables",
        ("robust_mnist", "table", "merged", "headline", "public", "provable", "adaptive"),
    ),
    ("The paper's figures", ("figure",)),
    ("Choices and precision", ("",)),
)
# The group whose comparisons are the paper's claim.
TABLES = GROUPS[1][0]
_WEIGHTS = {
    "original": "the paper's weights",
    "third-party": "weights by others",
    "surrogate": "trained here",
    "own": "trained here",
}


def place(folder: Path) -> tuple[int, int, str]:
    """Where an experiment stands on the page: its group, its place in it, its name."""
    for group, (_, starts) in enumerate(GROUPS):
        for k, start in enumerate(starts):
            if folder.name.startswith(start):
                return group, k, folder.name
    raise AssertionError(folder)


def group(folder: Path) -> str:
    """The title of an experiment's group."""
    return GROUPS[place(folder)[0]][0]


def of_paper(folder: Path) -> bool:
    """Whether an experiment is one of those that the paper is judged by."""
    return group(folder) != GROUPS[-1][0]


def weights(record: Record) -> str:
    """Where the weights of a run's network come from, in words."""
    return _WEIGHTS.get(record.weights, record.weights)


@dataclass(frozen=True)
class Found:
    """What a comparison with PGD says.

    Args:
        outcome: "stronger", "none" (no difference found) or "weaker".
        text: the same in words.
        points: accuracy under the attack minus that under PGD, in percent.
        p: after Holm's correction for all comparisons of the experiment.
    """

    outcome: str
    text: str
    points: float
    p: float


def found(comparison: Comparison) -> Found:
    """What a comparison says; only a small p makes a difference."""
    outcome = {"DAA": "stronger", "PGD": "weaker", None: "none"}[comparison.stronger]
    words = {"stronger": "stronger", "weaker": "weaker", "none": "no difference found"}
    points = 100 * (comparison.daa.worst - comparison.pgd.worst)
    return Found(outcome, words[outcome], points, comparison.p_holm)


@dataclass(frozen=True)
class Number:
    """A number of a card: what it is of, its record, and what it cost."""

    name: str
    record: Record
    about: str

    @property
    def text(self) -> str:
        """Worst-case accuracy in percent."""
        return f"{100 * self.record.worst:.2f}"


@dataclass(frozen=True)
class Card:
    """An experiment at a glance.

    Args:
        folder: name of the result folder.
        title: of the experiment.
        record: one of its runs, for what all of them share.
        numbers: PGD, the strongest DAA, the adaptive attack; those that there are.
        against: what the comparison of the strongest DAA, or else of the adaptive attack, says.
        outcomes: number of comparisons by outcome.
        part: which of several radii or seeds the numbers are of; empty where there is one.
    """

    folder: str
    title: str
    record: Record
    numbers: tuple[Number, ...]
    against: tuple[tuple[str, Found], ...]
    outcomes: Mapping[str, int]
    part: str

    @property
    def weights(self) -> str:
        """Where the weights come from."""
        return weights(self.record)

    @property
    def comparisons(self) -> int:
        """Number of all comparisons of DAA with PGD."""
        return sum(self.outcomes.values())


def card(folder: Path, collected: Collected) -> Card:
    """The card of an experiment.

    Its numbers are of one radius, that of the target where several were attacked, and of the first
    seed: the strongest run of DAA, the run of PGD that it is compared with, the adaptive attack.
    """
    records = collected.records
    eps, seed = _radius(records), records[0].seed

    def shown(record: Record) -> bool:
        return record.attack.eps == eps and record.seed == seed

    compared = [one for one in compare(records) if one is not None]
    pairs = [one for one in compared if shown(one.daa)]
    spent = [one for one in budgeted(records) if shown(one.daa)]
    best = min(pairs, key=lambda one: (one.daa.worst, one.p_holm), default=None)
    numbers, against = [], []
    if best is not None:
        numbers = [_number(best.pgd), _number(best.daa)]
        against = [(METHODS[best.daa.attack.method].title, found(best))]
    elif spent:
        numbers = [_number(spent[0].pgd)]
    else:
        numbers = [_number(min(filter(shown, records), key=lambda record: record.worst))]
    for one in spent[:1]:
        numbers.append(_number(one.daa))
        against.append((METHODS[one.daa.attack.method].title, found(one)))
    several = {
        f"eps {radius(eps)}": len({record.attack.eps for record in records}) > 1,
        f"seed {seed}": len({record.seed for record in records}) > 1,
    }
    part = ", ".join(text for text, true in several.items() if true)
    return Card(
        folder.name,
        collected.title,
        records[0],
        tuple(numbers),
        tuple(against),
        outcomes(compared),
        part,
    )


def _radius(records: Sequence[Record]) -> float:
    """The radius of the target where it was attacked within it, else the first one."""
    radii = [record.attack.eps for record in records]
    name = records[0].target
    own = targets.row(name).eps if targets.exists(name) else None
    return own if own in radii else radii[0]


def _number(record: Record) -> Number:
    attack, spent = record.attack, record.gradients_per_image
    gradients = f"{spent:,.0f} gradient{'' if spent == 1 else 's'} per image"
    about = ", ".join(filter(None, (loss(attack), gradients, options(attack))))
    return Number(METHODS[attack.method].title, record, about)


def outcomes(comparisons: Iterable[Comparison]) -> dict[str, int]:
    """The number of comparisons that say stronger, none, weaker."""
    counts = {"stronger": 0, "none": 0, "weaker": 0}
    for comparison in comparisons:
        counts[found(comparison).outcome] += 1
    return counts


@dataclass(frozen=True)
class Headline:
    """The adaptive attack beside PGD and the other attacks under the same budget, over the seeds.

    Args:
        folder, record: of the experiment, and one of its runs.
        adaptive, pgd: mean accuracies in percent.
        next_name, next_best: the strongest other attack and its mean accuracy.
        gradients, pgd_gradients: mean gradients per image.
        p: the largest p of the seeds, after Holm's correction.
        outcomes: number of seeds by what the comparison with PGD says.
    """

    folder: str
    record: Record
    adaptive: float
    pgd: float
    next_name: str
    next_best: float
    gradients: float
    pgd_gradients: float
    p: float
    outcomes: Mapping[str, int]

    @property
    def seeds(self) -> int:
        """Number of all seeds."""
        return sum(self.outcomes.values())

    @property
    def stronger(self) -> int:
        """With how many seeds the adaptive attack is stronger."""
        return self.outcomes["stronger"]


def headline(folder: Path, collected: Collected) -> Headline | None:
    """The headline of an experiment with equal budgets; None for any other."""
    records = collected.records
    pairs = budgeted(records)
    if not pairs or not budget.has_curves(records):
        return None
    others: dict[str, list[float]] = {}
    for record in records:
        if not record.attack.reads("budget"):
            name = f"{METHODS[record.attack.method].title} ({loss(record.attack)})"
            others.setdefault(name, []).append(100 * record.worst)
    means = {name: float(np.mean(values)) for name, values in others.items()}
    best = min(means, key=means.__getitem__)

    def mean(of: Iterable[float]) -> float:
        return float(np.mean(list(of)))

    return Headline(
        folder.name,
        records[0],
        mean(100 * one.daa.worst for one in pairs),
        mean(100 * one.pgd.worst for one in pairs),
        best,
        means[best],
        mean(one.daa.gradients_per_image for one in pairs),
        mean(one.pgd.gradients_per_image for one in pairs),
        max(one.p_holm for one in pairs),
        outcomes(pairs),
    )


def unchecked(results: Iterable[Collected]) -> dict[str, list[str]]:
    """Networks with the paper's own weights that have no result, and the configs that ask for them.

    Args:
        results: of all experiments.
    """
    done = {(r.config or r.experiment, r.target) for found in results for r in found.records}
    missing: dict[str, list[str]] = {}
    own = targets.every_target(targets.FOLDERS)
    for path in sorted(config.FOLDER.glob("*.yaml")):
        content = config.read_yaml(path)
        target = content.get("target") if isinstance(content, dict) else None
        if "rows" not in content or target not in own:
            continue
        original = targets.row(target).provenance == "original"
        if original and (path.stem, target) not in done:
            missing.setdefault(target, []).append(path.stem)
    return missing
