"""DAA against PGD: which records are compared, and what the tests say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from daa.attacks.methods import BLOCKS, METHODS
from daa.reports import stats
from daa.runs.records import Record

# A p below this one counts as a difference.
LEVEL = 0.05
# What a run of DAA shares with the run of PGD that it is compared with, beside the settings.
_SAME = (
    "target",
    "weights_sha256",
    "data",
    "data_sha256",
    "images",
    "restarts",
    "seed",
)
# Settings that decide which images meet in a minibatch. PGD attacks each image for itself, so it is
# the same attack for all their values.
_COUPLING = {"method", "batch_size", "shuffle"}


@dataclass(frozen=True)
class TTest:
    """Student's t and the two-sided p; None where there is no such test."""

    t: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Papers:
    """What the papers print of their t-tests of PGD against a method.

    Args:
        t_arxiv, p_arxiv: of the unpaired test.
        p_aaai: of the paired test.
    """

    t_arxiv: str
    p_arxiv: str
    p_aaai: str


# By config and method. The texts do not say for which loss; the values stand beside cross-entropy.
PAPERS = {
    ("table1", "blob"): Papers("76.94", "0.0 %", "0.0"),
    ("table1", "dgf"): Papers("75.95", "0.0 %", "5e-43"),
    ("table_fmnist", "blob"): Papers("119.24", "0.0 %", "0.0"),
    ("table_fmnist", "dgf"): Papers("109.75", "0.0 %", "3e-27"),
}


@dataclass(frozen=True)
class Comparison:
    """A run of DAA against the run of PGD in which all else is the same.

    Args:
        daa, pgd: the runs.
        p_holm: p of McNemar's test, corrected for all comparisons of the experiment.
    """

    daa: Record
    pgd: Record
    p_holm: float = math.nan

    @property
    def only_daa(self) -> int:
        """Number of images that DAA breaks and PGD does not."""
        return len(set(self.daa.broken) - set(self.pgd.broken))

    @property
    def only_pgd(self) -> int:
        """Number of images that PGD breaks and DAA does not."""
        return len(set(self.pgd.broken) - set(self.daa.broken))

    @property
    def more(self) -> str:
        """The attack that breaks more images, "DAA" or "PGD"; "equal" where both break as many."""
        if self.only_daa == self.only_pgd:
            return "equal"
        return "DAA" if self.only_daa > self.only_pgd else "PGD"

    @property
    def p(self) -> float:
        """McNemar's p on the images that only one of both breaks."""
        return stats.mcnemar(self.only_daa, self.only_pgd)

    @property
    def stronger(self) -> str | None:
        """The attack that is found stronger, "DAA" or "PGD"; None where no difference is found."""
        return self.more if self.p_holm < LEVEL else None

    @property
    def repeated(self) -> bool:
        """Whether both have restarts for a t-test: at least two, each of them on all images."""
        return self.daa.restarts >= 2 and self.daa.attack.restarts is None

    @property
    def unpaired(self) -> TTest:
        """The arXiv version's test over the restarts; t is positive where DAA is stronger."""
        return self._test(stats.unpaired)

    @property
    def paired(self) -> TTest:
        """The AAAI version's test over the restarts, which pairs those of the same number."""
        return self._test(stats.paired)

    @property
    def papers(self) -> Papers | None:
        """What the papers print of this test; None where they don't have it."""
        attack = self.daa.attack
        name = self.daa.config or self.daa.experiment
        return PAPERS.get((name, attack.method)) if attack.loss == "xent" else None

    def _test(
        self, test: Callable[[Sequence[float], Sequence[float]], tuple[float, float]]
    ) -> TTest:
        if not self.repeated:
            return TTest()
        t, p = test(self.pgd.accuracy_per_restart, self.daa.accuracy_per_restart)
        return TTest(t, p) if math.isfinite(t) else TTest()


def compare(records: Sequence[Record]) -> list[Comparison | None]:
    """The comparison of each run with PGD.

    Args:
        records: all runs of an experiment.

    Returns:
        For each run of DAA its comparison, for each other one None, and None where no run of PGD
        differs from it in the method alone.
    """
    found = [_comparison(record, records) for record in records]
    tested = iter(corrected([comparison for comparison in found if comparison is not None]))
    return [None if one is None else next(tested) for one in found]


def corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons with the p of McNemar's test corrected for all of them."""
    p_holm = stats.holm([comparison.p for comparison in found])
    return [replace(one, p_holm=p) for one, p in zip(found, p_holm, strict=True)]


def _comparison(record: Record, records: Sequence[Record]) -> Comparison | None:
    if METHODS[record.attack.method].particles:
        for other in records:
            if other.attack.method == "pgd" and _alike(record, other):
                return Comparison(record, other)
    return None


def _alike(daa: Record, pgd: Record) -> bool:
    """Whether two runs differ in the method alone: same settings of PGD, same images, same seed."""
    same_run = all(getattr(daa, name) == getattr(pgd, name) for name in _SAME)
    names = {*pgd.settings, *BLOCKS} - _COUPLING
    return same_run and all(getattr(daa.attack, n) == getattr(pgd.attack, n) for n in names)


def budgeted(records: Sequence[Record]) -> list[Comparison]:
    """Each run of a method that spends a budget of gradients against PGD with the same seed.

    Of several runs of PGD with this seed the strongest counts. The corrected p is for all
    comparisons that are returned.

    Args:
        records: all runs of an experiment.
    """
    found = []
    for record in records:
        if record.attack.reads("budget"):
            same = [other for other in records if _alike_in_budget(record, other)]
            if same:
                found.append(Comparison(record, min(same, key=lambda other: other.worst)))
    return corrected(found)


def _alike_in_budget(record: Record, pgd: Record) -> bool:
    """Whether a run is of PGD, on the same images, under a budget of about the same size."""
    names = [name for name in _SAME if name != "restarts"]
    same_run = all(getattr(record, name) == getattr(pgd, name) for name in names)
    same_ball = record.attack.eps == pgd.attack.eps
    return pgd.attack.method == "pgd" and same_run and same_ball
