import numpy as np
import pytest
import tensorflow as tf
from oracle import distances

from daa import kernels


@pytest.mark.parametrize("m", [2, 3, 4, 5, 50, 51, 200])
def test_median_is_that_of_the_whole_matrix(m):
    x = np.random.default_rng(m).random((m, 20)).astype(np.float32)
    d = kernels.squared_distances(x)
    np.testing.assert_allclose(kernels.median(d), np.median(d.numpy()), rtol=1e-6)


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
