import numpy as np
import oracle
import pytest
import tensorflow as tf

from daa.attacks import directions

BOTH = [(directions.blob, oracle.blob, 1.1), (directions.dgf, oracle.dgf, 0.001)]


def batch(m, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((m, 6, 5, 2)).astype(np.float32)
    return tf.constant(x), tf.constant((0.01 * rng.standard_normal(x.shape)).astype(np.float32))


@pytest.mark.parametrize(("direction", "expected", "c"), BOTH)
@pytest.mark.parametrize(
    ("m", "count"), [(2, 2), (3, 3), (33, 33), (12, 1), (12, 2), (12, 3), (12, 8), (12, 11)]
)
def test_equals_the_float64_oracle_and_ignores_padding_rows(direction, expected, c, m, count):
    x, g = batch(m, seed=m + count)
    real = tf.range(m) < count if count < m else None
    v = direction(x, g, real, c=c).numpy()[:count]
    few = (x.numpy()[:count], g.numpy()[:count])
    w = expected(*few, c) if count > 1 else few[1] * (1 + c * (direction is directions.blob))
    np.testing.assert_allclose(v, w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize(("direction", "expected", "c"), BOTH)
@pytest.mark.parametrize("rows", [[*range(9), 0, 1, 2, 3], [0, 0, 0, 0]])
def test_duplicates_follow_the_oracle(direction, expected, c, rows):
    x, _ = batch(9)
    _, g = batch(len(rows), seed=1)
    x = tf.gather(x, rows)
    w = expected(x.numpy(), g.numpy(), c)
    np.testing.assert_allclose(direction(x, g, c=c), w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize("m", [2, 9, 20])
def test_the_papers_formulas_are_there_too(m):
    x, g = batch(m, seed=m)
    for v, w in (
        (directions.blob(x, g, c=1.1, formula="paper"), oracle.blob(x.numpy(), g.numpy(), 1.1, +1)),
        (directions.dgf(x, g, c=0.01, formula="paper"), oracle.dgf(x.numpy(), g.numpy(), 0.01, 0)),
    ):
        np.testing.assert_allclose(v, w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize(("direction", "_", "c"), BOTH)
def test_without_weight_or_neighbours_it_is_the_gradient(direction, _, c):
    x, g = batch(7)
    np.testing.assert_array_equal(direction(x, g, c=0.0), g)
    np.testing.assert_array_equal(direction(x[:1], g[:1], c=c), g[:1])


@pytest.mark.parametrize(("direction", "_", "c"), BOTH)
def test_permuting_the_batch_permutes_the_direction(direction, _, c):
    x, g = batch(12)
    order = np.random.default_rng(3).permutation(12)
    v = direction(x, g, c=c).numpy()
    w = direction(tf.gather(x, order), tf.gather(g, order), c=c)
    np.testing.assert_allclose(w, v[order], atol=1e-7)


def test_a_pixel_that_is_equal_everywhere_stays_without_gradient():
    x, g = (t.numpy() for t in batch(20))
    x[:, 2, 3, 1], g[:, 2, 3, 1] = 0.3, 0.0
    for direction, _, c in BOTH:
        assert (direction(tf.constant(x), tf.constant(g), c=c).numpy()[:, 2, 3, 1] == 0).all()


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


@pytest.mark.parametrize("count", [2, 5, 12])
def test_attraction_is_the_oracles_part_without_the_neighbours_gradients(count):
    x, g = batch(12, seed=count)
    few, grad = x.numpy()[:count], g.numpy()[:count]
    expected = grad + oracle.blob(few, 0 * grad, 1.1)
    found = directions.attraction(x, g, tf.range(12) < count, c=1.1)[:count]
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())
    alone = directions.attraction(x[:count], g[:count], c=1.1)
    np.testing.assert_allclose(alone, expected, atol=2e-6 * np.abs(expected).max())


def test_attraction_and_blob_draw_together_and_the_paper_drives_apart():
    x, _ = batch(8)
    middle = x - tf.reduce_mean(x, axis=0)
    zero = tf.zeros_like(x)
    for v, sign in [
        (directions.attraction(x, zero, c=1.0), -1),
        (directions.blob(x, zero, c=1.0), -1),
        (directions.blob(x, zero, c=1.0, formula="paper"), 1),
    ]:
        assert np.sign(tf.reduce_sum(v * middle)) == sign


def test_the_corrector_mixes_the_gradient_with_that_one_step_ahead():
    x, g = batch(3)
    v = directions.corrected(x, g, lambda ahead: 7.0 * ahead, step_size=0.02, share=0.1)
    expected = 0.1 * g + 0.9 * 7.0 * (x + 0.02 * tf.sign(g))
    np.testing.assert_allclose(v, expected, rtol=1e-5)
