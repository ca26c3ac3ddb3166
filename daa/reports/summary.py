"""The results in brief: a card per experiment, and the comparison under equal budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daa import targets
from daa.attacks.methods import METHODS
from daa.reports.comparisons import Comparison
from daa.reports.results import ResultSet
from daa.reports.wording import loss, radius
from daa.runs.records import Record

OUTCOMES = ("stronger", "no difference", "weaker")


@dataclass(frozen=True)
class Card:
    """An experiment in brief.

    Args:
        records: of PGD, of the strongest DAA and of Adaptive DAA, as far as they exist.
        pairs: comparisons of the strongest DAA and of Adaptive DAA with PGD.
        outcomes: number of all comparisons of DAA with PGD by outcome.
        part: radius and seed of the records if the experiment has several; else empty.
    """

    records: tuple[Record, ...]
    pairs: tuple[Comparison, ...]
    outcomes: Mapping[str, int]
    part: str


def card(results: ResultSet) -> Card:
    """The card of an experiment: for the radius of the target and the first seed."""
    records = results.records
    name, radii = records[0].target, {record.attack.eps for record in records}
    usual = targets.row(name).eps if targets.exists(name) else None
    eps, seed = usual if usual in radii else records[0].attack.eps, records[0].seed

    def shown(record: Record) -> bool:
        return record.attack.eps == eps and record.seed == seed

    pairs = [pair for pair in results.compared if shown(pair.daa)]
    pairs = sorted(pairs, key=lambda pair: (pair.daa.worst, pair.p_holm))[:1]
    adaptive = [pair for pair in results.budgeted if shown(pair.daa)][:1]
    if both := pairs + adaptive:
        chosen = [both[0].pgd, *(pair.daa for pair in both)]
    else:
        chosen = [min(filter(shown, records), key=lambda record: record.worst)]
    part = [f"eps {radius(eps)}"] * (len(radii) > 1)
    part += [f"seed {seed}"] * (len({record.seed for record in records}) > 1)
    return Card(tuple(chosen), tuple(both), outcomes(results.compared), ", ".join(part))


def outcomes(pairs: list[Comparison]) -> dict[str, int]:
    """Number of comparisons by outcome."""
    count = Counter(pair.outcome for pair in pairs)
    return {name: count[name] for name in OUTCOMES}


@dataclass(frozen=True)
class Headline:
    """Adaptive DAA, PGD and the best other attack under the same budget, means over the seeds.

    Args:
        results: of the experiment.
        adaptive, pgd: mean robust accuracies in percent.
        next_name, next_best: the strongest other attack and its mean robust accuracy.
        gradients, pgd_gradients: mean gradients per image.
        p: largest p of the seeds, after Holm's correction.
        outcomes: number of seeds by outcome.
    """

    results: ResultSet
    adaptive: float
    pgd: float
    next_name: str
    next_best: float
    gradients: float
    pgd_gradients: float
    p: float
    outcomes: Mapping[str, int]


def headline(results: ResultSet) -> Headline | None:
    """The headline of an experiment with equal budgets; None for other experiments."""
    pairs = results.budgeted
    if not pairs or not results.has_curves:
        return None
    others: dict[str, list[float]] = {}
    for record in results.records:
        if not record.attack.reads("budget"):
            name = f"{METHODS[record.attack.method].title} ({loss(record.attack)})"
            others.setdefault(name, []).append(100 * record.worst)
    means = {name: float(np.mean(values)) for name, values in others.items()}
    best = min(means, key=means.__getitem__)
    return Headline(
        results,
        float(np.mean([100 * pair.daa.worst for pair in pairs])),
        float(np.mean([100 * pair.pgd.worst for pair in pairs])),
        best,
        means[best],
        float(np.mean([pair.daa.gradients_per_image for pair in pairs])),
        float(np.mean([pair.pgd.gradients_per_image for pair in pairs])),
        max(pair.p_holm for pair in pairs),
        outcomes(pairs),
    )
