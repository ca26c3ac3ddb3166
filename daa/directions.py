"""Ascent directions of the attacks; only their sign reaches the image.

The images of a minibatch are the particles of one adversarial distribution. BLOB and DGF couple
them; a minibatch of a single image has nothing to couple and follows its gradient, as PGD.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from daa.kernels import scaled_distances


def gradient(x: tf.Tensor, grad: tf.Tensor) -> tf.Tensor:
    """The loss gradient itself: FGSM and PGD.

    Args:
        x: images in [0, 1]. [M, H, W, C].
        grad: gradient of the summed loss at `x`. [M, H, W, C].

    Returns:
        `grad`. [M, H, W, C].
    """
    del x
    return grad


def momentum(velocity: tf.Tensor, grad: tf.Tensor, *, decay: float) -> tf.Tensor:
    """Accumulated gradient of MI-FGSM and Momentum PGD.

        m <- decay * m + g / |g|_1          |g|_1 over each image

    An image whose gradient is all zero keeps `decay * m`.

    Args:
        velocity: m of the step before, zeros at first. [M, H, W, C].
        grad: gradient of the summed loss. [M, H, W, C].
        decay: mu, dimensionless; 1.0 in the released script.

    Returns:
        The new m. [M, H, W, C].

    Source: Dong et al. 2018, Eq. 6; AAAI 2019, Eq. 6 and 7.
    """
    norm = tf.reduce_sum(tf.abs(grad), axis=[1, 2, 3], keepdims=True)
    return decay * velocity + tf.math.divide_no_nan(grad, norm)


def blob(x: tf.Tensor, grad: tf.Tensor, *, c: float, formula: str = "released") -> tf.Tensor:
    """DAA-BLOB ascent direction.

        v_i = g_i + c/M * sum_j [K_ij g_j - K_ij (x_i - x_j) / h^2]
        K_ij = exp(-d_ij / (2 h^2)),   h^2 = median(d) / (2 log M)

    The paper prints + before the second term of the sum, which is the kernel's gradient.

    Args:
        x: images in [0, 1]. [M, H, W, C].
        grad: gradient of the summed loss at `x`. [M, H, W, C].
        c: weight of the particle terms, dimensionless; 0 gives PGD.
        formula: "released", or "paper" for its sign.

    Returns:
        The direction v. [M, H, W, C].

    Source: AAAI 2019, Eq. 21; blob_rand.py.
    """
    m = x.shape[0]
    if m == 1:
        return grad
    particles, g = _relative(x), _flat(grad)
    u, inverse_h2 = scaled_distances(particles, math.log(m))
    # The particle itself adds K_ii g_i = g_i and nothing to the kernel's gradient.
    k = tf.linalg.set_diag(tf.exp(-u), tf.zeros([m]))
    strength = inverse_h2 if formula == "released" else -inverse_h2
    pull = tf.matmul(k, g + strength * particles)
    repulsion = (strength * tf.reduce_sum(k, axis=1))[:, None] * particles
    return tf.reshape((1.0 + c / m) * g + (c / m) * (pull - repulsion), x.shape)


def dgf(x: tf.Tensor, grad: tf.Tensor, *, c: float, formula: str = "released") -> tf.Tensor:
    """DAA-DGF ascent direction.

        v_i = g_i - c * sum_j (d_ij / (2 h^2) - 1) K_ij (x_i - x_j)
        K_ij = exp(-d_ij / (2 h^2)),   h^2 = median(d) / (2 log(M + 1))

    The paper's bandwidth has log M.

    Args:
        x: images in [0, 1]. [M, H, W, C].
        grad: gradient of the summed loss at `x`. [M, H, W, C].
        c: weight of the Wasserstein term, dimensionless; 0 gives PGD.
        formula: "released", or "paper" for its bandwidth.

    Returns:
        The direction v. [M, H, W, C].

    Source: AAAI 2019, Eq. 22, with c = 2 gamma c' / (1 + c') and the bandwidth of the released
    dgf_rand.py.
    """
    m = x.shape[0]
    if m == 1:
        return grad
    particles = _relative(x)
    u, _ = scaled_distances(particles, math.log(m + 1 if formula == "released" else m))
    w = tf.linalg.set_diag((u - 1.0) * tf.exp(-u), tf.zeros([m]))
    flow = tf.reduce_sum(w, axis=1)[:, None] * particles - tf.matmul(w, particles)
    return grad - c * tf.reshape(flow, x.shape)


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [x.shape[0], int(np.prod(x.shape[1:]))])


def _relative(x: tf.Tensor) -> tf.Tensor:
    """[M, H, W, C] -> [M, H * W * C], relative to the first image.

    Both directions depend on differences of images alone. Relative to one of them, a pixel that has
    the same value everywhere gives exactly 0 instead of rounding, whose sign would move the pixel.
    """
    rows = _flat(x)
    return rows - rows[:1]
