"""Checks targets: their accuracy, gradients, logits and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daa.attacks.losses import xent
from daa.attacks.worst_case import clean_accuracy
from daa.reports import tabular
from daa.target import Dataset, Target, input_gradient, predict
from daa.targets import Published

# How far the accuracy on the whole test set may be from the published one, in percent.
TOLERANCE = 0.06
# Number of images on which gradient and logits are checked.
PROBE = 16


@dataclass(frozen=True)
class Finding:
    """What was found on one target.

    Args:
        target: `folder/name`.
        provenance: of its weights.
        clean: accuracy on the images, in percent.
        images: number of the images.
        published: accuracy that somebody published, in percent; None where nobody did.
        zero_gradients: share of the gradient's values below 1e-8, in percent.
        misses: what is not as it must be.
    """

    target: str
    provenance: str
    clean: float
    images: int
    published: float | None
    zero_gradients: float
    misses: tuple[str, ...]


def examine(target: Target, data: Dataset, published: Published | None, *, whole: bool) -> Finding:
    """Checks one target.

    Args:
        target: the classifier.
        data: images of the test set.
        published: accuracy on the whole test set; None where there is none.
        whole: `data` is the whole test set, so the accuracy must be the published one.
    """
    clean = 100 * clean_accuracy(target, data.x, data.y)
    expected = None if published is None else 100 * published.accuracy
    misses = []
    if whole and published and expected is not None and abs(clean - expected) > TOLERANCE:
        misses.append(
            f"clean accuracy: expected {expected:.2f} ({published.source}), got {clean:.2f} "
            f"on {len(data):,} images"
        )
    x, y = data.x[:PROBE], data.y[:PROBE]
    misses += _logits(target, x)
    grad = input_gradient(target, x, y, xent)
    if not np.isfinite(grad).all():
        misses.append("gradient: expected finite numbers, got others")
    elif not grad.any():
        misses.append("gradient: expected some values other than 0, got none")
    lowest, highest = float(data.x.min()), float(data.x.max())
    if lowest < 0 or highest > 1 or highest - lowest < 0.5:
        misses.append(f"images: expected values over [0, 1], got [{lowest:.3f}, {highest:.3f}]")
    zeros = 100 * float((np.abs(grad) < 1e-8).mean())
    return Finding(target.name, target.provenance, clean, len(data), expected, zeros, tuple(misses))


def _logits(target: Target, x: np.ndarray) -> list[str]:
    """What is wrong with the logits of some images."""
    logits = predict(target, x)
    if not np.isfinite(logits).all():
        return ["logits: expected finite numbers, got others"]
    alone = np.concatenate([predict(target, image[None]) for image in x])
    apart = np.abs(alone - logits).max() / max(np.abs(logits).max(), 1e-30)
    if not apart <= 1e-4:
        return [f"logits: expected the same in any minibatch, got {apart:.1e} apart"]
    return []


def table(findings: Sequence[Finding]) -> str:
    """The findings as a Markdown table."""
    header = ["target", "weights", "clean", "published", "images", "gradients < 1e-8", "verdict"]
    rows = [
        [
            found.target,
            found.provenance,
            f"{found.clean:.2f}",
            "" if found.published is None else f"{found.published:.2f}",
            f"{found.images:,}",
            f"{found.zero_gradients:.0f} %",
            "; ".join(miss.partition(":")[0] for miss in found.misses) or "fine",
        ]
        for found in findings
    ]
    align: list[tabular.Align] = ["left", "left", "right", "right", "right", "right", "left"]
    return "\n".join(tabular.markdown(header, rows, align))
