"""What an attack does next: plans, the units of work they give out, and the report they read.

    plan(...) -> generator that yields units and receives the report so far

A plan yields a `Unit` to be run, or None when it can only go on with the results of units that are
still running. It is sent the report over all results that are in. A plan must be deterministic: an
interrupted attack goes on by running its plan again with the results that were kept.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from daa.attacks.methods import AttackConfig

# More restarts are a slip of the keyboard: even the smallest attack would need weeks.
MOST_RESTARTS = 1_000_000


@dataclass(frozen=True, eq=False)
class Unit:
    """A piece of work that can run anywhere: one attack on some images.

    Args:
        config: the attack.
        seed, restart: the source of all its random numbers.
        images: indices of the images; None for all. [n].
        first: first images instead of those of the config's start, [n, H, W, C] float32; or
            several versions, [k, n, H, W, C], of which each image takes the one with the lowest
            margin.
        best: worst version of each image so far, for starts that go on from there.
            [n, H, W, C] float32.
        target_labels: classes to be reached, for `targeted="labels"`. [n].
        ranks: ranks of the classes to be reached, for an aim at the nearest ones. [n].
        overhead: forward-backward passes for each image that the config does not know of.
    """

    config: AttackConfig
    seed: int
    restart: int
    images: np.ndarray | None = None
    first: np.ndarray | None = None
    best: np.ndarray | None = None
    target_labels: np.ndarray | None = None
    ranks: np.ndarray | None = None
    overhead: float = 0.0

    @property
    def gradients(self) -> float:
        """Forward-backward passes spent on each image; a forward pass alone counts half."""
        return float(self.config.gradients_per_image) + self.overhead


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a unit achieved.

    Args:
        images: indices of its images; None for all. [n].
        margin: of the images it found: label's logit minus the largest other one. [n] float32.
        gradients: forward-backward passes that it spent on each of its images.
    """

    images: np.ndarray | None
    margin: np.ndarray
    gradients: float


@dataclass(frozen=True, eq=False)
class Report:
    """What an attack achieved.

    An image is broken when its margin is not positive; a tie counts as misclassified. An image that
    is misclassified without any attack is broken from the start, whatever the attack does to it.

    Args:
        adv: for each input the image with the lowest margin that any unit found; the natural image
            where that is misclassified with a lower one. [N, H, W, C] float32.
        margin: its margin: the label's logit minus the largest other one; inf before the first
            unit. [N] float32.
        natural: margin of the natural image. [N] float32.
        history: the outcomes of all units, in their order.
    """

    adv: np.ndarray
    margin: np.ndarray
    natural: np.ndarray
    history: tuple[Outcome, ...] = ()

    @property
    def correct_per_restart(self) -> np.ndarray:
        """Whether the target was right after each unit alone. [R, N] bool.

        True for images that a unit left out.
        """
        correct = np.ones((len(self.history), len(self.margin)), bool)
        for row, outcome in zip(correct, self.history, strict=True):
            row[slice(None) if outcome.images is None else outcome.images] = outcome.margin > 0
        return correct

    @property
    def accuracy_per_restart(self) -> np.ndarray:
        """Accuracy under each unit alone. [R], in [0, 1]."""
        return self.correct_per_restart.mean(axis=1)

    @property
    def clean_accuracy(self) -> float:
        """Accuracy on the natural images, in [0, 1]."""
        return float((self.natural > 0).mean())

    @property
    def robust_accuracy(self) -> np.ndarray:
        """Worst-case accuracy after unit 1, 2, ... [R], in [0, 1]."""
        correct = self.correct_per_restart & (self.natural > 0)
        return np.logical_and.accumulate(correct, axis=0).mean(axis=1)

    @property
    def gradients(self) -> np.ndarray:
        """Forward-backward passes spent on each image; a forward pass alone counts half. [N]."""
        spent = np.zeros(len(self.margin))
        for outcome in self.history:
            spent[slice(None) if outcome.images is None else outcome.images] += outcome.gradients
        return spent

    @property
    def gradients_after(self) -> np.ndarray:
        """Mean forward-backward passes per image after unit 1, 2, ... [R]."""
        spent = [outcome.gradients * len(outcome.margin) for outcome in self.history]
        return np.cumsum(spent) / len(self.margin)


Plan = Generator[Unit | None, Report, None]


def repeat(
    config: AttackConfig, seed: int, restarts: int, target_labels: np.ndarray | None = None
) -> Plan:
    """The same attack on all images, `restarts` times; restart r depends on (seed, r) alone.

    Source: the loop over restarts of the released scripts.
    """
    for restart in range(restarts):
        yield Unit(config, seed, restart, target_labels=target_labels)


def standing(
    config: AttackConfig,
    seed: int,
    restarts: int,
    report: Report,
    target_labels: np.ndarray | None = None,
) -> Plan:
    """The same attack `restarts` times, each time on the images that no restart has broken yet."""
    for restart in range(restarts):
        images = np.flatnonzero(report.margin > 0)
        if not len(images):
            return
        labels = None if target_labels is None else target_labels[images]
        done = len(report.history)
        report = yield Unit(config, seed, restart, images, target_labels=labels, overhead=0.5)
        while len(report.history) == done:
            report = yield None
