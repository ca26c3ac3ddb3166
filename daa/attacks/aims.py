"""Aims: the labels whose loss an attack changes, and the sign of the change.

    aim(...) -> labels [N] int64, sign

The attack increases sign * loss(logits, labels): +1 moves away from the labels, -1 towards them.
Common arguments:

    x: clean images. [N, H, W, C] float32.
    adv: first images. [N, H, W, C] float32.
    y: true labels. [N] int64.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from daa import memory
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
        target_labels: classes for `targeted="labels"`. [N].
        targeted: None moves away from `y`, "least_likely" towards the class with the lowest logit
            of the clean image, "labels" towards `target_labels`.

    Raises:
        InputError: `target_labels` are not classes of the target.
    """
    if targeted is None:
        return away(y)
    if targeted == "least_likely":
        return memory.computed(lambda x: predict(target, x).argmin(axis=1), x), -1.0
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
    """Towards one of the wrong classes with the largest logits.

    Args:
        restart: restart r aims at the class of rank r modulo `nearest` by the logits of `x`; the
            nearest class is first.
        ranks: rank of the class of each image by the logits of `adv`, from 0; None for the rank of
            the restart. [N].
        nearest: number of classes for the restarts.

    Source: Gowal et al. 2019 (MultiTargeted), who use all other classes.
    """
    logits = predict(target, x if ranks is None else np.clip(adv, 0, 1)).copy()
    rows = np.arange(len(y))
    logits[rows, y] = -np.inf
    order = np.argsort(-logits, axis=1, kind="stable")
    ranks = np.full(len(y), restart) if ranks is None else ranks
    return order[rows, ranks % min(nearest, target.classes - 1)], -1.0
