"""The exact L-infinity ball around each image, intersected with the pixel range.

A norm is a module with these functions and a row of `daa.attacks.balls.BALLS`. Common arguments:

    adv: adversarial images. [N, H, W, C].
    x: clean images in [0, 1]. [N, H, W, C] float32.
    eps: radius of the ball, in the unit of `x`.
    clip_range: also stay inside [0, 1].
    limits: the result of `bounds`, which the graph of an attack receives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daa.attacks import windows
from daa.errors import InputError, is_number, plain, require, shown
from daa.tensorflow import tf

Limits = tuple[Any, ...]
title = "L-infinity"


def radius(eps: float) -> float:
    """Raises InputError unless 0 < eps <= 1; returns eps as a Python number."""
    if not (is_number(eps) and 0 < eps <= 1):
        raise InputError(
            f"eps: expected 0 < eps <= 1, the unit of images in [0, 1], got {shown(eps)}; "
            "a radius of 8 pixel values is 8/255"
        )
    return plain(eps)


def largest(shape: Sequence[int]) -> float:
    """The largest distance of two images of this shape without [N]."""
    return 1.0


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


def around(x: tf.Tensor, eps: tf.Tensor) -> Limits:
    """`bounds` inside a graph, with the rounding error of float32."""
    return tf.maximum(x - eps, 0.0), tf.minimum(x + eps, 1.0)


def project(adv: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor) -> tf.Tensor:
    """The nearest point inside the bounds. [N, H, W, C]."""
    return tf.minimum(tf.maximum(adv, lower), upper)


def inside(adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True) -> np.ndarray:
    """The nearest images that pass `check`. [N, H, W, C] float32."""
    return np.clip(adv, *bounds(x, eps, clip_range=clip_range))


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


def steepest(v: tf.Tensor) -> tf.Tensor:
    """The step of length 1 with the largest inner product with `v`. [N, H, W, C]."""
    return tf.sign(v)


def uniform(rng: np.random.Generator, shape: Sequence[int], eps: float) -> np.ndarray:
    """Perturbations with a uniform distribution in the ball. [N, H, W, C] float32."""
    noise = rng.random(shape, dtype=np.float32)
    noise *= np.float32(2 * eps)
    noise -= np.float32(eps)
    return noise


def corner(signs: np.ndarray, eps: float) -> np.ndarray:
    """The perturbation of length eps with these signs. [N, H, W, C] float32."""
    return np.float32(eps) * signs


def noise_size(shape: Sequence[int]) -> int:
    """Random numbers of `resample` per image: position of the window, a sign per channel."""
    return len(windows.sizes(shape)) + windows.channels(shape)


def resample(best: tf.Tensor, length: tf.Tensor, noise: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Moves a random square of each image to a corner of the ball. [N, H, W, C].

    Args:
        best: images. [N, H, W, C].
        length: side of the squares in pixels. Scalar.
        noise: random numbers, U(0, 1). [N, noise_size].

    Source: Andriushchenko et al. 2020, Algorithm 2.
    """
    lower, upper = limits
    axes = len(windows.sizes(best.shape))
    square = windows.covered(windows.offsets(best.shape, noise, length), length)
    low = windows.per_channel(best.shape, noise[:, axes:]) < 0.5
    return tf.where(square, tf.where(low, lower, upper), best)
