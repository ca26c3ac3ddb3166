"""Step rules of an attack.

    step(adv, v, ...) -> next images, [M, H, W, C]

The attack projects the next images onto the ball. A rule with a `memory` of the previous steps also
returns the new memory. Common arguments:

    adv: images in [0, 1]. [M, H, W, C].
    v: direction. [M, H, W, C].
    losses: losses at `adv` that the attack increases. [M].
    ball: the norm, a row of `daa.attacks.balls.BALLS`.
    limits: the ball and the range around the images, for `ball.project`.
    k: number of this step, from 0. Scalar.
    steps: number of steps of the attack. Scalar.
    eps, step_size: radius of the ball and length of a step, in the unit of `adv`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from daa.attacks import windows
from daa.attacks.balls import LINF, Ball
from daa.attacks.components import Component, Memory, double, remembers
from daa.attacks.starts import RandFgsm
from daa.tensorflow import tf


def fixed(adv: tf.Tensor, v: tf.Tensor, ball: Ball = LINF, *, step_size: float = 0.01) -> tf.Tensor:
    """adv + step_size * s(v), with s(v) = sign(v) in L-infinity and v / norm(v) in L2."""
    return adv + tf.cast(step_size, adv.dtype) * ball.steepest(v)


def whole(adv: tf.Tensor, v: tf.Tensor, ball: Ball = LINF, *, eps: float) -> tf.Tensor:
    """adv + eps * s(v), the step of FGSM."""
    return fixed(adv, v, ball, step_size=eps)


def rest(
    adv: tf.Tensor, v: tf.Tensor, ball: Ball = LINF, *, eps: float, rand_fgsm: RandFgsm = "uniform"
) -> tf.Tensor:
    """The step of Rand+FGSM: eps, or eps / 2 after the random step of Tramer et al.

    Source: Tramer et al. 2018, Eq. 7, for "tramer".
    """
    return fixed(adv, v, ball, step_size=eps if rand_fgsm == "uniform" else eps / 2)


@double
def even(
    adv: tf.Tensor, v: tf.Tensor, steps: tf.Tensor, ball: Ball = LINF, *, eps: float
) -> tf.Tensor:
    """adv + eps / steps * s(v), the step of MI-FGSM.

    Source: Dong et al. 2018, Algorithm 1.
    """
    return fixed(adv, v, ball, step_size=eps / tf.cast(steps, tf.float64))


@double
def geometric(
    adv: tf.Tensor,
    v: tf.Tensor,
    k: tf.Tensor,
    steps: tf.Tensor,
    ball: Ball = LINF,
    *,
    eps: float,
    first_step: float = 0.7,
    last_step: float = 0.01,
) -> tf.Tensor:
    """Steps along s(v) with geometrically decreasing length.

        length_k = eps * first_step * (last_step / first_step)^(k / (steps - 1))

    Args:
        first_step, last_step: lengths of the first and the last step, as fractions of eps.

    Source: Liu et al. 2022 (A3) use large decaying steps, with a cosine schedule.
    """
    one = tf.constant(1.0, tf.float64)
    progress = tf.cast(k, tf.float64) / tf.maximum(tf.cast(steps, tf.float64) - 1.0, one)
    first_step, last_step = tf.cast(first_step, tf.float64), tf.cast(last_step, tf.float64)
    return fixed(adv, v, ball, step_size=eps * first_step * (last_step / first_step) ** progress)


def _rows(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.full(len(x), value, np.float32)


@remembers(
    before=np.copy,
    highest_image=np.copy,
    highest_v=np.zeros_like,
    highest=_rows(-np.inf),
    highest_at_check=_rows(-np.inf),
    previous=_rows(0.0),
    rises=_rows(0.0),
    age=_rows(0.0),
    period=_rows(0.0),
    length=_rows(0.0),
    halved=_rows(1.0),
)
def halving(
    adv: tf.Tensor,
    v: tf.Tensor,
    losses: tf.Tensor,
    limits: Any,
    k: tf.Tensor,
    steps: tf.Tensor,
    memory: Memory,
    ball: Ball = LINF,
    *,
    eps: float,
    rho: float = 0.75,
) -> tf.Tensor:
    """Auto-PGD: steps with momentum; their length starts at 2 eps and is halved at checkpoints.

    A checkpoint halves the step length of an image if its loss rose in less than `rho` of the steps
    since the previous checkpoint, or if the previous checkpoint did not halve the length and the
    highest loss has not increased since. The image then continues from its highest loss. The first
    period is 22 % of all steps; each further period is 3 % shorter, down to 6 %.

    Args:
        rho: share of rising steps below which the length is halved.

    Source: Croce and Hein 2020, Algorithm 1.
    """
    m, first = memory, k == 0
    total = tf.cast(steps, tf.float32)
    shortest, less = (tf.maximum(tf.floor(f * total), 1.0) for f in (0.06, 0.03))
    begin = tf.maximum(tf.floor(0.22 * total), 1.0)
    eps, rho = tf.cast(eps, adv.dtype), tf.cast(rho, adv.dtype)
    period = tf.where(first, begin, m["period"])
    length = tf.where(first, 2.0 * eps, m["length"])
    rises = m["rises"] + tf.cast(~first & (losses > m["previous"]), adv.dtype)
    age = m["age"] + tf.where(first, 0.0, 1.0)
    higher = losses > m["highest"]
    highest = tf.maximum(losses, m["highest"])
    highest_image = tf.where(along(higher, adv), adv, m["highest_image"])
    highest_v = tf.where(along(higher, adv), v, m["highest_v"])
    check = age >= period
    stuck = (m["halved"] == 0) & (m["highest_at_check"] >= highest)
    halve = check & ((rises <= rho * period) | stuck)
    length = tf.where(halve, length / 2, length)
    here = tf.where(along(halve, adv), highest_image, adv)
    v = tf.where(along(halve, adv), highest_v, v)
    straight = ball.project(here + along(length, adv) * ball.steepest(v), *limits)
    share = tf.where(first, 1.0, 0.75)
    moved = here + share * (straight - here) + (1.0 - share) * (here - m["before"])
    at_check = check | first
    return moved, {
        **memory,
        "before": here,
        "highest_image": highest_image,
        "highest_v": highest_v,
        "highest": highest,
        "highest_at_check": tf.where(at_check, highest, m["highest_at_check"]),
        "previous": losses,
        "rises": tf.where(check, 0.0, rises),
        "age": tf.where(check, 0.0, age),
        "period": tf.where(check, tf.maximum(period - less, shortest), period),
        "length": length,
        "halved": tf.where(check, tf.cast(halve, adv.dtype), m["halved"]),
    }


@remembers(kept=np.copy, highest=_rows(-np.inf))
def squares(
    adv: tf.Tensor,
    losses: tf.Tensor,
    limits: Any,
    k: tf.Tensor,
    steps: tf.Tensor,
    noise: tf.Tensor,
    memory: Memory,
    ball: Ball = LINF,
    *,
    side: float = 0.8,
) -> tf.Tensor:
    """Random search: `ball.resample` changes a square of the best image so far.

    Vectors have intervals and volumes have cubes instead of squares.

    A move that does not increase the loss is undone. The squares shrink at fixed steps.

    Args:
        noise: random numbers of this step, U(0, 1). [M, ball.noise_size].
        side: share of the pixels that the first squares cover.

    Source: Andriushchenko et al. 2020, Algorithm 1, with the schedule of its code.
    """
    better = losses > memory["highest"]
    kept = tf.where(along(better, adv), adv, memory["kept"])
    done = tf.cast(k, tf.float32) / tf.cast(steps, tf.float32)
    halvings = tf.reduce_sum(tf.cast(done > np.array(_SQUARES, np.float32), tf.float32))
    sizes = windows.sizes(adv.shape)
    area = tf.cast(side, tf.float32) * 0.5**halvings
    for size in sizes:
        area *= size
    length = tf.cast(tf.round(area ** (1 / len(sizes))), tf.int32)
    length = tf.clip_by_value(length, 1, max(min(sizes) - 1, 1))
    moved = ball.resample(kept, length, noise, limits)
    return moved, {**memory, "kept": kept, "highest": tf.maximum(losses, memory["highest"])}


# Fractions of the attack after which the area of the squares is halved.
_SQUARES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def along(rows: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """One value per image, in the rank of the images x. [N] -> [N, 1, ...]."""
    return tf.reshape(rows, [-1, *[1] * (x.shape.rank - 1)])


STEPS: dict[str, Component] = {"fixed": fixed, "geometric": geometric, "halving": halving}
