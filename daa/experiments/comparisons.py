"""DAA against PGD: which records are compared, and what the tests say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daa.experiments import stats
from daa.experiments.records import Record
from daa.methods import METHODS

# Settings that a run of DAA shares with the run of PGD it is compared with.
_SAME = ("loss", "eps", "steps", "clip_range", "targeted", "random_start", "precision")


@dataclass(frozen=True)
class TTest:
    """Student's t and the two-sided p; None where there is no such test."""

    t: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A run of DAA against the run of PGD in which all else is the same."""

    daa: Record
    pgd: Record

    @property
    def only_daa(self) -> int:
        """Number of images that DAA breaks and PGD does not."""
        return len(set(self.daa.broken) - set(self.pgd.broken))

    @property
    def only_pgd(self) -> int:
        """Number of images that PGD breaks and DAA does not."""
        return len(set(self.pgd.broken) - set(self.daa.broken))

    @property
    def p(self) -> float:
        """McNemar's p on the images that only one of both breaks."""
        return stats.mcnemar(self.only_daa, self.only_pgd)

    @property
    def holds(self) -> bool:
        """Whether DAA's worst case is below PGD's, as the paper has it."""
        return self.daa.worst < self.pgd.worst

    @property
    def repeated(self) -> bool:
        """Whether both have restarts enough for a t-test."""
        return min(self.daa.restarts, self.pgd.restarts) >= 2

    @property
    def unpaired(self) -> TTest:
        """The arXiv version's test over the restarts."""
        return self._test(stats.unpaired)

    @property
    def paired(self) -> TTest:
        """The AAAI version's test over the restarts, which pairs those of the same number."""
        if self.daa.restarts != self.pgd.restarts:
            return TTest()
        return self._test(stats.paired)

    def _test(
        self, test: Callable[[Sequence[float], Sequence[float]], tuple[float, float]]
    ) -> TTest:
        if not self.repeated:
            return TTest()
        t, p = test(self.pgd.accuracy_per_restart, self.daa.accuracy_per_restart)
        return TTest(t, p) if math.isfinite(t) else TTest()


def compare(record: Record, records: Sequence[Record]) -> Comparison | None:
    """The comparison of a run of DAA with that of PGD; None for another method, or without PGD.

    Args:
        record: the run.
        records: all runs of the experiment.
    """
    if not METHODS[record.attack.method].particles:
        return None
    for other in records:
        if other.attack.method != "pgd" or other.images != record.images:
            continue
        if all(getattr(other.attack, name) == getattr(record.attack, name) for name in _SAME):
            return Comparison(record, other)
    return None
