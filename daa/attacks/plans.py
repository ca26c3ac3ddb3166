"""Plans: generators that yield units of work and receive the report so far.

A plan yields a `Unit`, or None while it waits for the results of pending units. It receives the
report over all finished units. Plans are deterministic: an interrupted attack resumes by running
its plan again with the stored results.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attacks.components import Config

# A larger number is a typing error: even the smallest attack would need weeks.
MOST_RESTARTS = 1_000_000


@dataclass(frozen=True, eq=False)
class Unit:
    """A piece of work that can run anywhere: one attack on n images; see `Attack.__call__`."""

    config: Config
    seed: int
    restart: int
    images: np.ndarray | None = None  # indices, [n]; None for all images
    first: np.ndarray | None = None
    target_labels: np.ndarray | None = None
    ranks: np.ndarray | None = None
    overhead: float = 0.0  # gradients per image in addition to the gradients of the config

    @property
    def gradients(self) -> float:
        """Forward-backward passes per image; a forward pass counts half."""
        return float(self.config.gradients_per_image) + self.overhead


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a unit, without images."""

    images: np.ndarray | None  # indices, [n]; None for all images
    margin: np.ndarray  # of the adversarial images, [n] float32
    gradients: float  # forward-backward passes per image

    @property
    def rows(self) -> np.ndarray | slice:
        """Index of the images in an array of all images."""
        return slice(None) if self.images is None else self.images


@dataclass(frozen=True, eq=False)
class Report:
    """The result of an attack.

    An image is misclassified when its margin (logit of the label minus the largest other logit) is
    not positive, so a tie counts. An image that is misclassified without an attack stays
    misclassified in every accuracy.

    Args:
        adv: the adversarial image with the lowest margin of all units; the clean image if it is
            misclassified with a lower margin. [N, H, W, C] float32.
        margin: margins of `adv`; inf before the first unit. [N] float32.
        natural: margins of the clean images. [N] float32.
        history: the outcomes of all units, in order.
        predicted: expected number of images that as many gradients again would break; None if the
            plan predicts nothing or is not over.
        stopped: why the plan is over: "budget" and "minutes" are spent, few images are "expected"
            to break, or all images are "broken"; None as for `predicted`.
    """

    adv: np.ndarray
    margin: np.ndarray
    natural: np.ndarray
    history: tuple[Outcome, ...] = ()
    predicted: float | None = None
    stopped: str | None = None

    @property
    def correct_per_restart(self) -> np.ndarray:
        """Whether the target classifies the images of each unit correctly. [R, N] bool.

        True for images that are not part of a unit.
        """
        correct = np.ones((len(self.history), len(self.margin)), bool)
        for row, outcome in zip(correct, self.history, strict=True):
            row[outcome.rows] = outcome.margin > 0
        return correct

    @property
    def accuracy_per_restart(self) -> np.ndarray:
        """Accuracy under each single unit. [R], in [0, 1]."""
        return self.correct_per_restart.mean(axis=1)

    @property
    def clean_accuracy(self) -> float:
        """Accuracy on the clean images, in [0, 1]."""
        return float((self.natural > 0).mean())

    @property
    def robust_accuracy(self) -> np.ndarray:
        """Worst-case accuracy after unit 1, 2, ... [R], in [0, 1]."""
        correct = self.correct_per_restart & (self.natural > 0)
        return np.logical_and.accumulate(correct, axis=0).mean(axis=1)

    @property
    def broken_in(self) -> np.ndarray:
        """Unit that misclassified each image first: 0 without attack, R + 1 for none. [N]."""
        correct = np.concatenate([self.natural[None] > 0, self.correct_per_restart])
        return np.logical_and.accumulate(correct, axis=0).sum(axis=0)

    @property
    def gradients(self) -> np.ndarray:
        """Forward-backward passes of each image; a forward pass counts half. [N]."""
        total = np.zeros(len(self.margin))
        for outcome in self.history:
            total[outcome.rows] += outcome.gradients
        return total

    @property
    def gradients_after(self) -> np.ndarray:
        """Mean forward-backward passes per image after unit 1, 2, ... [R]."""
        totals = [outcome.gradients * len(outcome.margin) for outcome in self.history]
        return np.cumsum(totals) / len(self.margin)


# A plan returns values of the `Report`, or None.
Plan = Generator[Unit | None, Report, Any]


def repeat(
    config: Config, seed: int, restarts: int, target_labels: np.ndarray | None = None
) -> Plan:
    """The same attack on all images, `restarts` times; restart r depends only on (seed, r).

    Source: the loop over restarts of the released scripts.
    """
    for restart in range(restarts):
        yield Unit(config, seed, restart, target_labels=target_labels)


def on_robust(
    config: Config,
    seed: int,
    restarts: int,
    report: Report,
    target_labels: np.ndarray | None = None,
    budget: float | None = None,
) -> Plan:
    """The same attack `restarts` times, each time on the images that are still robust.

    With a budget, the restarts end when it is spent, as in Adaptive DAA: it is the mean number of
    forward-backward passes per image; a forward pass counts half, also the one of the clean images.
    The last restart attacks as many images as are left to pay for, by increasing margin.
    """
    for restart in range(restarts) if budget is None else itertools.count():
        images = np.flatnonzero(report.margin > 0)
        if budget is not None:
            left = (budget - 0.5) * len(report.margin) - report.gradients.sum()
            order = np.argsort(report.margin[images], kind="stable")
            images = np.sort(images[order[: int(left / (config.gradients_per_image + 0.5))]])
        if not len(images):
            return
        labels = None if target_labels is None else target_labels[images]
        done = len(report.history)
        report = yield Unit(config, seed, restart, images, target_labels=labels, overhead=0.5)
        while len(report.history) == done:
            report = yield None
