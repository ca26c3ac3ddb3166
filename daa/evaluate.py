"""Accuracy under attack: restarts and the worst case of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attack import Attack, AttackConfig
from daa.errors import InputError
from daa.losses import margin
from daa.target import Target, check_images, predict


@dataclass(frozen=True)
class Report:
    """What the restarts of an attack achieved.

    Args:
        adv: for each input the image with the lowest margin of all restarts. [N, H, W, C] float32.
        margin: its margin, the label's logit minus the largest other one. [N] float32.
        correct_per_restart: whether the target was still right. [R, N] bool.
    """

    adv: np.ndarray
    margin: np.ndarray
    correct_per_restart: np.ndarray

    @property
    def accuracy_per_restart(self) -> np.ndarray:
        """Accuracy under each restart alone. [R], in [0, 1]."""
        return self.correct_per_restart.mean(axis=1)

    @property
    def robust_accuracy(self) -> np.ndarray:
        """Worst-case accuracy after restart 1, 2, ... [R], in [0, 1]."""
        return np.logical_and.accumulate(self.correct_per_restart, axis=0).mean(axis=1)


def margins(target: Target, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The label's logit minus the largest other one; the target is right where it is positive.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32.
        y: labels. [N].

    Returns:
        [N] float32. A tie counts as misclassified.
    """
    return margin(predict(target, x), y).numpy()


def clean_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of natural images that the target classifies rightly, in [0, 1]."""
    x, y = check_images(target, x, y)
    return float((margins(target, x, y) > 0).mean())


def keep_worst(adv: np.ndarray, lowest: np.ndarray, found: np.ndarray, margin: np.ndarray) -> None:
    """Replaces, in place, each image of `adv` and its margin where `found` has a lower one."""
    worse = margin < lowest
    adv[worse], lowest[worse] = found[worse], margin[worse]


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
    on_steps: Callable[[int], None] | None = None,
    on_restart: Callable[[Report], None] | None = None,
) -> Report:
    """Attacks all images in every restart and keeps the worst case of each.

    Args:
        target: the classifier.
        config: the attack.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        restarts: R, independent runs; run r depends on (seed, r) alone.
        seed: of all random numbers.
        target_labels: classes to be reached, for `targeted="labels"`. [N].
        so_far: the first restarts of the same run, which are not run again.
        on_steps: called with the image-steps done since its last call.
        on_restart: called with the report so far after each restart.

    Returns:
        The report over all restarts.

    Raises:
        InputError: images or labels that don't fit the target, or `restarts` below 1.

    Source: the loop over restarts of the released scripts, which keep the last success; here the
    image with the lowest margin is kept, which gives the same accuracy.
    """
    if restarts < 1:
        raise InputError(f"restarts: expected at least 1, got {restarts}")
    x, y = check_images(target, x, y)
    attack = Attack(target, config)
    options = {"target_labels": target_labels, "on_steps": on_steps}
    done = 0 if so_far is None else len(so_far.correct_per_restart)
    found = (
        one_restart(attack, x, y, seed=seed, restart=restart, **options)
        for restart in range(done, restarts)
    )
    return fold(x, found, so_far, on_restart)


def one_restart(
    attack: Attack, x: np.ndarray, y: np.ndarray, *, seed: int, restart: int, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The unit of work: one restart over all images.

    Returns:
        Adversarial images [N, H, W, C] float32 and their margins [N] float32.
    """
    found = attack(x, y, seed=seed, restart=restart, **options)
    return found, margins(attack.target, found, y)


def fold(
    x: np.ndarray,
    found: Iterable[tuple[np.ndarray, np.ndarray]],
    so_far: Report | None = None,
    on_restart: Callable[[Report], None] | None = None,
) -> Report:
    """The report over restarts as they come, in their order.

    Args:
        x: natural images. [N, H, W, C].
        found: of `one_restart`, one after another.
        so_far: of the restarts before.
        on_restart: called with the report so far after each restart.
    """
    if so_far is None:
        so_far = Report(x, np.full(len(x), np.inf, np.float32), np.zeros((0, len(x)), bool))
    adv, lowest = so_far.adv.copy(), so_far.margin.copy()
    correct = list(so_far.correct_per_restart)
    for images, m in found:
        keep_worst(adv, lowest, images, m)
        correct.append(m > 0)
        if on_restart is not None:
            on_restart(Report(adv, lowest, np.stack(correct)))
    return Report(adv, lowest, np.stack(correct))
