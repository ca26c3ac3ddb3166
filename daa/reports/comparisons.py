"""Comparisons of DAA with PGD: pairs of runs, McNemar's test, Holm's correction, t-tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from daa.attacks.methods import BLOCKS, METHODS
from daa.reports import stats
from daa.reports.stats import TTest
from daa.runs.config import PaperTests
from daa.runs.records import Record

# Significance level of a difference.
LEVEL = 0.05
# Equal record fields of a pair of runs, besides the settings of the attack.
_SHARED = ("target", "weights_sha256", "data", "data_sha256", "images", "seed")
# Settings of minibatches. PGD treats each image separately, so these settings do not change the
# result.
_COUPLING = {"method", "batch_size", "shuffle"}


@dataclass(frozen=True)
class Comparison:
    """A run of DAA and the matching run of PGD; `p_holm` is corrected for the experiment."""

    daa: Record
    pgd: Record
    p_holm: float = math.nan
    paper: PaperTests | None = None

    @cached_property
    def only_daa(self) -> int:
        """Number of images broken by DAA only."""
        return len(set(self.daa.broken) - set(self.pgd.broken))

    @cached_property
    def only_pgd(self) -> int:
        """Number of images broken by PGD only."""
        return len(set(self.pgd.broken) - set(self.daa.broken))

    @property
    def more(self) -> str:
        """Attack with more broken images: "DAA", "PGD" or "equal"."""
        if self.only_daa == self.only_pgd:
            return "equal"
        return "DAA" if self.only_daa > self.only_pgd else "PGD"

    @cached_property
    def p(self) -> float:
        """p of McNemar's test on `only_daa` and `only_pgd`."""
        return stats.mcnemar(self.only_daa, self.only_pgd)

    @property
    def stronger(self) -> str | None:
        """The significantly stronger attack: "DAA", "PGD" or None."""
        return self.more if self.p_holm < LEVEL else None

    @property
    def outcome(self) -> str:
        """Result of the test for DAA: "stronger", "no difference" or "weaker"."""
        return {"DAA": "stronger", "PGD": "weaker", None: "no difference"}[self.stronger]

    @property
    def points(self) -> float:
        """Robust accuracy under DAA minus robust accuracy under PGD, in percentage points."""
        return 100 * (self.daa.worst - self.pgd.worst)

    @property
    def repeated(self) -> bool:
        """Whether t-tests are possible: at least two restarts, each on all images."""
        return self.daa.restarts >= 2 and self.daa.attack.restarts is None

    @cached_property
    def unpaired(self) -> TTest:
        """The arXiv version's t-test over the restarts; t > 0 if DAA is stronger."""
        return self._ttest(paired=False)

    @cached_property
    def paired(self) -> TTest:
        """The AAAI version's t-test over pairs of restarts; t > 0 if DAA is stronger."""
        return self._ttest(paired=True)

    def _ttest(self, paired: bool) -> TTest:
        runs = self.pgd.accuracy_per_restart, self.daa.accuracy_per_restart
        return stats.ttest(*runs, paired=paired) if self.repeated else TTest()


def compare(records: Sequence[Record]) -> list[Comparison]:
    """Compares each run of DAA with the run of PGD that has otherwise equal settings, if any."""
    pairs = []
    for record in records:
        if METHODS[record.attack.method].particles:
            pgd = next((other for other in records if _differ_in_method(record, other)), None)
            if pgd is not None:
                pairs.append(Comparison(record, pgd))
    return corrected(pairs)


def budgeted(records: Sequence[Record]) -> list[Comparison]:
    """Compares Adaptive DAA with the strongest PGD of the same seed and radius."""
    pairs, pgd = [], [record for record in records if record.attack.method == "pgd"]
    for record in records:
        same = [r for r in pgd if _same(_SHARED, record, r)]
        same = [r for r in same if _same(("eps", "norm"), record.attack, r.attack)]
        if same and record.attack.method == "adaptive":
            pairs.append(Comparison(record, min(same, key=lambda other: other.worst)))
    return corrected(pairs)


def corrected(pairs: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons with the p of McNemar's test corrected for all of them."""
    p_holm = stats.holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p) for pair, p in zip(pairs, p_holm, strict=True)]


def _differ_in_method(daa: Record, pgd: Record) -> bool:
    if pgd.attack.method != "pgd" or not _same((*_SHARED, "restarts"), daa, pgd):
        return False
    return _same({*pgd.settings, *BLOCKS, "norm"} - _COUPLING, daa.attack, pgd.attack)


def _same(names: Any, first: Any, second: Any) -> bool:
    return all(getattr(first, name) == getattr(second, name) for name in names)
