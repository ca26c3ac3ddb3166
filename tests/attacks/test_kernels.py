import numpy as np
import pytest
import tensorflow as tf
from oracle import distances

from daa.attacks import kernels


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_distances_match_the_definition_for_equal_and_near_particles_too(noise):
    x = np.random.default_rng(0).random((20, 784)).astype(np.float32)
    near = x + np.float32(noise) * np.random.default_rng(1).standard_normal(x.shape).astype("f4")
    both = np.concatenate([x, near])
    d, expected = kernels.squared_distances(both).numpy(), distances(both)
    np.testing.assert_allclose(d, expected, rtol=1e-3)  # exactly 0 for equal particles
    far = expected > 1
    np.testing.assert_allclose(d[far], expected[far], rtol=1e-5)


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("m", [2, 3, 4, 6, 17, 50, 51])
def test_both_medians_are_the_same_on_a_gpu(m, lower, gpu, monkeypatch):
    monkeypatch.setattr(kernels, "on_gpu", lambda: gpu)
    x = np.random.default_rng(m).random((m, 20)).astype(np.float32)
    d = kernels.squared_distances(x)
    entries = np.sort(d.numpy().ravel())
    expected = entries[(m * m - 1) // 2] if lower else np.median(entries)
    np.testing.assert_allclose(kernels.median(d, lower=lower), expected, rtol=0 if lower else 1e-6)


def test_padding_rows_are_far_from_all_other_rows():
    x = tf.constant(np.random.default_rng(0).random((6, 20)), tf.float32)
    u, _ = kernels.scaled_distances(x, real=tf.range(6) < 4)
    far = ~np.eye(6, dtype=bool)
    far[:4, :4] = False
    np.testing.assert_array_equal(u > 1e3, far)


def test_a_graph_for_xla_has_no_selection_and_the_next_one_has():
    x = tf.constant(np.random.default_rng(0).random((6, 20)), tf.float32)

    def operations() -> set[str]:
        graph = tf.function(lambda: kernels.median(kernels.squared_distances(x)))
        return {op.type for op in graph.get_concrete_function().graph.get_operations()}

    with kernels.traced_for_xla(True):
        assert "NthElement" not in operations()
    assert "NthElement" in operations()
