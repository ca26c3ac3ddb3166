"""The L-infinity ball around each image, cut with the pixel range, kept exactly."""

from __future__ import annotations

import numpy as np

from daa.errors import require
from daa.tensorflow import tf


def bounds(x: np.ndarray, eps: float, *, clip_range: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest allowed value of each pixel, rounded inwards to float32.

    Every float32 value between them passes `check`, which computes in float64.

    Args:
        x: natural images in [0, 1]. [N, H, W, C] float32.
        eps: radius of the ball, in the unit of `x`.
        clip_range: also stay inside [0, 1].

    Returns:
        lower, upper. [N, H, W, C] float32 each.
    """
    exact = x.astype(np.float64)
    lower, upper = (exact - eps).astype(np.float32), (exact + eps).astype(np.float32)
    lower = np.where(exact - lower > eps, np.nextafter(lower, np.float32(np.inf)), lower)
    upper = np.where(upper - exact > eps, np.nextafter(upper, np.float32(-np.inf)), upper)
    if clip_range:
        lower, upper = np.maximum(lower, np.float32(0)), np.minimum(upper, np.float32(1))
    return lower, upper


def project(x: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor) -> tf.Tensor:
    """The nearest point inside the bounds. [N, H, W, C]."""
    return tf.minimum(tf.maximum(x, lower), upper)


def check(adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True) -> None:
    """Checks in float64, with zero tolerance, that adversarial images are allowed.

    Args:
        adv: adversarial images. [N, H, W, C].
        x: their natural images. [N, H, W, C].
        eps: radius of the ball, in the unit of `x`.
        clip_range: also require [0, 1].

    Raises:
        InputError: names the first image and pixel outside the ball or the range, or not a number.
    """
    require(adv.shape == x.shape, "adv", f"the shape of x, {list(x.shape)}", list(adv.shape))
    for i in range(len(adv)):
        image = adv[i].astype(np.float64)
        distance = np.abs(image - x[i].astype(np.float64))
        _all(i, distance <= eps, distance, f"|adv - x| <= eps={eps}")
        if clip_range:
            _all(i, (image >= 0) & (image <= 1), image, "0 <= adv <= 1")


def _all(image: int, fine: np.ndarray, value: np.ndarray, expected: str) -> None:
    if not fine.all():
        pixel = tuple(int(k) for k in np.argwhere(~fine)[0])
        require(False, f"adv: image {image}, pixel {pixel}", expected, float(value[pixel]))
