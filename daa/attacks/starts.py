"""Starts of an attack.

    start(x, rng, ...) -> first images, [N, H, W, C] float32

A start may leave the pixel range, but never the ball. Common arguments:

    x: clean images. [N, H, W, C] float32.
    rng: source of all random numbers.
    ball: the norm, a row of `daa.attacks.balls.BALLS`.
    eps: radius of the ball, in the unit of `x`.
    clip_range: whether the attack stays in the pixel range.
    clip_start: clip the start to [0, 1]; the released scripts do not.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from scipy.spatial.distance import cdist

from daa.attacks.balls import LINF, Ball
from daa.attacks.components import Component, costs
from daa.target import Target, logits_gradient
from daa.tensorflow import tf

RandFgsm = Literal["uniform", "tramer"]


def natural(x: np.ndarray) -> np.ndarray:
    """The clean images. [N, H, W, C]."""
    return x.copy()


def uniform(
    x: np.ndarray,
    rng: np.random.Generator,
    ball: Ball = LINF,
    *,
    eps: float,
    clip_range: bool = True,
    random_start: bool = True,
    clip_start: bool = False,
) -> np.ndarray:
    """A uniform point of the ball, or x without a random start. [N, H, W, C] float32."""
    if not random_start:
        return x.copy()
    noise = ball.uniform(rng, x.shape, eps)
    noise += x
    return np.clip(noise, 0, 1) if clip_start and clip_range else noise


def rand_fgsm(
    x: np.ndarray,
    rng: np.random.Generator,
    ball: Ball = LINF,
    *,
    eps: float,
    clip_range: bool = True,
    rand_fgsm: RandFgsm = "uniform",
    clip_start: bool = False,
) -> np.ndarray:
    """The start of Rand+FGSM in two variants.

    Args:
        rand_fgsm: "uniform" for a uniform start in the ball, "tramer" for
            the corner of the ball of radius eps / 2 with the signs of N(0, 1).

    Source: Tramer et al. 2018, Eq. 7, for "tramer".
    """
    if rand_fgsm == "uniform":
        return uniform(x, rng, ball, eps=eps, clip_range=clip_range, clip_start=clip_start)
    noise = np.sign(rng.standard_normal(x.shape, dtype=np.float32))
    start = x + ball.corner(noise, eps / 2)
    return np.clip(start, 0, 1) if clip_start and clip_range else start


def signs(x: np.ndarray, rng: np.random.Generator, ball: Ball = LINF, *, eps: float) -> np.ndarray:
    """A random corner of the ball, as x +- eps in L-infinity. [N, H, W, C]."""
    return x + ball.corner(_sign(rng, x.shape), eps)


def stripes(
    x: np.ndarray, rng: np.random.Generator, ball: Ball = LINF, *, eps: float
) -> np.ndarray:
    """A corner with one sign per column and channel, or per entry of a vector. [N, H, W, C].

    Source: the initialisation of Square (Andriushchenko et al. 2020).
    """
    shape = (len(x), 1, *x.shape[2:]) if x.ndim > 2 else x.shape
    return x + ball.corner(np.broadcast_to(_sign(rng, shape), x.shape), eps)


def pixels(
    x: np.ndarray,
    best: np.ndarray,
    rng: np.random.Generator,
    ball: Ball = LINF,
    *,
    eps: float,
    kicked: float = 0.1,
) -> np.ndarray:
    """The worst images so far, with some pixels moved to their values in a random corner.

    Args:
        best: adversarial images with the lowest margin so far. [N, H, W, C].
        kicked: share of the moved pixels.
    """
    moved = rng.random(x.shape, dtype=np.float32) < kicked
    return np.where(moved, signs(x, rng, ball, eps=eps), best)


@costs(lambda odi_steps: odi_steps)
def odi(
    x: np.ndarray,
    rng: np.random.Generator,
    target: Target,
    ball: Ball = LINF,
    *,
    eps: float,
    clip_range: bool = True,
    odi_steps: int = 2,
    odi_step: float = 1.0,
) -> np.ndarray:
    """Output-diversified start: a few steps that change the logits in a random direction.

        x <- P(x + odi_step * eps * s(grad(w . z(x)))),   w ~ U(-1, 1)^K

    Args:
        target: the classifier, with logits z.
        odi_steps: number of steps.
        odi_step: length of a step, as a fraction of eps.

    Source: Tashiro et al. 2020, Eq. 3, Algorithm 1.
    """
    w = rng.uniform(-1, 1, (len(x), target.classes)).astype(np.float32)
    inside = partial(ball.inside, x=x, eps=eps, clip_range=clip_range)
    start = inside(uniform(x, rng, ball, eps=eps))
    for _ in range(odi_steps):
        step = ball.steepest(tf.constant(logits_gradient(target, start, w))).numpy()
        start = inside(start + np.float32(odi_step * eps) * step)
    return start


def transfer(
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    ball: Ball = LINF,
    *,
    donors: tuple[np.ndarray, np.ndarray, np.ndarray],
    eps: float,
    nearest: int = 10,
) -> np.ndarray:
    """The perturbation of a similar misclassified image of the same class.

    A class without donors starts at a random corner of the ball.

    Args:
        y: labels. [N].
        donors: clean images that an attack broke [D, H, W, C], labels [D], perturbations
            [D, H, W, C].
        nearest: number of candidates per image.
    """
    start = signs(x, rng, ball, eps=eps)
    images, labels, perturbations = donors
    for label in np.unique(y):
        rows, candidates = np.flatnonzero(y == label), np.flatnonzero(labels == label)
        if len(candidates):
            flat = (array.reshape(len(array), -1) for array in (x[rows], images[candidates]))
            near = np.argsort(cdist(*flat), axis=1, kind="stable")[:, :nearest]
            picked = near[np.arange(len(rows)), rng.integers(0, near.shape[1], len(rows))]
            start[rows] = x[rows] + perturbations[candidates[picked]]
    return start


def _sign(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (2 * rng.integers(0, 2, shape, dtype=np.int8) - 1).astype(np.float32)


STARTS: dict[str, Component] = {
    "natural": natural,
    "uniform": uniform,
    "signs": signs,
    "stripes": stripes,
    "pixels": pixels,
    "odi": odi,
}
