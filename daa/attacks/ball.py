"""The exact L-infinity ball around each image, intersected with the pixel range.

Common arguments:

    adv: adversarial images. [N, H, W, C].
    x: clean images in [0, 1]. [N, H, W, C] float32.
    eps: radius of the ball, in the unit of `x`.
    clip_range: also stay inside [0, 1].
"""

from __future__ import annotations

import numpy as np

from daa.errors import InputError, is_number, plain, require, shown
from daa.tensorflow import tf


def radius(eps: float) -> float:
    """Raises InputError unless 0 < eps <= 1; returns eps as a Python number."""
    if not (is_number(eps) and 0 < eps <= 1):
        raise InputError(
            f"eps: expected 0 < eps <= 1, the unit of images in [0, 1], got {shown(eps)}; "
            "a radius of 8 pixel values is 8/255"
        )
    return plain(eps)


def bounds(x: np.ndarray, eps: float, *, clip_range: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest allowed value of each pixel, rounded inwards to float32.

    Every float32 value between them passes `check`, which computes in float64.

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
    """Checks in float64, with zero tolerance, that adversarial images stay in the ball.

    Raises:
        InputError: names the first image and pixel outside the ball or the range, or not a number.
    """
    require(adv.shape == x.shape, "adv", f"the shape of x, {list(x.shape)}", list(adv.shape))
    for i in range(len(adv)):
        image = adv[i].astype(np.float64)
        distance = np.abs(image - x[i].astype(np.float64))
        checks = [(distance <= eps, distance, f"|adv - x| <= eps={eps}")]
        if clip_range:
            checks.append(((image >= 0) & (image <= 1), image, "0 <= adv <= 1"))
        for ok, value, expected in checks:
            if not ok.all():
                pixel = tuple(int(k) for k in np.argwhere(~ok)[0])
                require(False, f"adv: image {i}, pixel {pixel}", expected, float(value[pixel]))
