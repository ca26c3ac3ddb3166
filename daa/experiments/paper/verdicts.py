"""What was reproduced: one verdict for each thing that the paper prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from daa.experiments import stats
from daa.experiments.collection import Collected
from daa.experiments.comparisons import LEVEL, Comparison, compare
from daa.experiments.paper.accuracies import Word, interval
from daa.experiments.paper.numbers import ACCURACIES, ORDERS, Number, pgd_of
from daa.experiments.paper.plan import Task
from daa.experiments.records import Record
from daa.methods import METHODS

# A verdict on the paper's value needs this share of the images that the paper attacked.
SHARE = 0.99


@dataclass(frozen=True)
class Verdict:
    """What this project has to say to something that the paper prints.

    Args:
        number: what is printed.
        word: the verdict.
        why: what decided it, in a few words.
        here: the value found here, as text.
        low, high: 95 % interval of an accuracy in percent, as the images are a sample.
        restarts: done.
        of: restarts that the paper took.
        record: the run, or the first of all where all runs of the config are meant.
        comparison: with PGD.
    """

    number: Number
    word: Word
    why: str
    here: str = ""
    low: float | None = None
    high: float | None = None
    restarts: int = 0
    of: int = 0
    record: Record | None = None
    comparison: Comparison | None = None


def verdicts(
    printed: Sequence[Number],
    work: Sequence[Task],
    found: Mapping[str, Collected | None],
    strangers: Mapping[str, str],
) -> list[Verdict]:
    """The verdict on everything that the paper prints.

    Args:
        printed: of the tasks.
        work: the tasks.
        found: the records of each config; None where there are none yet.
        strangers: why a network is not the paper's, by its reference.
    """
    tasks = {task.entry.config: task for task in work}
    return [
        _verdict(number, tasks[number.config], found.get(number.config), strangers)
        for number in printed
        if number.config in tasks
    ]


def _verdict(
    number: Number, task: Task, found: Collected | None, strangers: Mapping[str, str]
) -> Verdict:
    blank = Verdict(number, "not run", task.missing, of=task.config.restarts)
    if found is None:
        return blank if task.missing else replace(blank, why="its turn has not come")
    verdict = _judged(blank, task, found)
    if verdict.word == "not run":
        return verdict
    target = task.experiment.target
    if found.records[0].weights == "own":
        return replace(verdict, word="no verdict", why="random weights: a rehearsal")
    if target in strangers:
        why = f"{target} is not the paper's network: {strangers[target]}"
        return replace(verdict, word="no verdict", why=why)
    if task.stand_in:
        why = f"on {target}, which stands in for the paper's network"
        if number.kind in ORDERS:
            return replace(verdict, why=f"{verdict.why}; {why}")
        return replace(verdict, word="no verdict", why=why)
    images = found.records[0].images
    if images < SHARE * task.entry.images:
        why = f"{images:,} of the paper's {task.entry.images:,} images"
        return replace(verdict, word="undecided yet", why=why)
    return verdict


def _judged(blank: Verdict, task: Task, found: Collected) -> Verdict:
    """The verdict of what the records say, whatever network and images they are of."""
    number = blank.number
    if number.run is None:
        return _figure(blank, task, found) if number.kind == "lowest" else _merged(blank, found)
    record = next((record for record in found.records if record.run == number.run), None)
    if record is None:
        return replace(blank, why="its turn has not come")
    # What stands in has as many restarts as it was given; its verdicts are on orders alone.
    of = task.experiment.restarts if task.stand_in else task.config.restarts
    comparison = next((c for c in compare(found.records) if c and c.daa == record), None)
    blank = replace(blank, restarts=record.restarts, record=record, comparison=comparison, why="")
    complete = record.restarts >= of
    if number.kind in ACCURACIES:
        return _headline(_accuracy(blank, record, complete), task)
    if number.kind == "examples":
        return _examples(blank, found, record, complete)
    if comparison is None:
        return replace(blank, word="undecided yet", why="PGD has not as many restarts yet")
    return (_order if number.kind == "order" else _test)(blank, comparison, complete)


def _accuracy(blank: Verdict, record: Record, complete: bool) -> Verdict:
    number = blank.number
    assert number.value is not None
    if number.kind == "single":
        runs = [100 * share for share in record.accuracy_per_restart]
        # A single run is what the paper has, so one is enough.
        accuracy, complete = interval(fmean(runs), record.images, runs), True
    elif number.kind == "top-5":
        if record.top5_accuracy is None:
            return replace(blank, word="not run", why="top-5 accuracy was not computed")
        accuracy = interval(100 * record.top5_accuracy, record.images)
    else:
        accuracy = interval(100 * record.worst, record.images)
    word, why = accuracy.judge(number.value, complete)
    here = f"{accuracy.value:.2f}"
    return replace(blank, word=word, why=why, here=here, low=accuracy.low, high=accuracy.high)


def _headline(verdict: Verdict, task: Task) -> Verdict:
    """A worst case beside which the paper has no order of its own: its test is told with it."""
    found, rows = verdict.comparison, task.experiment.rows
    if found is None or verdict.number.kind != "worst":
        return verdict
    pgd = pgd_of(next(row for row in rows if row.name == verdict.number.run), rows)
    if pgd is None or pgd.paper is not None:
        return verdict
    return replace(verdict, why=f"{verdict.why}; {_tested(found)}")


def _tested(found: Comparison) -> str:
    """McNemar's test in words."""
    return f"only DAA {found.only_daa}, only PGD {found.only_pgd} images, p {found.p_holm:.2g}"


def _merged(blank: Verdict, found: Collected) -> Verdict:
    """All runs of the config together."""
    number, records = blank.number, found.records
    assert number.value is not None
    broken = set().union(*(record.broken for record in records))
    images, done = records[0].images, min(record.restarts for record in records)
    accuracy = interval(100 * (1 - len(broken) / images), images)
    word, why = accuracy.judge(number.value, not found.missing and done >= blank.of)
    return replace(
        blank,
        word=word,
        why=why,
        here=f"{accuracy.value:.2f}",
        low=accuracy.low,
        high=accuracy.high,
        restarts=done,
        record=records[0],
    )


def _order(blank: Verdict, found: Comparison, complete: bool) -> Verdict:
    """Whether DAA stands to PGD as in the paper."""
    side = {"DAA": -1, "PGD": 1, None: 0}[found.stronger]
    here = {"DAA": "below PGD", "PGD": "above PGD", "equal": "equal to PGD"}[found.more]
    why = _tested(found)
    if not complete:
        word: Word = "undecided yet"
    elif side == blank.number.value:
        word = "reproduced"
    else:
        word = "opposite here" if side else "no difference found"
    return replace(blank, word=word, here=here, why=why)


def _test(blank: Verdict, found: Comparison, complete: bool) -> Verdict:
    """The papers' t-tests. What is judged is what they are meant to show: DAA below PGD."""
    test = found.paired if blank.number.kind == "p paired" else found.unpaired
    if test.t is None or test.p is None:
        return replace(blank, word="undecided yet", why="a test needs two restarts that differ")
    here = f"{test.t:.2f}" if blank.number.kind == "t" else f"{test.p:.1e}"
    why = f"t {test.t:.1f}, p {test.p:.1e}; judged by the sign, as t grows with the restarts"
    if not complete:
        return replace(blank, word="undecided yet", why=why, here=here)
    word: Word = "no difference found"
    if test.p < LEVEL:
        word = "reproduced" if test.t > 0 else "opposite here"
    return replace(blank, word=word, why=why, here=here)


def _examples(blank: Verdict, found: Collected, record: Record, complete: bool) -> Verdict:
    """How many images a run breaks and PGD with all restarts does not."""
    pgd = next((one for one in found.records if one.attack.method == "pgd"), None)
    if pgd is None:
        return replace(blank, word="undecided yet", why="PGD has no record yet")
    only = len(set(record.broken) - set(pgd.broken))
    complete = complete and pgd.restarts == record.restarts
    word: Word = "undecided yet"
    if complete:
        word = "reproduced" if only >= (blank.number.value or 0) else "weaker here"
    return replace(blank, word=word, here=str(only), why="images that DAA alone breaks")


def _figure(blank: Verdict, task: Task, found: Collected) -> Verdict:
    """Whether BLOB or DGF is the lowest line of a figure.

    At every point, a radius and a loss, the DAA with the lowest mean of its single runs is compared
    with the other attack with the lowest one, by McNemar's test on the worst cases.
    """
    points: dict[tuple[str, float], dict[bool, list[Record]]] = {}
    for record in found.records:
        point = points.setdefault((str(record.attack.loss), record.attack.eps), {})
        point.setdefault(METHODS[record.attack.method].particles, []).append(record)
    pairs = [
        Comparison(min(point[True], key=_mean), min(point[False], key=_mean))
        for point in points.values()
        if len(point) == 2
    ]
    corrected = stats.holm([pair.p for pair in pairs])
    pairs = [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
    sides = Counter(pair.stronger for pair in pairs)
    lowest = sum(_mean(pair.daa) <= _mean(pair.pgd) for pair in pairs)
    done = min(record.restarts for record in found.records)
    of = task.experiment.restarts if task.stand_in else task.config.restarts
    if found.missing or done < of:
        word: Word = "undecided yet"
    elif sides["PGD"]:
        word = "opposite here"
    else:
        word = "reproduced" if sides["DAA"] else "no difference found"
    return replace(
        blank,
        word=word,
        why="by the means of single runs; points at which the test finds DAA stronger: "
        f"{sides['DAA']}, weaker: {sides['PGD']}",
        here=f"{lowest} of {len(pairs)} points",
        restarts=done,
        record=found.records[0],
    )


def _mean(record: Record) -> float:
    """Accuracy under a single run."""
    return fmean(record.accuracy_per_restart)
