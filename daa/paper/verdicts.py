"""The verdict on each number and each ranking in the paper."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import scipy.stats

from daa.attacks.methods import METHODS, AttackConfig
from daa.paper.claims import ACCURACIES, ORDERS, RANKINGS, Claim
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


@dataclass(frozen=True)
class Verdict:
    """A row of the report; `word` is a key of `WORDS`, and `here` the result of this project.

    `low` and `high` are in percent. `record` is the first record for a claim about all of them.
    `paper_restarts` is 0 for a single run. `doubt` says why a network is not the paper's.
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
    records = results.records if results is not None else ()
    records = tuple(record for record in records if claim.run in (None, record.run))
    if results is None or not records:
        return verdict
    finished = [record.restarts for record in records]
    images, needed = task.needed
    complete = min(finished) >= needed and (claim.run is not None or not results.missing)
    verdict = replace(
        verdict,
        record=records[0],
        restarts=sum(finished) if claim.kind == "merged" else min(finished),
        comparison=next((pair for pair in results.compared if pair.daa.run == claim.run), None),
    )
    if claim.kind in ACCURACIES:
        verdict = _judge_accuracy(verdict, records, complete)
    elif claim.kind in RANKINGS and (results.missing or len(set(finished)) > 1):
        verdict = replace(verdict, word="undecided yet", reason="restarts are missing")
    else:
        verdict = _judge_pairs(verdict, results)
        if not complete:
            reason = f"restarts are missing; {verdict.reason}"
            verdict = replace(verdict, word="undecided yet", reason=reason)
    if doubt:
        reason = f"{task.experiment.target} is not the paper's network: {doubt}"
        return replace(verdict, word="no verdict", reason=reason)
    if task.substituted and claim.kind not in ORDERS:
        verdict = replace(verdict, word="no verdict", reason="")
    elif records[0].images < images:
        reason = f"{records[0].images:,} of {images:,} images"
        verdict = replace(verdict, word="undecided yet", reason=reason)
    test = ""
    if verdict.comparison is not None and claim.kind == "worst":
        # If the paper prints no value of PGD, there is no order with a row of its own.
        printed = {row.name for row in task.experiment.rows if row.paper is not None}
        test = "" if verdict.comparison.pgd.run in printed else _mcnemar(verdict.comparison)
    network = "measured on a substitute network" if task.substituted else ""
    reasons = filter(None, (verdict.reason, test, network, claim.assumed))
    return replace(verdict, reason="; ".join(reasons))


def _judge_accuracy(verdict: Verdict, records: Sequence[Record], complete: bool) -> Verdict:
    """Compares the printed accuracy with a 95 % interval.

    docs/paper.md explains the intervals. On the paper's weights and images, the paper's value and
    the value here differ by at most t s sqrt(1 + 1 / n) in 95 % of all cases, with the standard
    deviation s of single runs; n runs are averaged here.

    s also bounds the noise of a worst case: if an image survives a restart with probability q, and
    S(n) images are expected to survive n restarts, the variance is the sum of q^n (1 - q^n), which
    is S(n) - S(2n). Per run of results/robust_mnist, S(5) - S(10) is smaller than S(1) - S(2).
    """
    claim, images, averaged = verdict.claim, records[0].images, 1
    paper = claim.value
    percent = 100 * (1 - len(set().union(*(record.broken for record in records))) / images)
    if claim.kind == "top-5":
        assert records[0].top5_accuracy is not None
        percent = 100 * records[0].top5_accuracy
    elif claim.kind == "single":  # the paper has a single run, so one restart is enough
        runs = records[0].accuracy_per_restart
        percent, averaged, complete = 100 * fmean(runs), len(runs), True
    assert paper is not None
    low, high = (100 * bound for bound in stats.interval(round(percent * images / 100), images))
    same = verdict.task.entry.same_images and not verdict.task.substituted
    repeated = [record.accuracy_per_restart for record in records if record.restarts > 1]
    if same and repeated:
        s, n = max((100 * stdev(runs), len(runs)) for runs in repeated)
        margin = float(scipy.stats.t.ppf(1 - LEVEL / 2, n - 1)) * s * math.sqrt(1 + 1 / averaged)
        low, high = percent - margin, percent + margin
    interval = f"the interval over {'restarts' if same and repeated else 'images'}"
    rounding = 0.5 * 10.0 ** -len(claim.text.partition(".")[2]) + 1e-9
    word, reason = "reproduced", f"the paper's value is in {interval}"
    if paper > high + rounding:
        word, reason = "stronger here", f"the paper's value is above {interval}"
    elif not complete:
        word, reason = "undecided yet", "restarts are missing"
    elif paper < low - rounding:
        word, reason = "weaker here", f"the paper's value is below {interval}"
    elif same and not repeated and abs(paper - percent) > rounding:
        word, reason = "undecided yet", "a spread over restarts needs two of them"
    return replace(verdict, word=word, reason=reason, here=f"{percent:.2f}", low=low, high=high)


def _judge_pairs(verdict: Verdict, results: ResultSet) -> Verdict:
    kind, pair, printed = verdict.claim.kind, verdict.comparison, verdict.claim.value
    if kind in RANKINGS:
        word, here, reason = _judge_ranking(kind, results)
    elif pair is None:
        word, here, reason = "undecided yet", "", "DAA and PGD have different numbers of restarts"
    elif kind == "order":
        word, here, reason = _judge_order(printed or 0, pair)
    elif kind == "examples":
        word = "reproduced" if pair.only_daa >= (printed or 0) else "weaker here"
        here, reason = str(pair.only_daa), "number of images that only DAA breaks"
    else:
        word, here, reason = _judge_t_test(kind, pair)
    return replace(verdict, word=word, here=here, reason=reason)


def _mcnemar(pair: Comparison) -> str:
    return f"only DAA {pair.only_daa}, only PGD {pair.only_pgd} images, p {pair.p_holm:.2g}"


def _judge_order(printed: float, pair: Comparison) -> tuple[str, str, str]:
    """Compares the order of DAA and PGD with the printed one by McNemar's test, and its size.

    The test and the interval are over pairs of images, since the paper ranks attacks in general
    and not on its images alone. The interval is Wald's with 0.5 added to each count (Agresti and
    Min 2005).
    """
    images, down, up = pair.daa.images + 2, pair.only_daa + 0.5, pair.only_pgd + 0.5
    middle = (up - down) / images
    error = math.sqrt(((up + down) / images - middle**2) / images)
    margin = float(scipy.stats.norm.ppf(1 - LEVEL / 2)) * error
    low, high = 100 * (middle - margin), 100 * (middle + margin)
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[pair.more]
    side = {"DAA": -1, "PGD": 1, None: 0}[pair.stronger]
    if side == 0:  # no test shows that two attacks are equally strong
        word = "no difference found"
    elif printed == 0:
        word = "stronger here" if side < 0 else "weaker here"
    elif side * printed < 0:
        word = "opposite here"
    else:  # both printed accuracies are rounded to 0.01
        word = "reproduced" if low - 0.01 <= printed <= high + 0.01 else "deviates here"
    reason = (
        f"{_mcnemar(pair)}; DAA minus PGD: {pair.points:.2f} points ({low:.2f} to {high:.2f}), "
        f"in the paper {printed:.2f}"
    )
    return word, here, reason


def _judge_t_test(kind: str, pair: Comparison) -> tuple[str, str, str]:
    """Judges a t-test by its sign, as t grows with the number of restarts."""
    t, p = pair.paired if kind == "p paired" else pair.unpaired
    if t is None or p is None:
        return "undecided yet", "", "a t-test needs two different restarts"
    word = "no difference found"
    if p < LEVEL:
        word = "same sign" if t > 0 else "opposite here"
    # The paper prints the unpaired p in percent.
    here = {"t": f"{t:.2f}", "p": f"{100 * p:.1e} %", "p paired": f"{p:.1e}"}[kind]
    return word, here, f"t {t:.1f}, p {p:.1e}; judged by the sign, as t grows with the restarts"


def _judge_ranking(kind: str, results: ResultSet) -> tuple[str, str, str]:
    """Tests a sentence about all runs of a config.

    Figure 3: each DAA is compared with PGD. Figure 2 and the provable network: at each point (a
    loss, a radius, and clipping to [0, 1] or not), the DAA with the lowest mean of single runs is
    compared with the other attack with the lowest mean.
    """
    pairs = results.compared
    if kind != "below PGD":
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
    return word, f"at {lower} of {len(pairs)}", reason


def _correct(record: Record) -> int:
    """Correctly classified images in all single runs; the mean of the shares would be rounded."""
    return sum(round(share * record.images) for share in record.accuracy_per_restart)
