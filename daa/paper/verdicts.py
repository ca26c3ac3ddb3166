"""What was reproduced: one verdict for each thing that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from daa.paper import orders
from daa.paper.accuracies import Word, interval
from daa.paper.claims import ACCURACIES, ORDERS, Number, pgd_of
from daa.paper.orders import Finding
from daa.paper.plan import Task
from daa.reports.comparisons import Comparison, compare
from daa.reports.results import ResultSet
from daa.runs.records import Record

# A verdict on the paper's value needs this share of the images that the paper attacked.
SHARE = 0.99
# Kinds whose number is of all restarts that the paper took.
_OF_RESTARTS = ("worst", "top-5", "examples", "order")


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
        of: restarts that the paper took; 0 where the texts don't say so, or mean a single run.
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
    found: Mapping[str, ResultSet | None],
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
    number: Number, task: Task, found: ResultSet | None, strangers: Mapping[str, str]
) -> Verdict:
    of = task.config.restarts if number.kind in _OF_RESTARTS else 0
    blank = Verdict(number, "not run", task.missing or "its turn has not come", of=of)
    if found is None:
        return blank
    verdict = _judged(blank, task, found)
    if verdict.word == "not run":
        return verdict
    target = task.experiment.target
    if found.records[0].weights == "own":
        return replace(verdict, word="no verdict", why="random weights: a rehearsal")
    if target in strangers:
        why = f"{target} is not the paper's network: {strangers[target]}"
        return replace(verdict, word="no verdict", why=why)
    instead = "on a stand-in for the paper's network" if task.stand_in else ""
    if instead and number.kind not in ORDERS:
        why = "; ".join(filter(None, (instead, _beside(verdict, task), number.assumed)))
        return replace(verdict, word="no verdict", why=why)
    images, planned = found.records[0].images, _planned(task)[0]
    if images < SHARE * planned:
        why = f"{images:,} of {planned:,} images"
        verdict = replace(verdict, word="undecided yet", why=why)
    said = verdict.why, _beside(verdict, task), instead, number.assumed
    return replace(verdict, why="; ".join(filter(None, said)))


def _planned(task: Task) -> tuple[int, int]:
    """Images and restarts on which a verdict may stand: the paper's, or those of the stand-in."""
    if not task.stand_in:
        return task.entry.images, task.config.restarts
    instead = task.entry.stand_in
    assert instead is not None
    return instead.images, min(instead.restarts, task.config.restarts)


def _judged(blank: Verdict, task: Task, found: ResultSet) -> Verdict:
    """The verdict of what the records say, whatever network and images they are of."""
    number, due = blank.number, _planned(task)[1]
    if number.run is None:
        done = min(record.restarts for record in found.records)
        complete = not found.missing and done >= due
        if number.kind == "merged":
            return _merged(blank, found, complete)
        blank = replace(blank, restarts=done, record=found.records[0])
        if found.missing or any(record.restarts != done for record in found.records):
            return replace(blank, word="undecided yet", why="restarts are missing")
        return _told(blank, orders.of_all(found.records), complete)
    record = next((record for record in found.records if record.run == number.run), None)
    if record is None:
        return blank
    comparison = next((c for c in compare(found.records) if c and c.daa == record), None)
    blank = replace(blank, restarts=record.restarts, record=record, comparison=comparison, why="")
    complete = record.restarts >= due
    if number.kind in ACCURACIES:
        return _accuracy(blank, record, complete)
    if number.kind == "examples":
        return _examples(blank, found, record, complete)
    if comparison is None:
        why = "DAA and PGD have different numbers of restarts now"
        return replace(blank, word="undecided yet", why=why)
    if number.kind == "order":
        return _told(blank, orders.of_pgd(comparison, number.value), complete)
    finding = orders.of_test(comparison, number.kind)
    if finding is None:
        return replace(blank, word="undecided yet", why="a test needs two restarts that differ")
    return _told(blank, finding, complete)


def _told(blank: Verdict, found: Finding, complete: bool) -> Verdict:
    """What further restarts may change either way waits for all of them."""
    word, here, why = found
    if not complete:
        word, why = "undecided yet", f"restarts are missing; {why}"
    return replace(blank, word=word, here=here, why=why)


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


def _beside(verdict: Verdict, task: Task) -> str:
    """The test against PGD, beside a worst case for which the paper prints no order."""
    found, rows = verdict.comparison, task.experiment.rows
    if found is None or verdict.number.kind != "worst":
        return ""
    pgd = pgd_of(next(row for row in rows if row.name == verdict.number.run), rows)
    return orders.tested(found) if pgd is not None and pgd.paper is None else ""


def _merged(blank: Verdict, found: ResultSet, complete: bool) -> Verdict:
    """All runs of the config together."""
    number, records = blank.number, found.records
    assert number.value is not None
    broken = set().union(*(record.broken for record in records))
    images = records[0].images
    accuracy = interval(100 * (1 - len(broken) / images), images)
    word, why = accuracy.judge(number.value, complete)
    return replace(
        blank,
        word=word,
        why=why,
        here=f"{accuracy.value:.2f}",
        low=accuracy.low,
        high=accuracy.high,
        restarts=sum(record.restarts for record in records),
        record=records[0],
    )


def _examples(blank: Verdict, found: ResultSet, record: Record, complete: bool) -> Verdict:
    """How many images a run breaks and PGD with all restarts does not."""
    pgd = next((one for one in found.records if one.attack.method == "pgd"), None)
    if pgd is None:
        return replace(blank, word="undecided yet", why="PGD has no record yet")
    only = len(set(record.broken) - set(pgd.broken))
    word: Word = "reproduced" if only >= (blank.number.value or 0) else "weaker here"
    complete = complete and pgd.restarts == record.restarts
    return _told(blank, Finding(word, str(only), "images that DAA alone breaks"), complete)
