"""The results in brief: a card per experiment, and the comparison under equal budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from daa import targets
from daa.attacks.methods import METHODS
from daa.reports.comparisons import Comparison
from daa.reports.results import ResultSet
from daa.reports.wording import loss, radius
from daa.runs.records import Record

OUTCOMES = ("stronger", "no difference", "weaker")


class Card(NamedTuple):
    """An experiment in brief: PGD, the strongest DAA and Adaptive DAA, as far as they exist.

    `outcomes` counts all comparisons. `part` names the radius and the seed among several.
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

    def matches(record: Record) -> bool:
        return record.attack.eps == eps and record.seed == seed

    pairs = [pair for pair in results.compared if matches(pair.daa)]
    pairs = sorted(pairs, key=lambda pair: (pair.daa.worst, pair.p_holm))[:1]
    adaptive = [pair for pair in results.budgeted if matches(pair.daa)][:1]
    if both := pairs + adaptive:
        selected = [both[0].pgd, *(pair.daa for pair in both)]
    else:
        selected = [min(filter(matches, records), key=lambda record: record.worst)]
    part = [f"eps {radius(eps)}"] * (len(radii) > 1)
    part += [f"seed {seed}"] * (len({record.seed for record in records}) > 1)
    return Card(tuple(selected), tuple(both), outcomes(results.compared), ", ".join(part))


def outcomes(pairs: Iterable[Comparison]) -> dict[str, int]:
    """Number of comparisons by outcome."""
    count = Counter(pair.outcome for pair in pairs)
    return {name: count[name] for name in OUTCOMES}


class Headline(NamedTuple):
    """Adaptive DAA, PGD and the best other attack under the same budget.

    Accuracies in percent and gradients are means over the seeds; `p` is the largest p.
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
    baselines: dict[str, list[Record]] = {}
    for record in results.records:
        if not record.attack.reads("budget"):
            name = f"{METHODS[record.attack.method].title} ({loss(record.attack)})"
            baselines.setdefault(name, []).append(record)
    best = min(baselines, key=lambda name: _accuracy(baselines[name]))
    daa, pgd = [pair.daa for pair in pairs], [pair.pgd for pair in pairs]
    return Headline(
        results=results,
        adaptive=_accuracy(daa),
        pgd=_accuracy(pgd),
        next_name=best,
        next_best=_accuracy(baselines[best]),
        gradients=float(np.mean([record.gradients_per_image for record in daa])),
        pgd_gradients=float(np.mean([record.gradients_per_image for record in pgd])),
        p=max(pair.p_holm for pair in pairs),
        outcomes=outcomes(pairs),
    )


def _accuracy(runs: list[Record]) -> float:
    return float(np.mean([100 * record.worst for record in runs]))
