"""Accuracy under attack: the loop over units of work, for every plan and every engine.

Common arguments:

    target: the classifier.
    x: clean images. [N, H, W, C] float32 in [0, 1].
    y: true labels. [N] integers.
    on_steps: called after each inner loop with its number of image-steps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from daa import memory
from daa.attacks import components
from daa.attacks.attack import Attack
from daa.attacks.components import Component
from daa.attacks.losses import margin
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import MOST_RESTARTS, Outcome, Plan, Report, Unit
from daa.errors import InputError, is_whole, plain, require, whole
from daa.target import Target, check_images, predict

# Difference of clean accuracies above which two models are not the same.
_OTHER_MODEL = 0.05


def margins(target: Target, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logit of the label minus the largest other logit. [N] float32.

    The target classifies an image correctly if the margin is positive; a tie counts as
    misclassified.
    """
    slices = memory.parts(x, memory.PART)
    return np.concatenate([margin(predict(target, x[part]), y[part]).numpy() for part in slices])


def clean_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of clean images that the target classifies correctly, in [0, 1]."""
    x, y = check_images(target, x, y)
    return float((margins(target, x, y) > 0).mean())


def require_same_model(where: str, before: float, now: float) -> None:
    """Refuses stored results whose clean accuracy is another one than that of the model."""
    if abs(before - now) > _OTHER_MODEL:
        raise InputError(
            f"{where}: the stored results are for another model: its clean accuracy was "
            f"{100 * before:.1f} %, and is {100 * now:.1f} % now; choose another folder, or start "
            "anew"
        )


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a unit of work."""

    adv: np.ndarray  # adversarial images, [n, H, W, C] float32
    margin: np.ndarray  # margins of `adv`, computed in float32, [n]
    seconds: float
    device: str = ""  # "" for this process


# Takes units as soon as it can run them and yields each with its result, in any order. None among
# the units means that the next unit depends on a pending result.
Engine = Callable[[Iterator[Unit | None]], Iterator[tuple[Unit, Result]]]


def run_unit(
    attack: Attack,
    x: np.ndarray,
    y: np.ndarray,
    unit: Unit,
    on_steps: Callable[[int], None] | None = None,
) -> Result:
    """Runs a unit of work and evaluates its images by a forward pass in float32."""
    begin = time.perf_counter()
    if unit.images is not None:
        x, y = memory.taken(x, unit.images), y[unit.images]
    names = ("seed", "restart", "target_labels", "ranks", "first")
    adv = attack(x, y, on_steps=on_steps, **{name: getattr(unit, name) for name in names})
    return Result(adv, margins(attack.target, adv, y), time.perf_counter() - begin)


def local(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    jit: bool | None = None,
    on_gradients: Callable[[float], object] = lambda gradients: None,
) -> Engine:
    """An engine that runs the units one after another in this process; for `jit` see `Attack`.

    `on_gradients` is called after each inner loop with the gradients of all its images.
    """

    def run(units: Iterator[Unit | None]) -> Iterator[tuple[Unit, Result]]:
        for unit in units:
            if unit is not None:
                attack, config = Attack(target, unit.config, jit), unit.config
                cost = config.gradients_per_image / config.steps_per_unit

                def advance(steps: int, cost: float = cost) -> None:
                    on_gradients(steps * cost)

                yield unit, run_unit(attack, x, y, unit, advance)

    return run


@dataclass(frozen=True, eq=False)
class Job:
    """An attack with all its restarts; see `worst_case`. `plan` replaces the plan of the config."""

    config: AttackConfig
    restarts: int = 1
    seed: int = 0
    target_labels: np.ndarray | None = None
    so_far: Report | None = None
    plan: Component | None = None

    def __post_init__(self) -> None:
        ok = is_whole(self.restarts) and 1 <= self.restarts <= MOST_RESTARTS
        require(ok, "restarts", f"a whole number from 1 to {MOST_RESTARTS:,}", self.restarts)
        self.__dict__.update(restarts=plain(self.restarts), seed=whole(self.seed, "seed"))


@dataclass(frozen=True, eq=False)
class Progress:
    """A finished unit."""

    job: int  # index of the job
    report: Report  # over all units of the job so far
    seconds: float
    device: str
    finished: bool  # whether this is the last unit of the job


class _Running:
    """A job in progress: the plan, the next unit, the pending units and the report."""

    def __init__(
        self, number: int, job: Job, x: np.ndarray, y: np.ndarray, natural: np.ndarray
    ) -> None:
        self.number = number
        self.pending: deque[Unit] = deque()
        # Results of later units wait here, so that the report does not depend on the engine.
        self.early: dict[int, Result] = {}
        self.adv = memory.copy(job.so_far.adv if job.so_far else x)
        self.margin = np.where(natural > 0, np.float32(np.inf), natural)
        self.report = Report(self.adv, self.margin, natural)
        values = {**dict(job.config.options), "config": job.config, "x": x, "y": y}
        values |= {"seed": job.seed, "restarts": job.restarts, "report": self.report}
        values["target_labels"] = job.target_labels
        self.plan: Plan = components.call(job.plan or job.config.method_spec.plan, values)
        self.unit = next(self.plan, None)
        self.over = self.unit is None
        if job.so_far:
            require_same_model(
                job.config.method, job.so_far.clean_accuracy, self.report.clean_accuracy
            )
        # `so_far.adv` is final, but the plan must see the margins after each unit again.
        for outcome in job.so_far.history if job.so_far else ():
            if self.over:
                break
            # array_equal(None, None) is true: both units attack all images.
            if self.unit is None or not np.array_equal(
                cast(np.ndarray, outcome.images), cast(np.ndarray, self.unit.images)
            ):
                raise InputError(
                    f"{job.config.method}: unit {len(self.report.history) + 1}: the stored results "
                    "are for other images than the plan attacks now, as from an earlier version; "
                    "start anew"
                )
            self.margin[outcome.rows] = np.minimum(self.margin[outcome.rows], outcome.margin)
            self._add(outcome)
            self._advance()

    @property
    def finished(self) -> bool:
        return self.over and not self.pending

    def pop(self) -> Unit | None:
        """The next unit; None if the plan waits for results or is over."""
        unit = self.unit
        if unit is not None:
            self.pending.append(unit)
            self._advance()
        return unit

    def take(self, unit: Unit, result: Result) -> Iterator[Result]:
        """Adds results to the report in the order of the units; yields each added result."""
        self.early[id(unit)] = result
        while self.pending and id(self.pending[0]) in self.early:
            unit = self.pending.popleft()
            result = self.early.pop(id(unit))
            outcome = Outcome(unit.images, result.margin, unit.gradients)
            worse = np.flatnonzero(result.margin < self.margin[outcome.rows])
            rows = worse if unit.images is None else unit.images[worse]
            memory.put(self.adv, rows, result.adv, worse)
            self.margin[rows] = result.margin[worse]
            self._add(outcome)
            if self.unit is None:
                self._advance()
            yield result

    def _add(self, outcome: Outcome) -> None:
        self.report = replace(self.report, history=(*self.report.history, outcome))

    def _advance(self) -> None:
        if not self.over:
            try:
                self.unit = self.plan.send(self.report)
            except StopIteration as stop:
                self.unit, self.over = None, True
                self.report = replace(self.report, **(stop.value or {}))


def worst_cases(
    target: Target,
    jobs: Iterable[Job],
    x: np.ndarray,
    y: np.ndarray,
    *,
    engine: Engine | None = None,
) -> Iterator[Progress]:
    """Runs jobs and keeps the worst case of each image in each job.

    All units form one stream: while a job waits for its last results, the engine already receives
    units of the next job. Each job is fetched when the engine needs its units.

    Yields:
        The progress after each unit, or once for a job with a complete `so_far`.

    Raises:
        InputError: invalid images or labels.
    """
    x, y = check_images(target, x, y)
    natural = margins(target, x, y)
    running: list[_Running] = []
    owners: dict[int, _Running] = {}

    def units() -> Iterator[Unit | None]:
        waiting = enumerate(jobs)
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
                    del following  # frees the images of `so_far`, which are copied
                elif all(job.finished for job in running):
                    return
                elif not owners:
                    raise RuntimeError("a plan waits for results, but none of its units is running")
                else:
                    yield None

    def progress(job: _Running, seconds: float = 0.0, device: str = "") -> Progress:
        if job.finished:
            running.remove(job)
        return Progress(job.number, job.report, seconds, device, job.finished)

    def complete() -> Iterator[Progress]:
        return (progress(job) for job in list(running) if job.finished)

    for unit, result in (engine or local(target, x, y))(units()):
        yield from complete()
        job = owners.pop(id(unit))
        yield from (progress(job, r.seconds, r.device) for r in job.take(unit, result))
        del unit, result  # frees the images before the next unit
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
) -> Report:
    """Attacks the images as the config's plan requires and keeps the worst case of each image.

    Args:
        config: the attack.
        restarts: R, independent runs; run r depends only on (seed, r).
        seed: source of all random numbers.
        target_labels: target classes, for `targeted="labels"`. [N].
        so_far: report of the first units of the same attack, which do not run again.
        engine: runs the units; None for this process.

    Returns:
        The report over all units.

    Raises:
        InputError: invalid images or labels, or `restarts` below 1.

    Source: the loop over restarts of the released scripts. They keep the last success of each
    image; this function keeps the image with the lowest margin.
    """
    job = Job(config, restarts, seed, target_labels, so_far)
    for progress in worst_cases(target, [job], x, y, engine=engine):
        report = progress.report
    return report
