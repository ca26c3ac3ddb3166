import numpy as np
import pytest
import tensorflow as tf
from oracle import distances

from daa.attacks import kernels


def test_distances_match_the_definition():
    x = np.random.default_rng(0).random((31, 784)).astype(np.float32)
    np.testing.assert_allclose(kernels.squared_distances(x), distances(x), rtol=1e-5)


def test_identical_particles_have_distance_zero():
    x = np.random.default_rng(0).random((6, 784)).astype(np.float32)
    d = kernels.squared_distances(np.concatenate([x, x])).numpy()
    assert (np.diag(d, 6) == 0).all()
    assert (np.diag(d) == 0).all()
    assert (d[:6, :6][~np.eye(6, dtype=bool)] > 0).all()


def test_bandwidth_zero_couples_identical_particles_only():
    x = np.ones((5, 4), np.float32)
    x[4] = 0
    u, inverse_h2 = kernels.scaled_distances(tf.constant(x))
    assert inverse_h2 == 0
    k = np.exp(-u.numpy())
    np.testing.assert_array_equal(k[4], [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(k[0], [1, 1, 1, 1, 0])


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("m", [2, 3, 6, 17])
def test_the_median_is_the_same_on_a_gpu(m, gpu, monkeypatch):
    monkeypatch.setattr(kernels, "on_gpu", lambda: gpu)
    x = np.random.default_rng(m).random((m, 20)).astype(np.float32)
    d = kernels.squared_distances(x)
    np.testing.assert_allclose(kernels.median(d), np.median(d.numpy()), rtol=1e-6)


def test_near_particles_are_not_taken_for_identical():
    x = np.random.default_rng(0).random((20, 784)).astype(np.float32)
    near = x + np.float32(0.02) * np.random.default_rng(1).standard_normal(x.shape).astype("f4")
    both = np.concatenate([x, near])
    d = kernels.squared_distances(both).numpy()
    np.testing.assert_allclose(d, distances(both), rtol=1e-3)
    assert 0 < np.diag(d, 20).min() < 1e-2 * d.max()


def test_rows_that_fill_up_are_far_from_all_but_themselves():
    x = np.random.default_rng(0).random((6, 20)).astype(np.float32)
    few, inverse = kernels.scaled_distances(tf.constant(x[:4]))
    u, same = kernels.scaled_distances(tf.constant(x), real=tf.range(6) < 4)
    np.testing.assert_allclose(u[:4, :4], few, rtol=1e-5)
    np.testing.assert_allclose(same, inverse, rtol=1e-5)
    np.testing.assert_array_equal(np.diag(u), 0)
    others = u.numpy()[~np.eye(6, dtype=bool)].reshape(6, 5)
    assert (others[4:] > 1e3).all()
    assert (u.numpy()[:4, 4:] > 1e3).all()


def test_a_graph_for_xla_has_no_selection_and_the_next_one_has():
    x = tf.constant(np.random.default_rng(0).random((6, 20)), tf.float32)

    def operations() -> set[str]:
        graph = tf.function(lambda: kernels.median(kernels.squared_distances(x)))
        return {op.type for op in graph.get_concrete_function().graph.get_operations()}

    with kernels.traced_for_xla(True):
        assert "NthElement" not in operations()
    assert "NthElement" in operations()
