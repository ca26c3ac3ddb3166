"""Adaptive DAA and the strongest other attack after equal numbers of gradients per image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from daa.reports.comparisons import Comparison, corrected
from daa.reports.results import ResultSet
from daa.reports.wording import label, loss
from daa.runs.records import Record

GRADIENTS = (25, 50, 100, 150)
# A restart of another attack counts if it ends at most this much later: with the forward passes, a
# restart of 50 steps has 51 gradients.
LATER = 1.05


class Level(NamedTuple):
    """Both attacks after some gradients per image; accuracies in percent, `pairs` by seed.

    `spent` are the gradients per image of the other attack with the first seed.
    """

    record: Record  # of any run
    gradients: int
    adaptive: float
    name: str
    other: float
    spent: float
    pairs: Sequence[Comparison]

    @property
    def stronger(self) -> str:
        """The significantly stronger attack with the number of seeds; empty without pairs."""
        won = [pair.stronger for pair in self.pairs]
        sides = {"Adaptive DAA": won.count("DAA"), "the other": won.count("PGD")}
        texts = [f"{name} ({count} of {len(won)})" for name, count in sides.items() if count]
        return (", ".join(texts) or "neither") if won else ""


def levels(results: ResultSet) -> list[Level]:
    """Levels of an experiment; none without Adaptive DAA and another attack with a budget."""
    runs: dict[str, dict[int, Record]] = {}
    for record in results.records if results.has_curves else ():
        attack = record.attack
        if attack.budget in (None, "auto"):
            continue
        name = f"{label(attack)}, {loss(attack)}" if attack.loss else ""
        runs.setdefault(name, {})[record.seed] = record
    adaptive = runs.pop("", {})
    if not adaptive:
        return []
    first = min(adaptive)
    others = {name: by_seed for name, by_seed in runs.items() if first in by_seed}
    rows = []
    for gradients in GRADIENTS:
        ended = {
            name: _ended(by_seed, LATER * gradients)
            for name, by_seed in others.items()
            if _measured(by_seed[first], gradients)
        }
        if not ended or not _measured(adaptive[first], gradients):
            continue
        name = min(ended, key=lambda name: ended[name][first].worst)
        ours, other = _ended(adaptive, gradients), ended[name]
        pairs = [Comparison(ours[seed], other[seed]) for seed in ours if seed in other]
        if any(record.broken_in is None for pair in pairs for record in (pair.daa, pair.pgd)):
            pairs = []
        means = _mean(ours), name, _mean(other), other[first].gradients_per_image
        rows.append(Level(adaptive[first], gradients, *means, pairs))
    tested = iter(corrected([pair for row in rows for pair in row.pairs]))
    return [row._replace(pairs=[next(tested) for _ in row.pairs]) for row in rows]


def _measured(record: Record, gradients: float) -> bool:
    """Whether the budget allows these gradients and the first unit ends by then."""
    first = (record.gradients_after or (np.inf,))[0]
    return first <= LATER * gradients and gradients <= record.attack.budget


def _ended(by_seed: dict[int, Record], gradients: float) -> dict[int, Record]:
    """The records as if the runs ended after some gradients.

    `broken_in` is None if it is unknown which images were broken by then.
    """
    ended = {}
    for seed, record in by_seed.items():
        after = record.gradients_after or ()
        unit = int(np.searchsorted(after, gradients, side="right"))
        changes: dict[str, object] = {"broken_in": record.broken_in or ()}
        if unit < len(record.robust_accuracy):
            accuracy = (record.clean_accuracy, *record.robust_accuracy)[: unit + 1]
            numbers = zip(record.broken, record.broken_in or (), strict=False)
            broken = tuple(image for image, number in numbers if number <= unit)
            changes = {"robust_accuracy": accuracy, "broken": broken}
            changes["gradients_per_image"] = (0.0, *after)[unit]
        ended[seed] = record.model_copy(update=changes)
    return ended


def _mean(by_seed: dict[int, Record]) -> float:
    return 100 * float(np.mean([record.worst for record in by_seed.values()]))
