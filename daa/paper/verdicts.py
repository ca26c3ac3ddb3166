"""The verdict on each number and each ranking that the paper prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from daa.attacks.methods import METHODS, AttackConfig
from daa.paper.claims import ACCURACIES, ORDERS, Claim, pgd_of
from daa.paper.plan import Task
from daa.reports import stats
from daa.reports.comparisons import LEVEL, Comparison, corrected
from daa.reports.results import ResultSet
from daa.runs.records import Record

Word = Literal[
    "reproduced",
    "reproduced in part",
    "same sign",
    "stronger here",
    "weaker here",
    "opposite here",
    "no difference found",
    "undecided yet",
    "no verdict",
    "not run",
]
# A verdict needs this share of the images that the paper attacked.
IMAGE_SHARE = 0.99
# Kinds of claims that hold after all restarts of the paper.
_AFTER_ALL_RESTARTS = ("worst", "top-5", "examples", "order")


@dataclass(frozen=True)
class Verdict:
    """A row of the report.

    Args:
        claim: what the paper prints.
        task: the experiment that computes it.
        word: the verdict.
        why: the reason, in a few words.
        here: the result of this project, as text.
        low, high: 95 % confidence interval of an accuracy over the images, in percent.
        restarts: number of restarts that are done.
        paper_restarts: number of restarts of the paper; 0 if the paper does not print it, or for a
            single run.
        record: the run, or the first run of the config if the claim is about all of them.
        comparison: DAA against PGD.
        network_doubt: why the network is not the paper's; empty if no check failed.
    """

    claim: Claim
    task: Task
    word: Word
    why: str
    here: str = ""
    low: float | None = None
    high: float | None = None
    restarts: int = 0
    paper_restarts: int = 0
    record: Record | None = None
    comparison: Comparison | None = None
    network_doubt: str = ""

    @property
    def attack(self) -> AttackConfig | None:
        """The attack of the run; None if the claim is about all runs of the config."""
        rows = {row.name: row.attack for row in self.task.experiment.rows}
        return rows.get(str(self.claim.run))


def judge(claim: Claim, task: Task, results: ResultSet | None, network_doubt: str = "") -> Verdict:
    """The verdict on one claim.

    Args:
        claim: a claim about the config of the task.
        task: the experiment.
        results: its records; None if no run is finished.
        network_doubt: why the network is not the paper's; empty if no check failed.
    """
    restarts = task.original.restarts if claim.kind in _AFTER_ALL_RESTARTS else 0
    why = task.missing or "not started"
    verdict = Verdict(claim, task, "not run", why, paper_restarts=restarts)
    if results is not None:
        judge_runs = _judge_all_runs if claim.run is None else _judge_run
        verdict = judge_runs(verdict, results)
    if results is None or verdict.word == "not run":
        return verdict
    if network_doubt:
        why = f"{task.experiment.target} is not the paper's network: {network_doubt}"
        return replace(verdict, word="no verdict", why=why, network_doubt=network_doubt)
    images, images_needed = results.records[0].images, _needed(task)[0]
    if task.substituted and claim.kind not in ORDERS:
        verdict = replace(verdict, word="no verdict", why="")
    elif images < IMAGE_SHARE * images_needed:
        why = f"{images:,} of {images_needed:,} images"
        verdict = replace(verdict, word="undecided yet", why=why)
    substitute = "measured on a substitute network" if task.substituted else ""
    reasons = (verdict.why, _test_of_accuracy(verdict), substitute, claim.assumed)
    return replace(verdict, why="; ".join(filter(None, reasons)))


def _needed(task: Task) -> tuple[int, int]:
    """Images and restarts that a verdict needs: those of the paper, or of the substitute."""
    images, restarts = task.entry.images, task.original.restarts
    if task.substituted:
        assert task.entry.substitute is not None
        images = task.entry.substitute.images
        restarts = min(task.entry.substitute.restarts, restarts)
    return images, restarts


def _judge_all_runs(verdict: Verdict, results: ResultSet) -> Verdict:
    """The verdict on a claim about all runs of a config."""
    records = results.records
    least = min(record.restarts for record in records)
    complete = not results.missing and least >= _needed(verdict.task)[1]
    verdict = replace(verdict, record=records[0])
    if verdict.claim.kind == "merged":
        broken = set().union(*(record.broken for record in records))
        images = records[0].images
        verdict = replace(verdict, restarts=sum(record.restarts for record in records))
        return _judge_accuracy(verdict, 100 * (1 - len(broken) / images), images, complete)
    verdict = replace(verdict, restarts=least)
    if results.missing or any(record.restarts != least for record in records):
        return replace(verdict, word="undecided yet", why="restarts are missing")
    return _if_complete(_judge_lowest(verdict, records), complete)


def _judge_run(verdict: Verdict, results: ResultSet) -> Verdict:
    """The verdict on a claim about one run."""
    claim, records = verdict.claim, results.records
    record = next((record for record in records if record.run == claim.run), None)
    if record is None:
        return verdict
    comparison = next((pair for pair in results.compared if pair.daa is record), None)
    verdict = replace(verdict, record=record, restarts=record.restarts, comparison=comparison)
    complete = record.restarts >= _needed(verdict.task)[1]
    if claim.kind == "single":
        # The paper has a single run, so one restart is enough.
        runs = [100 * accuracy for accuracy in record.accuracy_per_restart]
        return _judge_accuracy(verdict, fmean(runs), record.images, complete=True, runs=runs)
    if claim.kind == "top-5" and record.top5_accuracy is None:
        return replace(verdict, word="not run", why="the run has no top-5 accuracy")
    if claim.kind in ACCURACIES:
        accuracy = record.top5_accuracy if claim.kind == "top-5" else record.worst
        assert accuracy is not None
        return _judge_accuracy(verdict, 100 * accuracy, record.images, complete)
    if claim.kind == "examples":
        pgd = next((other for other in records if other.attack.method == "pgd"), None)
        if pgd is None:
            return replace(verdict, word="undecided yet", why="PGD has not run yet")
        only_daa = len(set(record.broken) - set(pgd.broken))
        word: Word = "reproduced" if only_daa >= (claim.value or 0) else "weaker here"
        why = "images that only DAA breaks"
        verdict = replace(verdict, word=word, here=str(only_daa), why=why)
        return _if_complete(verdict, complete and pgd.restarts == record.restarts)
    if comparison is None:
        why = "DAA and PGD have different numbers of restarts"
        return replace(verdict, word="undecided yet", why=why)
    if claim.kind == "order":
        return _if_complete(_judge_order(verdict, comparison), complete)
    test = comparison.paired if claim.kind == "p paired" else comparison.unpaired
    if test.t is None or test.p is None:
        return replace(verdict, word="undecided yet", why="a t-test needs two different restarts")
    return _if_complete(_judge_t_test(verdict, test.t, test.p), complete)


def _if_complete(verdict: Verdict, complete: bool) -> Verdict:
    """Leaves two-sided verdicts undecided until all restarts are done."""
    if complete:
        return verdict
    return replace(verdict, word="undecided yet", why=f"restarts are missing; {verdict.why}")


def _judge_accuracy(
    verdict: Verdict, percent: float, images: int, complete: bool, runs: Sequence[float] = ()
) -> Verdict:
    """Compares the printed accuracy with the interval, and with the spread of single runs.

    Further restarts can only lower an accuracy, so "stronger here" needs no complete run.
    """
    paper = verdict.claim.value
    assert paper is not None
    low, high = (100 * bound for bound in stats.interval(round(percent * images / 100), images))
    runs = runs or [percent]
    word: Word
    if paper > max(high, *runs):
        word, why = "stronger here", "the paper's value is above the interval"
    elif not complete:
        word, why = "undecided yet", "restarts are missing"
    elif low <= paper <= high:
        word, why = "reproduced", "the paper's value is in the interval"
    elif min(runs) <= paper <= max(runs):
        word, why = "reproduced", "the paper's value is within the spread of single runs"
    else:
        word, why = "weaker here", "the paper's value is below the interval"
    return replace(verdict, word=word, why=why, here=f"{percent:.2f}", low=low, high=high)


def _mcnemar(comparison: Comparison) -> str:
    return (
        f"only DAA {comparison.only_daa}, only PGD {comparison.only_pgd} images, "
        f"p {comparison.p_holm:.2g}"
    )


def _test_of_accuracy(verdict: Verdict) -> str:
    """McNemar's test for a worst case of DAA whose PGD has no printed value."""
    if verdict.comparison is None or verdict.claim.kind != "worst":
        return ""
    rows = verdict.task.experiment.rows
    pgd = pgd_of(next(row for row in rows if row.name == verdict.claim.run), rows)
    return _mcnemar(verdict.comparison) if pgd is not None and pgd.paper is None else ""


def _judge_order(verdict: Verdict, comparison: Comparison) -> Verdict:
    """Compares the order of DAA and PGD here with the printed one by McNemar's test."""
    printed = verdict.claim.value
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[comparison.more]
    side = {"DAA": -1, "PGD": 1, None: 0}[comparison.stronger]
    word: Word = "opposite here"
    if side == 0:  # no test shows that two attacks are equally strong
        word = "no difference found"
    elif side == printed:
        word = "reproduced"
    elif printed == 0:
        word = "stronger here" if side < 0 else "weaker here"
    return replace(verdict, word=word, here=here, why=_mcnemar(comparison))


def _judge_t_test(verdict: Verdict, t: float, p: float) -> Verdict:
    """Judges a t-test by its sign, as t grows with the number of restarts."""
    word: Word = "no difference found"
    if p < LEVEL:
        word = "same sign" if t > 0 else "opposite here"
    # The paper prints the unpaired p in percent.
    here = {"t": f"{t:.2f}", "p": f"{100 * p:.1e} %", "p paired": f"{p:.1e}"}[verdict.claim.kind]
    why = f"t {t:.1f}, p {p:.1e}; judged by the sign, as t grows with the restarts"
    return replace(verdict, word=word, here=here, why=why)


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
        word: Word = "weaker here" if stronger["DAA"] else "opposite here"
    elif not stronger["DAA"]:
        word = "no difference found"
    else:
        word = "reproduced in part" if higher else "reproduced"
    why = (
        f"means of single runs: lower at {lower}, equal at {len(pairs) - lower - higher}, higher "
        f"at {higher} points; tests on the worst cases: DAA is stronger at {stronger['DAA']}, "
        f"weaker at {stronger['PGD']}"
    )
    return replace(verdict, word=word, here=f"at {lower} of {len(pairs)}", why=why)


def _correct(record: Record) -> int:
    """Correctly classified images in all single runs; the mean of the shares would be rounded."""
    return sum(round(share * record.images) for share in record.accuracy_per_restart)
