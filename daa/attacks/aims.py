"""Towards what an attack moves.

    aim(...) -> labels [N] int64, sign

The attack increases sign * loss(logits, labels): +1 leads away from the labels, -1 towards them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from daa import storage
from daa.attacks.components import costs
from daa.target import Target, check_images, predict

Targeted = Literal["labels", "least_likely"]


def away(y: np.ndarray) -> tuple[np.ndarray, float]:
    """Away from the true labels."""
    return y, 1.0


def given(
    x: np.ndarray,
    y: np.ndarray,
    target: Target,
    target_labels: np.ndarray | None,
    *,
    targeted: Targeted | None = None,
) -> tuple[np.ndarray, float]:
    """Away from the true labels, or towards other classes.

    Args:
        x: natural images. [N, H, W, C] float32.
        y: true labels. [N] int64.
        target: the classifier.
        target_labels: the classes for `targeted="labels"`. [N].
        targeted: None leads away from `y`, "least_likely" towards the class with the lowest logit
            of the natural image, "labels" towards `target_labels`.

    Raises:
        InputError: `target_labels` that are no classes of the target.
    """
    if targeted is None:
        return away(y)
    if targeted == "least_likely":
        return storage.computed(lambda x: predict(target, x).argmin(axis=1), x), -1.0
    return check_images(target, x, np.asarray(target_labels), "target_labels")[1], -1.0


@costs(0.5)
def nearest_classes(
    x: np.ndarray,
    adv: np.ndarray,
    y: np.ndarray,
    target: Target,
    restart: int,
    ranks: np.ndarray | None,
    *,
    nearest: int = 9,
) -> tuple[np.ndarray, float]:
    """Towards one of the classes with the largest logits beside the true one.

    Args:
        x: natural images, whose logits rank the classes for restarts, so that every restart aims at
            another class. [N, H, W, C] float32.
        adv: first images, whose logits rank the classes for `ranks`. [N, H, W, C] float32.
        y: true labels. [N] int64.
        target: the classifier.
        restart: restart r aims at the class of rank r modulo `nearest`, the nearest one first.
        ranks: rank of the class for each image, from 0, in place of that of the restart. [N].
        nearest: how many classes are taken in turn.

    Source: Gowal et al. 2019 (MultiTargeted), who take all other classes.
    """
    logits = predict(target, x if ranks is None else np.clip(adv, 0, 1)).copy()
    rows = np.arange(len(y))
    logits[rows, y] = -np.inf
    order = np.argsort(-logits, axis=1, kind="stable")
    ranks = np.full(len(y), restart) if ranks is None else ranks
    return order[rows, ranks % min(nearest, target.classes - 1)], -1.0
