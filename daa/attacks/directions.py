"""Ascent directions of the attacks; `ball.steepest` makes a step of length 1 of them.

    direction(x, grad, ...) -> v, [M, H, W, C]

The images of a minibatch are the particles of an adversarial distribution. BLOB and DGF couple
them. A single image follows its gradient, as in PGD. Common arguments:

    x: images in [0, 1]. [M, H, W, C].
    grad: gradient g of the summed loss at `x`. [M, H, W, C].
    real: False for padding rows of the minibatch. [M] bool; None without padding.
    c: weight of the particle terms, dimensionless; 0 gives PGD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from daa.attacks.balls import LINF, Ball
from daa.attacks.components import Memory, costs, double, remembers
from daa.attacks.kernels import scaled_distances
from daa.tensorflow import tf

Formula = Literal["released", "paper", "pytorch"]


def gradient(grad: tf.Tensor) -> tf.Tensor:
    """The loss gradient: FGSM and PGD."""
    return grad


@remembers(velocity=np.zeros_like)
def momentum(grad: tf.Tensor, memory: Memory, *, decay: float) -> tuple[tf.Tensor, Memory]:
    """Accumulated gradient of MI-FGSM and Momentum PGD.

        m <- decay * m + g / |g|_1          |g|_1 per image

    A zero gradient leaves `decay * m`.

    Args:
        grad: the gradient, or any other direction. [M, H, W, C].
        memory: `velocity`, the previous m, initially zero. [M, H, W, C].
        decay: mu, dimensionless; 1.0 in the released script.

    Returns:
        The new m, [M, H, W, C], and the updated memory.

    Source: Dong et al. 2018, Eq. 6; AAAI 2019, Eq. 6 and 7.
    """
    norm = tf.reduce_sum(tf.abs(grad), axis=range(1, grad.shape.rank), keepdims=True)
    velocity = tf.cast(decay, grad.dtype) * memory["velocity"] + tf.math.divide_no_nan(grad, norm)
    return velocity, {**memory, "velocity": velocity}


@double
def blob(
    x: tf.Tensor,
    grad: tf.Tensor,
    real: tf.Tensor | None = None,
    *,
    c: float,
    formula: Formula = "released",
) -> tf.Tensor:
    """DAA-BLOB ascent direction.

        v_i = g_i + c/M * sum_j [K_ij g_j - K_ij (x_i - x_j) / h^2]
        K_ij = exp(-d_ij / (2 h^2)),   h^2 = median(d) / (2 log M)

    The minus sign of the kernel gradient moves each particle towards its neighbours. The paper
    prints a plus sign, which moves it away from them. The authors' PyTorch script has the minus
    sign, the lower median, and g / M instead of g, because its loss is the minibatch mean.

    Args:
        formula: "released", "paper" (the paper's sign) or "pytorch" (the PyTorch script).

    Source: AAAI 2019, Eq. 21; blob_rand.py; `_svgd` of the PyTorch script's attacks.py.
    """
    if x.shape[0] == 1:
        return grad
    particles, g = _relative(x), tf.reshape(_in_unit(grad, real, formula), [x.shape[0], -1])
    u, inverse_h2 = scaled_distances(particles, real=real, lower=formula == "pytorch")
    # The diagonal contributes K_ii g_i = g_i to the first term and nothing to the second.
    k = tf.linalg.set_diag(tf.exp(-u), tf.zeros_like(u[0]))
    attraction = -inverse_h2 if formula == "paper" else inverse_h2
    neighbours = tf.matmul(k, g + attraction * particles)
    centre = (attraction * tf.reduce_sum(k, axis=1))[:, None] * particles
    weight = tf.cast(c, tf.float64) / tf.cast(_count(x, real), tf.float64)
    total, weight = tf.cast(1.0 + weight, g.dtype), tf.cast(weight, g.dtype)
    return tf.reshape(total * g + weight * (neighbours - centre), x.shape)


def dgf(
    x: tf.Tensor,
    grad: tf.Tensor,
    real: tf.Tensor | None = None,
    *,
    c: float,
    formula: Formula = "released",
) -> tf.Tensor:
    """DAA-DGF ascent direction.

        v_i = g_i - c * sum_j (d_ij / (2 h^2) - 1) K_ij (x_i - x_j)
        K_ij = exp(-d_ij / (2 h^2)),   h^2 = median(d) / (2 log(M + 1))

    Particles with d < 2 h^2 repel each other, all others attract each other. The paper's bandwidth
    has log M. The authors' PyTorch script also has log M, the lower median, and g / M instead of g,
    because its loss is the minibatch mean.

    Args:
        formula: "released", "paper" (the paper's bandwidth) or "pytorch" (the PyTorch script).

    Source: AAAI 2019, Eq. 22, with c = 2 gamma c' / (1 + c') and the bandwidth of the released
    dgf_rand.py; `_sgld` of the PyTorch script's attacks.py.
    """
    if x.shape[0] == 1:
        return grad
    particles = _relative(x)
    more, lower = (1 if formula == "released" else 0), formula == "pytorch"
    u, _ = scaled_distances(particles, more=more, real=real, lower=lower)
    w = tf.linalg.set_diag((u - 1.0) * tf.exp(-u), tf.zeros_like(u[0]))
    flow = tf.reduce_sum(w, axis=1)[:, None] * particles - tf.matmul(w, particles)
    return _in_unit(grad, real, formula) - tf.cast(c, grad.dtype) * tf.reshape(flow, x.shape)


@double
def attraction(
    x: tf.Tensor, grad: tf.Tensor, real: tf.Tensor | None = None, *, c: float
) -> tf.Tensor:
    """Gradient plus the attraction term of BLOB.

        v_i = g_i - c/M * sum_j K_ij (x_i - x_j) / h^2

    The gradients of the neighbours in `blob` are left out; they change little (docs/adaptive.md).
    """
    if x.shape[0] == 1:
        return grad
    particles = _relative(x)
    u, inverse_h2 = scaled_distances(particles, real=real)
    k = tf.linalg.set_diag(tf.exp(-u), tf.zeros_like(u[0]))
    weight = tf.cast(c, tf.float64) / tf.cast(_count(x, real), tf.float64)
    pull = tf.matmul(k, particles) - tf.reduce_sum(k, axis=1)[:, None] * particles
    return grad + tf.reshape(tf.cast(weight, grad.dtype) * inverse_h2 * pull, x.shape)


@costs(1)
def corrected(
    x: tf.Tensor,
    grad: tf.Tensor,
    gradient: Callable[[tf.Tensor], tf.Tensor],
    ball: Ball = LINF,
    *,
    step_size: float = 0.01,
    share: float = 0.1,
) -> tf.Tensor:
    """Predictor-corrector: mostly the gradient after a plain step.

        v = share * g(x) + (1 - share) * g(x + step_size * s(g(x)))

    Args:
        gradient: computes the gradient at other images.
        step_size: length of the plain step, in the unit of `x`.
        share: weight of the gradient at `x`.

    Source: Wan and Huang 2023 (arXiv 2306.01809) and PCROS.py of wan-lab/PCROS.
    """
    ahead = x + tf.cast(step_size, x.dtype) * ball.steepest(grad)
    share = tf.cast(share, grad.dtype)
    return share * grad + (1.0 - share) * gradient(ahead)


def nowhere() -> None:
    """No direction: the step rule uses losses only, and no gradient is computed."""


def _in_unit(grad: tf.Tensor, real: tf.Tensor | None, formula: Formula) -> tf.Tensor:
    return grad / tf.cast(_count(grad, real), grad.dtype) if formula == "pytorch" else grad


def _count(x: tf.Tensor, real: tf.Tensor | None) -> tf.Tensor | int:
    return x.shape[0] if real is None else tf.reduce_sum(tf.cast(real, tf.int32))


def _relative(x: tf.Tensor) -> tf.Tensor:
    """Flat images minus the first image. [M, H * W * C].

    The directions depend only on differences of images. A pixel that is equal in all images then
    gives exactly 0, not a rounding error whose sign would move the pixel.
    """
    return tf.reshape(x - x[:1], [x.shape[0], -1])
