from functools import partial

import numpy as np
import oracle
import pytest
import tensorflow as tf

from daa.attacks import directions
from daa.attacks.directions import blob, dgf

BOTH = [partial(blob, c=1.1), partial(dgf, c=0.001)]
ORACLES = [
    (BOTH[0], partial(oracle.blob, c=1.1)),
    (BOTH[1], partial(oracle.dgf, c=0.001)),
    (partial(blob, c=1.1, formula="paper"), partial(oracle.blob, c=1.1, sign=1.0)),
    (partial(dgf, c=0.01, formula="paper"), partial(oracle.dgf, c=0.01, more=0)),
    (partial(directions.attraction, c=1.1), lambda x, g: g + oracle.blob(x, 0 * g, 1.1)),
]
# The script divides by zero for two particles and for duplicates.
SCRIPT = [
    (partial(blob, c=0.05, formula="pytorch"), partial(oracle.pytorch, c=0.05, method="blob")),
    (partial(dgf, c=1e-4, formula="pytorch"), partial(oracle.pytorch, c=1e-4, method="dgf")),
]


def batch(m, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((m, 6, 5, 2)).astype(np.float32)
    return tf.constant(x), tf.constant((0.01 * rng.standard_normal(x.shape)).astype(np.float32))


@pytest.mark.parametrize(
    ("direction", "expected", "m", "count"),
    [
        (*pair, m, count)
        for pair in (*ORACLES, *SCRIPT)
        for m, count in ((2, 2), (12, 2), (3, 3), (33, 33), (12, 3), (12, 4), (12, 8), (12, 11))
        if count > 2 or pair not in SCRIPT
    ],
)
def test_equals_the_float64_oracle_and_ignores_padding_rows(direction, expected, m, count):
    x, g = batch(m, seed=m + count)
    v = direction(x, g, tf.range(m) < count if count < m else None)[:count]
    w = expected(x.numpy()[:count], g.numpy()[:count])
    np.testing.assert_allclose(v, w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize(("direction", "expected"), ORACLES[:2])
@pytest.mark.parametrize("rows", [[*range(9), 0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 0, 0, 1]])
def test_duplicates_follow_the_oracle(direction, expected, rows):
    x = tf.gather(batch(9)[0], rows)
    _, g = batch(len(rows), seed=1)
    w = expected(x.numpy(), g.numpy())
    np.testing.assert_allclose(direction(x, g), w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize(("direction", "factor"), [(BOTH[0], 2.1), (BOTH[1], 1.0)])
def test_without_weight_or_neighbours_it_is_the_gradient(direction, factor):
    x, g = batch(7)
    np.testing.assert_array_equal(direction(x, g, c=0.0), g)
    np.testing.assert_array_equal(direction(x[:1], g[:1]), g[:1])
    among_padding = direction(x, g, tf.range(7) < 1)[:1]
    np.testing.assert_allclose(among_padding, factor * g[:1], rtol=1e-5)


def test_a_pixel_that_is_equal_everywhere_stays_without_gradient():
    x, g = (t.numpy() for t in batch(20))
    x[:, 2, 3, 1], g[:, 2, 3, 1] = 0.3, 0.0
    for direction in BOTH:
        assert (direction(tf.constant(x), tf.constant(g)).numpy()[:, 2, 3, 1] == 0).all()


def test_momentum_accumulates_normalised_gradients():
    _, g = batch(3)
    norm = np.abs(g.numpy()).sum((1, 2, 3), keepdims=True)
    zeros = {"velocity": tf.zeros_like(g)}
    once, memory = directions.momentum(g, zeros, decay=0.5)
    np.testing.assert_allclose(once, g / norm, rtol=1e-5)
    twice, _ = directions.momentum(g, memory, decay=0.5)
    np.testing.assert_allclose(twice, 1.5 * g / norm, rtol=1e-5)
    kept, _ = directions.momentum(tf.zeros_like(g), memory, decay=0.5)
    np.testing.assert_allclose(kept, 0.5 * once.numpy(), rtol=1e-6)


def test_the_corrector_mixes_the_gradient_with_that_one_step_ahead():
    x, g = batch(3)
    g = tf.where(g > 0.02, 0.0, g)
    v = directions.corrected(x, g, lambda ahead: 7.0 * ahead, step_size=0.02, share=0.1)
    expected = 0.1 * g + 0.9 * 7.0 * (x + 0.02 * tf.sign(g))
    np.testing.assert_allclose(v, expected, rtol=1e-5)
