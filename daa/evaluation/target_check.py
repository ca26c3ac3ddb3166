"""Checks of a target: clean accuracy, gradients, logits and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daa.attacks.losses import xent
from daa.attacks.worst_case import clean_accuracy
from daa.reports import tabular
from daa.target import Dataset, Target, input_gradient, predict
from daa.targets import Published

# Tolerated difference from the published accuracy on the complete test set, in percent.
TOLERANCE = 0.06
# Number of images for gradients and logits.
PROBE = 16


@dataclass(frozen=True)
class TargetCheck:
    """Result of the checks of a target; `misses` are sentences, numbers are in percent."""

    target: str
    provenance: str
    clean: float
    images: int
    published: float | None
    zero_gradients: float
    misses: tuple[str, ...]


def examine(
    target: Target, data: Dataset, published: Published | None, *, whole: bool
) -> TargetCheck:
    """Checks a target on test images; on the `whole` set it must have the published accuracy."""
    clean, misses, expected = 100 * clean_accuracy(target, data.x, data.y), [], None
    if published is not None:
        expected = 100 * published.accuracy
        if whole and abs(clean - expected) > TOLERANCE:
            misses.append(
                f"clean accuracy: expected {expected:.2f} ({published.source}), got {clean:.2f} "
                f"on {len(data):,} images"
            )
    x, y = data.x[:PROBE], data.y[:PROBE]
    logits = predict(target, x)
    if np.isfinite(logits).all():
        single = np.concatenate([predict(target, image[None]) for image in x])
        difference = np.abs(single - logits).max() / max(np.abs(logits).max(), 1e-30)
        if not difference <= 1e-4:
            misses.append(f"logits: differ by {difference:.1e} between minibatches")
    else:
        misses.append("logits: must be finite")
    grad = input_gradient(target, x, y, xent)
    if not np.isfinite(grad).all():
        misses.append("gradient: must be finite")
    elif not grad.any():
        misses.append("gradient: is zero for all images")
    lowest, highest = float(data.x.min()), float(data.x.max())
    if lowest < 0 or highest > 1 or highest - lowest < 0.5:
        misses.append(f"images: expected values over [0, 1], got [{lowest:.3f}, {highest:.3f}]")
    zeros = 100 * float((np.abs(grad) < 1e-8).mean())
    return TargetCheck(
        target.name, target.provenance, clean, len(data), expected, zeros, tuple(misses)
    )


def table(results: Sequence[TargetCheck]) -> str:
    """The results as a Markdown table."""
    header = ["target", "weights", "clean", "published", "images", "gradients < 1e-8", "verdict"]
    rows = []
    for result in results:
        published = "" if result.published is None else f"{result.published:.2f}"
        verdict = "; ".join(miss.partition(":")[0] for miss in result.misses) or "fine"
        numbers = [f"{result.clean:.2f}", published, f"{result.images:,}"]
        numbers.append(f"{result.zero_gradients:.0f} %")
        rows.append([result.target, result.provenance, *numbers, verdict])
    align: list[tabular.Align] = ["left", "left", "right", "right", "right", "right", "left"]
    return "\n".join(tabular.markdown(header, rows, align))
