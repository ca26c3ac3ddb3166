"""The results in brief: a card per experiment."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from daa import targets
from daa.reports.comparisons import Comparison
from daa.reports.results import ResultSet
from daa.reports.wording import radius
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
