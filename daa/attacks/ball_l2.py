"""The L2 ball around each image, intersected with the pixel range; functions as in `ball`.

Images are first clipped to the pixel range and then moved towards the clean image, which lies in
the range, until their distance is at most eps. The result is in the ball and in the range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daa.attacks import windows
from daa.attacks.ball import Limits
from daa.errors import InputError, is_number, plain, require, shown
from daa.tensorflow import tf

title = "L2"


def radius(eps: float) -> float:
    """Raises InputError unless eps > 0; returns eps as a Python number."""
    if not (is_number(eps) and eps > 0):
        raise InputError(
            f"eps: expected a number > 0, the L2 distance of images in [0, 1], got {shown(eps)}"
        )
    return plain(eps)


def largest(shape: Sequence[int]) -> float:
    """The largest distance of two images of this shape without [N]."""
    return float(np.sqrt(np.prod(shape)))


def bounds(x: np.ndarray, eps: float, *, clip_range: bool = True) -> Limits:
    """Clean images, radius, and the smallest and the largest pixel of each image."""
    low, high = (0, 1) if clip_range else (-np.inf, np.inf)
    rows = np.ones((len(x), *[1] * (x.ndim - 1)), np.float32)
    return x, rows * np.float32(eps), rows * np.float32(low), rows * np.float32(high)


def around(x: tf.Tensor, eps: tf.Tensor) -> Limits:
    """`bounds` inside a graph."""
    return x, tf.cast(eps, x.dtype), 0.0, 1.0


def project(
    adv: tf.Tensor, x: tf.Tensor, eps: tf.Tensor, low: tf.Tensor, high: tf.Tensor
) -> tf.Tensor:
    """A point inside the limits, up to the rounding error of float32. [N, H, W, C]."""
    change = tf.minimum(tf.maximum(adv, low), high) - x
    return x + change * tf.minimum(1.0, tf.math.divide_no_nan(eps, _norm(change)))


def inside(adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True) -> np.ndarray:
    """Images that pass `check`. [N, H, W, C] float32."""
    moved = np.clip(adv, 0, 1) if clip_range else adv.copy()
    exact, less = x.astype(np.float64), 1e-8
    while len(rows := np.flatnonzero(~(distance(moved, x) <= eps))) and less < 1:
        change = moved[rows] - exact[rows]
        share = eps * (1 - less) / distance(moved[rows], x[rows])
        moved[rows] = exact[rows] + share.reshape(-1, *[1] * (x.ndim - 1)) * change
        less *= 2  # the rounding to float32 can make an image longer
    return moved


def distance(adv: np.ndarray, x: np.ndarray) -> np.ndarray:
    """L2 distance of images, computed in float64. [N]."""
    change = (adv.astype(np.float64) - x).reshape(len(x), -1)
    return np.sqrt((change**2).sum(axis=1))


def check(adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True) -> None:
    """Checks in float64, with zero tolerance, that adversarial images stay in the ball.

    Raises:
        InputError: names the first image outside the ball or the range, or not a number.
    """
    require(adv.shape == x.shape, "adv", f"the shape of x, {list(x.shape)}", list(adv.shape))
    for i in range(len(adv)):
        (norm,) = distance(adv[i : i + 1], x[i : i + 1]).tolist()
        require(norm <= eps, f"adv: image {i}", f"|adv - x|_2 <= eps={eps}", norm)
        outside = adv[i][(adv[i] < 0) | (adv[i] > 1)] if clip_range else adv[i][:0]
        require(not outside.size, f"adv: image {i}", "0 <= adv <= 1", outside[:1].tolist())


def steepest(v: tf.Tensor) -> tf.Tensor:
    """v divided by its L2 norm; zero if v is zero. [N, H, W, C]."""
    # The squares of a small v would be zero.
    scaled = tf.math.divide_no_nan(v, tf.reduce_max(tf.abs(v), _axes(v), keepdims=True))
    return tf.math.divide_no_nan(scaled, _norm(scaled))


def uniform(rng: np.random.Generator, shape: Sequence[int], eps: float) -> np.ndarray:
    """Perturbations with a uniform distribution in the ball. [N, H, W, C] float32."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    length = eps * rng.random(len(noise)) ** (1 / np.prod(shape[1:]))
    length /= np.linalg.norm(noise.reshape(len(noise), -1), axis=1)
    return noise * length.reshape(-1, *[1] * (noise.ndim - 1)).astype(np.float32)


def corner(signs: np.ndarray, eps: float) -> np.ndarray:
    """The perturbation of length eps with these signs and equal sizes. [N, H, W, C] float32."""
    return np.float32(eps / largest(signs.shape[1:])) * signs


def noise_size(shape: Sequence[int]) -> int:
    """Random numbers of `resample`: two windows, the halves' axis, a sign per channel."""
    return 2 * len(windows.sizes(shape)) + 1 + windows.channels(shape)


def resample(best: tf.Tensor, length: tf.Tensor, noise: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Moves the perturbation of one random square to another one, in a new form. [N, H, W, C].

    Source: Andriushchenko et al. 2020, Algorithm 3, and its code.
    """
    x, eps, *_ = limits
    shape, axes, channels = best.shape, windows.sizes(best.shape), windows.channels(best.shape)
    count, space = len(axes), [*range(1, 1 + len(axes))]
    length = tf.minimum(tf.maximum(length, 3) // 2 * 2 + 1, min(axes))
    positions = windows.offsets(shape, noise[:, :count], length)
    here = windows.covered(positions, length)
    other = windows.offsets(shape, noise[:, count : 2 * count], length)
    there = windows.covered(other, length)
    sign = tf.where(windows.per_channel(shape, noise[:, 2 * count + 1 :]) < 0.5, -1.0, 1.0)
    change = best - x

    def within(window: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        return _norm(tf.where(window, v, 0.0), space)

    spare = tf.maximum(eps**2 - _norm(change) ** 2, 0.0) / channels
    form = sign * _two_bumps(positions, here, length, noise[:, 2 * count])
    new = form + change / (1e-10 + within(here, change))
    new *= tf.math.divide_no_nan(
        tf.sqrt(spare + within(here | there, change) ** 2), within(here, new)
    )
    change = tf.where(here, new, tf.where(there, 0.0, change))
    return x + eps * steepest(change)


def _two_bumps(
    positions: Sequence[tf.Tensor], here: tf.Tensor, length: tf.Tensor, noise: tf.Tensor
) -> tf.Tensor:
    """A positive and a negative bump in the halves of a window, with norm 1. [N, H, W, 1].

    Both fall with the distance from their middle; `noise` chooses the axis of the halves. [N].
    """
    half, total = length // 2, tf.zeros([])
    axis = tf.cast(noise * len(positions), tf.int32)
    # Level k of a bump covers the pixels at a distance up to k and adds 1 / (k + 1)^2.
    most = max(max(position.shape[1:]) for position in positions) + 1
    levels = tf.constant(np.cumsum([0, *1 / np.arange(1, most + 1) ** 2]), tf.float32)
    for begin, end, sign in ((0, half, 1.0), (half, length, -1.0)):
        distance, inside = tf.zeros([], tf.int32), here
        for k, position in enumerate(positions):
            split = tf.reshape(axis == k, [-1, *[1] * (position.shape.rank - 1)])
            middle = tf.where(split, begin + (end - begin) // 2, half)
            distance = tf.maximum(distance, tf.abs(position - middle))
            inside &= ~split | ((position >= begin) & (position < end))
        height = tf.gather(levels, half + 1) - tf.gather(levels, tf.minimum(distance, half + 1))
        bump = tf.where(inside, height, 0.0)
        total += sign * tf.math.divide_no_nan(bump, _norm(bump))
    return total / np.float32(np.sqrt(2))


def _norm(v: tf.Tensor, axes: Sequence[int] | None = None) -> tf.Tensor:
    """L2 norm of each image. [N, 1, 1, 1]."""
    return tf.sqrt(tf.reduce_sum(v * v, _axes(v) if axes is None else axes, keepdims=True))


def _axes(v: tf.Tensor) -> range:
    return range(1, v.shape.rank)
