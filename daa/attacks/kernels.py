"""The RBF kernel between the particles x [M, D] of a minibatch, with the median bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from daa.tensorflow import tf

# Squared distances below this fraction of the squared norms are float32 rounding errors.
_ROUNDING = 1e-6
# Squared distance to a padding row: larger than between any two images of less than 10^8 pixels,
# and still finite after division by the smallest bandwidth.
_FAR = 1e8
_FOR_XLA: ContextVar[bool] = ContextVar("for XLA", default=False)


def squared_distances(x: tf.Tensor) -> tf.Tensor:
    """Squared Euclidean distances between all particles, by one matrix product.

        d_ij = |x_i|^2 + |x_j|^2 - 2 x_i . x_j

    Distances within the rounding error are set to 0, so identical particles have distance 0.
    The result d has a zero diagonal. [M, M].
    """
    norms = tf.reduce_sum(x * x, axis=1)
    sums = norms[:, None] + norms[None, :]
    d = sums - 2.0 * tf.matmul(x, x, transpose_b=True)
    d = tf.where(d > _ROUNDING * sums, d, 0.0)
    return tf.linalg.set_diag(d, tf.zeros_like(norms))


def median(d: tf.Tensor, count: tf.Tensor | int | None = None, *, lower: bool = False) -> tf.Tensor:
    """The exact median of a distance matrix, including its zero diagonal.

    Only the upper triangle is read: after the M zeros of the diagonal, the sorted matrix has each
    of its values twice.

    Args:
        d: symmetric, not negative, zero diagonal. [M, M] with a static M >= 2.
        count: number of particles without padding rows, whose distances are the largest ones;
            None for all M.
        lower: the smaller of two middle entries, as torch.median, instead of their mean.

    Returns:
        The median; for an even count the mean of the two middle entries, as numpy.median. Scalar.

    Source: `np.median(pairwise_dists)` of the released scripts; `lower` for the PyTorch script.
    """
    m = d.shape[0]
    count = m if count is None else count
    rows, columns = np.triu_indices(m, k=1)
    values = tf.gather(tf.reshape(d, [-1]), (rows * m + columns).astype(np.int32))
    middle = ((count * count - 1) // 2, count * count // 2)
    picked = [
        tf.where(k >= count, _nth_smallest(values, tf.maximum(k - count, 0) // 2), 0.0)
        for k in middle
    ]
    return picked[0] if lower else (picked[0] + picked[1]) / 2


def _nth_smallest(values: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    # Selection is 10 times faster than sorting, but TensorFlow has it only on CPUs without XLA.
    if on_gpu() or _FOR_XLA.get():
        return tf.sort(values)[n]
    return tf.raw_ops.NthElement(input=values, n=n)


@contextmanager
def traced_for_xla(jit: bool) -> Iterator[None]:
    """Avoids operations that XLA cannot compile while a graph is traced."""
    token = _FOR_XLA.set(jit)
    try:
        yield
    finally:
        _FOR_XLA.reset(token)


def on_gpu() -> bool:
    """Whether graphs run on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def scaled_distances(
    x: tf.Tensor, more: int = 0, real: tf.Tensor | None = None, *, lower: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """Distances in units of the bandwidth, u_ij = d_ij / (2 h^2), and 1 / h^2.

    The bandwidth is h^2 = median(d) / (2 log(M + more)). It is 0 if at least half of all pairs are
    identical, and for a single particle. Then the limit h -> 0 is used: u is 0 between identical
    particles, very large between different ones, and 1 / h^2 is replaced by 0, because the gradient
    of the kernel vanishes.

    Args:
        more: added to M in the logarithm.
        real: False for padding rows, which are far from all other rows. [M] bool.
        lower: as in `median`.

    Returns:
        u, symmetric with a zero diagonal. [M, M]; 1 / h^2. Scalar.

    Source: Liu and Wang 2016, as in the released scripts.
    """
    d, count = squared_distances(x), x.shape[0]
    if real is not None:
        count = tf.reduce_sum(tf.cast(real, tf.int32))
        d = tf.where(real[:, None] & real[None, :], d, _FAR)
        d = tf.linalg.set_diag(d, tf.zeros_like(d[0]))
    logarithm = tf.math.log(tf.cast(count + more, tf.float64))
    h2 = tf.math.divide_no_nan(median(d, count, lower=lower), tf.cast(2.0 * logarithm, d.dtype))
    return d / tf.maximum(2.0 * h2, 1e-30), tf.math.divide_no_nan(1.0, h2)
