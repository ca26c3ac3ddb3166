"""Accuracy under attack: the one loop over restarts, for every plan and every engine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from daa import storage
from daa.attacks import components as parts
from daa.attacks.attack import Attack
from daa.attacks.losses import margin
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import MOST_RESTARTS, Outcome, Plan, Report, Unit
from daa.errors import InputError, require
from daa.target import Target, check_images, predict


def margins(target: Target, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The label's logit minus the largest other one; the target is right where it is positive.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32.
        y: labels. [N].

    Returns:
        [N] float32. A tie counts as misclassified.
    """
    sizes = storage.parts(x, storage.PART)
    return np.concatenate([margin(predict(target, x[part]), y[part]).numpy() for part in sizes])


def clean_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of natural images that the target classifies rightly, in [0, 1]."""
    x, y = check_images(target, x, y)
    return float((margins(target, x, y) > 0).mean())


@dataclass(frozen=True, eq=False)
class Result:
    """What a unit of work gives back.

    Args:
        adv: adversarial images. [n, H, W, C] float32.
        margin: their margins, computed in float32. [n].
        seconds: that the unit worked.
        device: that it worked on; "" for this process.
    """

    adv: np.ndarray
    margin: np.ndarray
    seconds: float
    device: str = ""


# Takes units as it has room for them and gives each with its result, in any order. None among the
# units says that the next one depends on a result that is not in yet.
Engine = Callable[[Iterator[Unit | None]], Iterator[tuple[Unit, Result]]]


def run_unit(
    attack: Attack,
    x: np.ndarray,
    y: np.ndarray,
    unit: Unit,
    on_steps: Callable[[int], None] | None = None,
) -> Result:
    """Runs one unit of work and judges its images by a plain forward pass in float32.

    Args:
        attack: with the unit's config.
        x: all natural images. [N, H, W, C] float32.
        y: all labels. [N].
        unit: which images, from where, with which random numbers.
        on_steps: called with the image-steps done since its last call.
    """
    begin = time.perf_counter()
    if unit.images is not None:
        x, y = storage.taken(x, unit.images), y[unit.images]
    adv = attack(
        x,
        y,
        seed=unit.seed,
        restart=unit.restart,
        target_labels=unit.target_labels,
        ranks=unit.ranks,
        first=unit.first,
        best=unit.best,
        on_steps=on_steps,
    )
    found = margins(attack.target, adv, y)
    return Result(adv, found, time.perf_counter() - begin)


def local(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    jit: bool | None = None,
    on_steps: Callable[[int], None] | None = None,
) -> Engine:
    """An engine that runs the units one after another in this process.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        jit: of `Attack`.
        on_steps: called with the image-steps done since its last call.
    """

    def run(units: Iterator[Unit | None]) -> Iterator[tuple[Unit, Result]]:
        for unit in units:
            if unit is not None:
                yield unit, run_unit(Attack(target, unit.config, jit), x, y, unit, on_steps)

    return run


@dataclass(frozen=True, eq=False)
class Job:
    """An attack with all its restarts.

    Args:
        config: the attack.
        restarts: R, independent runs; run r depends on (seed, r) alone. At least 1.
        seed: of all random numbers. At least 0.
        target_labels: classes to be reached, for `targeted="labels"`. [N].
        so_far: report of the first units of the same job, which are not run again.
    """

    config: AttackConfig
    restarts: int = 1
    seed: int = 0
    target_labels: np.ndarray | None = None
    so_far: Report | None = None

    def __post_init__(self) -> None:
        fits = parts.is_whole(self.restarts) and 1 <= self.restarts <= MOST_RESTARTS
        require(fits, "restarts", f"a whole number from 1 to {MOST_RESTARTS:,}", self.restarts)
        fits = parts.is_whole(self.seed) and self.seed >= 0
        require(fits, "seed", "a whole number >= 0", self.seed)


@dataclass(frozen=True, eq=False)
class Progress:
    """A unit of a job is done.

    Args:
        job: index of the job.
        report: over all units of the job so far.
        seconds: that the unit worked.
        device: that it worked on; "" for this process.
        finished: whether it was the job's last one.
    """

    job: int
    report: Report
    seconds: float
    device: str
    finished: bool


class _Running:
    """A job on its way: its plan, its report, its next unit, and the units that are out."""

    def __init__(
        self, number: int, job: Job, x: np.ndarray, y: np.ndarray, natural: np.ndarray
    ) -> None:
        kept = job.so_far
        self.number, self.over, self.announced = number, False, False
        self.method = job.config.method
        # Results that came before those of earlier units wait, so that the report does not depend
        # on the engine.
        self.out: deque[Unit] = deque()
        self.early: dict[int, Result] = {}
        # The images are the worst of all kept units already; the margins come back one unit after
        # another, so that the plan sees what it saw then.
        self.kept = deque(kept.history if kept else ())
        # An image that is right without an attack has no worst version before its first unit.
        unattacked = np.where(natural > 0, np.float32(np.inf), natural)
        self.adv = storage.copy(kept.adv if kept else x)
        self.margin = unattacked
        self.report = Report(self.adv, self.margin, natural)
        known = {**dict(job.config.options), "x": x, "y": y, "report": self.report}
        known |= {"config": job.config, "seed": job.seed, "restarts": job.restarts}
        plan: Plan = parts.call(
            job.config.parts.plan, {**known, "target_labels": job.target_labels}
        )
        self.plan, self.unit = plan, next(plan, None)
        self.over = self.unit is None
        self._skip_kept()

    @property
    def finished(self) -> bool:
        return self.over and not self.out

    def pop(self) -> Unit | None:
        """The next unit to be run; None where there is none yet or none any more."""
        unit = self.unit
        if unit is not None:
            self.out.append(unit)
            self._ask()
        return unit

    def take(self, unit: Unit, result: Result) -> Iterator[Result]:
        """Adds results to the report in the order of their units; gives each that it added."""
        self.early[id(unit)] = result
        while self.out and id(self.out[0]) in self.early:
            first = self.out.popleft()
            found = self.early.pop(id(first))
            self._fold(first, found)
            if self.unit is None:
                self._ask()
            yield found

    def _fold(self, unit: Unit, result: Result) -> None:
        rows = self._rows(unit.images)
        worse = np.flatnonzero(result.margin < self.margin[rows])
        storage.put(self.adv, rows[worse], result.adv, worse)
        self.margin[rows[worse]] = result.margin[worse]
        self._add(Outcome(unit.images, result.margin, unit.gradients))

    def _rows(self, images: np.ndarray | None) -> np.ndarray:
        return np.arange(len(self.margin)) if images is None else images

    def _ask(self) -> None:
        if self.over:
            return
        try:
            self.unit = self.plan.send(self.report)
        except StopIteration:
            self.unit, self.over = None, True

    def _skip_kept(self) -> None:
        while self.kept and not self.over:
            outcome = self.kept.popleft()
            # The plan of another version of this code would take the results for those of its own.
            if self.unit is None or not _same(outcome.images, self.unit.images):
                raise InputError(
                    f"{self.method}: unit {len(self.report.history) + 1}: expected kept "
                    "results of the images that the plan attacks now, got those of others, as of "
                    "an earlier version; start anew"
                )
            rows = self._rows(outcome.images)
            self.margin[rows] = np.minimum(self.margin[rows], outcome.margin)
            self._add(outcome)
            self._ask()

    def _add(self, outcome: Outcome) -> None:
        self.report = replace(self.report, history=(*self.report.history, outcome))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)


def worst_cases(
    target: Target,
    jobs: Iterable[Job],
    x: np.ndarray,
    y: np.ndarray,
    *,
    engine: Engine | None = None,
) -> Iterator[Progress]:
    """Runs jobs one after another and keeps the worst case of each image in each of them.

    All units form one stream: while a job waits for its last results, the engine already gets units
    of the next one.

    Args:
        target: the classifier.
        jobs: attacks on the same images, taken when they are needed.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        engine: where the units run; None for this process.

    Yields:
        The progress after each unit; for a job whose `so_far` is complete, once.

    Raises:
        InputError: images or labels that don't fit the target.
    """
    x, y = check_images(target, x, y)
    natural = margins(target, x, y)
    waiting = enumerate(jobs)
    running: list[_Running] = []
    owners: dict[int, _Running] = {}

    def units() -> Iterator[Unit | None]:
        while True:
            for job in running:
                unit = job.pop()
                if unit is not None:
                    owners[id(unit)] = job
                    yield unit
                    break
            else:
                following = next(waiting, None)
                if following is not None:
                    running.append(_Running(*following, x, y, natural))
                    following = None  # the images that it has kept are copied
                elif all(job.finished for job in running):
                    return
                elif not owners:
                    raise RuntimeError("a plan waits for results, but none of its units is running")
                else:
                    yield None

    def complete() -> Iterator[Progress]:
        """Jobs that had nothing left to do."""
        for job in [job for job in running if job.finished]:
            running.remove(job)
            if not job.announced:
                yield Progress(job.number, job.report, 0.0, "", finished=True)

    def folded(unit: Unit, result: Result) -> Iterator[Progress]:
        job = owners.pop(id(unit))
        for added in job.take(unit, result):
            job.announced = job.finished
            yield Progress(job.number, job.report, added.seconds, added.device, job.finished)

    for done in (engine or local(target, x, y))(units()):
        yield from complete()
        yield from folded(*done)
        del done  # else its images would stay until the next unit is finished
    yield from complete()


def worst_case(
    target: Target,
    config: AttackConfig,
    x: np.ndarray,
    y: np.ndarray,
    *,
    restarts: int = 1,
    seed: int = 0,
    target_labels: np.ndarray | None = None,
    so_far: Report | None = None,
    engine: Engine | None = None,
    on_unit: Callable[[Report], None] | None = None,
) -> Report:
    """Attacks the images as the config's plan says and keeps the worst case of each.

    Args:
        target: the classifier.
        config: the attack.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        restarts: R, independent runs; run r depends on (seed, r) alone.
        seed: of all random numbers.
        target_labels: classes to be reached, for `targeted="labels"`. [N].
        so_far: the report of the first units of the same attack, which are not run again.
        engine: where the units run; None for this process.
        on_unit: called with the report so far after each unit.

    Returns:
        The report over all units.

    Raises:
        InputError: images or labels that don't fit the target, or `restarts` below 1.

    Source: the loop over restarts of the released scripts. They keep the last success of each
    image; here the image with the lowest margin is kept.
    """
    job = Job(config, restarts, seed, target_labels, so_far)
    for progress in worst_cases(target, [job], x, y, engine=engine):
        if on_unit is not None:
            on_unit(progress.report)
    return progress.report
