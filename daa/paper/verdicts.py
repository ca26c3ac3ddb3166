"""The verdict on each number and each ranking in the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from daa.attacks.methods import METHODS, AttackConfig
from daa.paper.claims import ORDERS, Claim, pgd_of
from daa.paper.plan import Task
from daa.reports import stats
from daa.reports.comparisons import LEVEL, Comparison, corrected
from daa.reports.results import ResultSet
from daa.runs.records import Record

# Verdicts, with their names in the summary; "" for those that do not compare with the paper.
WORDS = {
    "reproduced": "reproduced",
    "reproduced in part": "reproduced in part",
    "same sign": "with the same sign",
    "stronger here": "with a stronger attack here",
    "weaker here": "with a weaker attack here",
    "opposite here": "with the opposite result here",
    "no difference found": "without a significant difference",
    "undecided yet": "",
    "no verdict": "",
    "not run": "",
}
# A verdict needs this share of the images that the paper attacked.
IMAGE_SHARE = 0.99
# Kinds of claims that hold after all restarts of the paper.
_AFTER_ALL_RESTARTS = ("worst", "top-5", "examples", "order")


@dataclass(frozen=True)
class Verdict:
    """A row of the report.

    Args:
        claim: a number or a ranking in the paper.
        task: the experiment that computes it.
        word: the verdict, a key of `WORDS`.
        reason: the reason, in a few words.
        here: the result of this project, as text.
        low, high: 95 % confidence interval of an accuracy over the images, in percent.
        restarts: number of finished restarts.
        paper_restarts: number of restarts in the paper; 0 if unknown, or for a single run.
        record: the run, or the first run of the config for a claim about all of them.
        comparison: DAA against PGD.
        doubt: the reason to doubt that the network is the paper's; empty if no check failed.
    """

    claim: Claim
    task: Task
    word: str
    reason: str
    here: str = ""
    low: float | None = None
    high: float | None = None
    restarts: int = 0
    paper_restarts: int = 0
    record: Record | None = None
    comparison: Comparison | None = None
    doubt: str = ""

    @property
    def attack(self) -> AttackConfig | None:
        """The attack of the run; None for a claim about all runs of the config."""
        rows = {row.name: row.attack for row in self.task.experiment.rows}
        return rows.get(str(self.claim.run))

    @property
    def needed(self) -> tuple[int, int]:
        """Images and restarts for a decision: those of the paper, or of the substitute."""
        images, restarts = self.task.entry.images, self.task.original.restarts
        substitute = self.task.entry.substitute
        if self.task.substituted and substitute is not None:
            return substitute.images, min(substitute.restarts, restarts)
        return images, restarts


def judge(claim: Claim, task: Task, results: ResultSet | None, doubt: str = "") -> Verdict:
    """The verdict on one claim.

    Args:
        claim: a claim about the config of the task.
        task: the experiment.
        results: its records; None if no run is finished.
        doubt: the reason to doubt that the network is the paper's; empty if no check failed.
    """
    restarts = task.original.restarts if claim.kind in _AFTER_ALL_RESTARTS else 0
    reason = task.missing or "not started"
    verdict = Verdict(claim, task, "not run", reason, paper_restarts=restarts, doubt=doubt)
    if results is not None:
        judge_runs = _judge_all_runs if claim.run is None else _judge_run
        verdict = judge_runs(verdict, results)
    if results is None or verdict.word == "not run":
        return verdict
    if doubt:
        reason = f"{task.experiment.target} is not the paper's network: {doubt}"
        return replace(verdict, word="no verdict", reason=reason)
    images, needed = results.records[0].images, verdict.needed[0]
    if task.substituted and claim.kind not in ORDERS:
        verdict = replace(verdict, word="no verdict", reason="")
    elif images < IMAGE_SHARE * needed:
        verdict = replace(verdict, word="undecided yet", reason=f"{images:,} of {needed:,} images")
    test = ""
    if verdict.comparison is not None and claim.kind == "worst":
        # If the paper prints no value of PGD, there is no order with a row of its own.
        rows = task.experiment.rows
        pgd = pgd_of(next(row for row in rows if row.name == claim.run), rows)
        test = _mcnemar(verdict.comparison) if pgd is not None and pgd.paper is None else ""
    network = "measured on a substitute network" if task.substituted else ""
    reasons = filter(None, (verdict.reason, test, network, claim.assumed))
    return replace(verdict, reason="; ".join(reasons))


def _judge_all_runs(verdict: Verdict, results: ResultSet) -> Verdict:
    """The verdict on a claim about all runs of a config."""
    records = results.records
    restarts = [record.restarts for record in records]
    complete = not results.missing and min(restarts) >= verdict.needed[1]
    verdict = replace(verdict, record=records[0], restarts=min(restarts))
    if verdict.claim.kind == "merged":
        images = records[0].images
        broken = set().union(*(record.broken for record in records))
        verdict = replace(verdict, restarts=sum(restarts))
        return _judge_accuracy(verdict, 100 * (1 - len(broken) / images), images, complete)
    if results.missing or len(set(restarts)) > 1:
        return replace(verdict, word="undecided yet", reason="restarts are missing")
    return _wait(_judge_lowest(verdict, records), complete)


def _judge_run(verdict: Verdict, results: ResultSet) -> Verdict:
    """The verdict on a claim about one run."""
    claim, records = verdict.claim, results.records
    record = next((record for record in records if record.run == claim.run), None)
    if record is None:
        return verdict
    comparison = next((pair for pair in results.compared if pair.daa is record), None)
    verdict = replace(verdict, record=record, restarts=record.restarts, comparison=comparison)
    complete = record.restarts >= verdict.needed[1]
    if claim.kind == "worst":
        return _judge_accuracy(verdict, 100 * record.worst, record.images, complete)
    if claim.kind == "top-5":
        if record.top5_accuracy is None:
            return replace(verdict, reason="the run has no top-5 accuracy")
        return _judge_accuracy(verdict, 100 * record.top5_accuracy, record.images, complete)
    if claim.kind == "single":
        # The paper has a single run, so one restart is enough.
        runs = [100 * accuracy for accuracy in record.accuracy_per_restart]
        return _judge_accuracy(verdict, fmean(runs), record.images, complete=True, runs=runs)
    if claim.kind == "examples":
        pgd = next((other for other in records if other.attack.method == "pgd"), None)
        if pgd is None:
            return replace(verdict, word="undecided yet", reason="PGD has not run yet")
        only_daa = len(set(record.broken) - set(pgd.broken))
        word = "reproduced" if only_daa >= (claim.value or 0) else "weaker here"
        reason = "number of images that only DAA breaks"
        verdict = replace(verdict, word=word, here=str(only_daa), reason=reason)
        return _wait(verdict, complete and pgd.restarts == record.restarts)
    if comparison is None:
        reason = "DAA and PGD have different numbers of restarts"
        return replace(verdict, word="undecided yet", reason=reason)
    if claim.kind == "order":
        return _wait(_judge_order(verdict, comparison), complete)
    test = comparison.paired if claim.kind == "p paired" else comparison.unpaired
    if test.t is None or test.p is None:
        reason = "a t-test needs two different restarts"
        return replace(verdict, word="undecided yet", reason=reason)
    return _wait(_judge_t_test(verdict, test.t, test.p), complete)


def _wait(verdict: Verdict, complete: bool) -> Verdict:
    """Leaves two-sided verdicts undecided until all restarts are finished."""
    if complete:
        return verdict
    return replace(verdict, word="undecided yet", reason=f"restarts are missing; {verdict.reason}")


def _judge_accuracy(
    verdict: Verdict, percent: float, images: int, complete: bool, runs: Sequence[float] = ()
) -> Verdict:
    """Compares the printed accuracy with the interval, and with the spread of single runs.

    Further restarts can only lower an accuracy, so "stronger here" does not wait for them.
    """
    paper = verdict.claim.value
    assert paper is not None
    low, high = (100 * bound for bound in stats.interval(round(percent * images / 100), images))
    runs = runs or [percent]
    word = "reproduced"
    reason = "the paper's value is in the interval"
    if paper > max(high, *runs):
        word, reason = "stronger here", "the paper's value is above the interval"
    elif not complete:
        word, reason = "undecided yet", "restarts are missing"
    elif not low <= paper <= high and min(runs) <= paper <= max(runs):
        reason = "the paper's value is within the spread of single runs"
    elif paper < low:
        word, reason = "weaker here", "the paper's value is below the interval"
    return replace(verdict, word=word, reason=reason, here=f"{percent:.2f}", low=low, high=high)


def _mcnemar(pair: Comparison) -> str:
    return f"only DAA {pair.only_daa}, only PGD {pair.only_pgd} images, p {pair.p_holm:.2g}"


def _judge_order(verdict: Verdict, comparison: Comparison) -> Verdict:
    """Compares the order of DAA and PGD here with the printed one by McNemar's test."""
    printed = verdict.claim.value
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[comparison.more]
    side = {"DAA": -1, "PGD": 1, None: 0}[comparison.stronger]
    word = "opposite here"
    if side == 0:  # no test shows that two attacks are equally strong
        word = "no difference found"
    elif side == printed:
        word = "reproduced"
    elif printed == 0:
        word = "stronger here" if side < 0 else "weaker here"
    return replace(verdict, word=word, here=here, reason=_mcnemar(comparison))


def _judge_t_test(verdict: Verdict, t: float, p: float) -> Verdict:
    """Judges a t-test by its sign, as t grows with the number of restarts."""
    word = "no difference found"
    if p < LEVEL:
        word = "same sign" if t > 0 else "opposite here"
    # The paper prints the unpaired p in percent.
    here = {"t": f"{t:.2f}", "p": f"{100 * p:.1e} %", "p paired": f"{p:.1e}"}[verdict.claim.kind]
    reason = f"t {t:.1f}, p {p:.1e}; judged by the sign, as t grows with the restarts"
    return replace(verdict, word=word, here=here, reason=reason)


def _judge_lowest(verdict: Verdict, records: Sequence[Record]) -> Verdict:
    """Tests at each point of a figure whether DAA is the strongest attack.

    A point is a loss, a radius, and clipping to [0, 1] or not. At each point, McNemar's test
    compares the DAA with the lowest mean of single runs with the other attack with the lowest mean.
    """
    points: dict[tuple, dict[bool, list[Record]]] = {}
    for record in records:
        attack = record.attack
        point = points.setdefault((attack.loss, attack.eps, attack.clip_range), {})
        point.setdefault(METHODS[attack.method].particles, []).append(record)
    pairs = corrected(
        [
            Comparison(min(point[True], key=_correct), min(point[False], key=_correct))
            for point in points.values()
            if len(point) == 2
        ]
    )
    stronger = Counter(pair.stronger for pair in pairs)
    lower = sum(_correct(pair.daa) < _correct(pair.pgd) for pair in pairs)
    higher = sum(_correct(pair.daa) > _correct(pair.pgd) for pair in pairs)
    if stronger["PGD"]:
        word = "weaker here" if stronger["DAA"] else "opposite here"
    elif not stronger["DAA"]:
        word = "no difference found"
    else:
        word = "reproduced in part" if higher else "reproduced"
    reason = (
        f"means of single runs: lower at {lower}, equal at {len(pairs) - lower - higher}, higher "
        f"at {higher} points; tests on the worst cases: DAA is stronger at {stronger['DAA']}, "
        f"weaker at {stronger['PGD']}"
    )
    return replace(verdict, word=word, here=f"at {lower} of {len(pairs)}", reason=reason)


def _correct(record: Record) -> int:
    """Correctly classified images in all single runs; the mean of the shares would be rounded."""
    return sum(round(share * record.images) for share in record.accuracy_per_restart)
