"""The verdict on each number and each ranking in the paper."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import scipy.stats

from daa.attacks.methods import METHODS, AttackConfig
from daa.paper.claims import ORDERS, RANKINGS, Claim, pgd_of
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
    "deviates here": "with the same order but another size of the difference",
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


@dataclass(frozen=True)
class Verdict:
    """A row of the report.

    Args:
        word: the verdict, a key of `WORDS`.
        here: the result of this project, as text.
        low, high: 95 % interval in which the paper's accuracy should be, in percent.
        paper_restarts: number of restarts in the paper; 0 if unknown, or for a single run.
        record: the run, or the first run of the config for a claim about all of them.
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


def judge(claim: Claim, task: Task, results: ResultSet | None, doubt: str = "") -> Verdict:
    """The verdict on a claim about the config of a task; `results` is None before the first run."""
    after_all = claim.kind in ("worst", "top-5", "examples", "order")
    restarts = task.original.restarts if after_all else 0
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
    images, needed = results.records[0].images, task.needed[0]
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
    records = results.records
    restarts = [record.restarts for record in records]
    complete = not results.missing and min(restarts) >= verdict.task.needed[1]
    verdict = replace(verdict, record=records[0], restarts=min(restarts))
    if verdict.claim.kind == "merged":
        broken = set().union(*(record.broken for record in records))
        percent = 100 * (1 - len(broken) / records[0].images)
        return _judge_accuracy(replace(verdict, restarts=sum(restarts)), percent, records, complete)
    if results.missing or len(set(restarts)) > 1:
        return replace(verdict, word="undecided yet", reason="restarts are missing")
    return _wait(_judge_ranking(verdict, results), complete)


def _judge_run(verdict: Verdict, results: ResultSet) -> Verdict:
    claim, records = verdict.claim, results.records
    record = next((record for record in records if record.run == claim.run), None)
    if record is None:
        return verdict
    comparison = next((pair for pair in results.compared if pair.daa is record), None)
    verdict = replace(verdict, record=record, restarts=record.restarts, comparison=comparison)
    complete = record.restarts >= verdict.task.needed[1]
    if claim.kind in ("worst", "top-5"):
        share = record.worst if claim.kind == "worst" else record.top5_accuracy
        if share is None:
            return replace(verdict, reason="the run has no top-5 accuracy")
        return _judge_accuracy(verdict, 100 * share, [record], complete)
    if claim.kind == "single":
        # The paper has a single run, so one restart is enough.
        percent = 100 * fmean(record.accuracy_per_restart)
        return _judge_accuracy(verdict, percent, [record], True, averaged=record.restarts)
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
    verdict: Verdict,
    percent: float,
    records: Sequence[Record],
    complete: bool,
    averaged: int = 1,
) -> Verdict:
    """Compares the printed accuracy with a 95 % interval; `percent` is the mean of `averaged` runs.

    If the weights or the images differ from the paper's, the interval is Clopper and Pearson's over
    the images. If both are the same, the images have no sampling noise, and this interval would
    accept other attacks: 88.79 +- 0.63 contains the 89.29 of Momentum PGD. Only the restarts differ
    then. The paper's value and the value here are draws with the standard deviation s of single
    runs, so they differ by at most t s sqrt(1 + 1 / averaged) in 95 % of all cases.

    s also bounds the noise of a worst case. If S(n) images are expected to survive n restarts, and
    q is an image's probability to survive one of them, the variance after n restarts is the sum of
    q^n (1 - q^n), or S(n) - S(2n), which is S(1) - S(2) for a single run. Each further restart
    breaks fewer new images.

    A single restart shows no spread. As the sum of q (1 - q) is at most the binomial variance, the
    interval over the images bounds it: a value outside is a deviation, a value inside is undecided.
    Further restarts can only lower an accuracy, so "stronger here" does not wait for them.
    """
    claim, task, images = verdict.claim, verdict.task, records[0].images
    paper = claim.value
    assert paper is not None
    low, high = (100 * bound for bound in stats.interval(round(percent * images / 100), images))
    same = task.entry.same_images and images == task.entry.images and not task.substituted
    repeated = [record.accuracy_per_restart for record in records if record.restarts > 1]
    if same and repeated:
        s, n = max((100 * stdev(runs), len(runs)) for runs in repeated)
        margin = float(scipy.stats.t.ppf(1 - LEVEL / 2, n - 1)) * s * math.sqrt(1 + 1 / averaged)
        low, high = percent - margin, percent + margin
    over = "restarts" if same and repeated else "images"
    rounding = 0.5 * 10.0 ** -len(claim.text.partition(".")[2]) + 1e-9
    word, reason = "reproduced", f"the paper's value is in the interval over {over}"
    if paper > high + rounding:
        word, reason = "stronger here", f"the paper's value is above the interval over {over}"
    elif not complete:
        word, reason = "undecided yet", "restarts are missing"
    elif paper < low - rounding:
        word, reason = "weaker here", f"the paper's value is below the interval over {over}"
    elif same and abs(paper - percent) <= rounding:
        reason = "equal to the paper's value"
    elif same and not repeated:
        word, reason = "undecided yet", "a spread over restarts needs two of them"
    return replace(verdict, word=word, reason=reason, here=f"{percent:.2f}", low=low, high=high)


def _mcnemar(pair: Comparison) -> str:
    return f"only DAA {pair.only_daa}, only PGD {pair.only_pgd} images, p {pair.p_holm:.2g}"


def _judge_order(verdict: Verdict, comparison: Comparison) -> Verdict:
    """Compares the order of DAA and PGD with the printed one by McNemar's test, and its size.

    An order counts as reproduced only if the paper's difference is in the 95 % interval of the
    difference here; 0.04 points in the paper do not explain 3 points here. The test and the
    interval are over pairs of images, since the paper ranks attacks in general and not on its
    images alone.
    """
    printed = verdict.claim.value
    assert printed is not None
    low, high = _difference(comparison)
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[comparison.more]
    side = {"DAA": -1, "PGD": 1, None: 0}[comparison.stronger]
    if side == 0:  # no test shows that two attacks are equally strong
        word = "no difference found"
    elif printed == 0:
        word = "stronger here" if side < 0 else "weaker here"
    elif side * printed < 0:
        word = "opposite here"
    else:  # both printed accuracies are rounded to 0.01
        word = "reproduced" if low - 0.01 <= printed <= high + 0.01 else "deviates here"
    reason = (
        f"{_mcnemar(comparison)}; DAA minus PGD: {comparison.points:.2f} points "
        f"({low:.2f} to {high:.2f}), in the paper {printed:.2f}"
    )
    return replace(verdict, word=word, here=here, reason=reason)


def _difference(pair: Comparison) -> tuple[float, float]:
    """95 % interval of DAA's accuracy minus PGD's on the same images, in percentage points.

    Source: Agresti and Min 2005 (Wald's interval with 0.5 added to each of the four counts).
    """
    images, down, up = pair.daa.images + 2, pair.only_daa + 0.5, pair.only_pgd + 0.5
    middle = (up - down) / images
    error = math.sqrt((up + down) / images - middle**2) / math.sqrt(images)
    margin = float(scipy.stats.norm.ppf(1 - LEVEL / 2)) * error
    return 100 * (middle - margin), 100 * (middle + margin)


def _judge_t_test(verdict: Verdict, t: float, p: float) -> Verdict:
    """Judges a t-test by its sign, as t grows with the number of restarts."""
    word = "no difference found"
    if p < LEVEL:
        word = "same sign" if t > 0 else "opposite here"
    # The paper prints the unpaired p in percent.
    here = {"t": f"{t:.2f}", "p": f"{100 * p:.1e} %", "p paired": f"{p:.1e}"}[verdict.claim.kind]
    reason = f"t {t:.1f}, p {p:.1e}; judged by the sign, as t grows with the restarts"
    return replace(verdict, word=word, here=here, reason=reason)


def _judge_ranking(verdict: Verdict, results: ResultSet) -> Verdict:
    """Tests a sentence about all runs of a config.

    Figure 3: each DAA is compared with PGD. Figure 2 and the provable network: at each point (a
    loss, a radius, and clipping to [0, 1] or not), the DAA with the lowest mean of single runs is
    compared with the other attack with the lowest mean.
    """
    pairs = results.compared
    if RANKINGS[verdict.claim.kind].strongest:
        points: dict[tuple, dict[bool, list[Record]]] = {}
        for record in results.records:
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
        f"means of single runs: lower in {lower}, equal in {len(pairs) - lower - higher}, higher "
        f"in {higher} comparisons; tests on the worst cases: DAA is stronger in "
        f"{stronger['DAA']}, weaker in {stronger['PGD']}"
    )
    return replace(verdict, word=word, here=f"at {lower} of {len(pairs)}", reason=reason)


def _correct(record: Record) -> int:
    """Correctly classified images in all single runs; the mean of the shares would be rounded."""
    return sum(round(share * record.images) for share in record.accuracy_per_restart)
