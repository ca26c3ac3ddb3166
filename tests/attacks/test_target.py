import numpy as np
import pytest
import tensorflow as tf
from toys import images, linear_target

from daa import Bounds, Dataset, InputError, Target
from daa.attacks import losses
from daa.target import input_gradient, logits_gradient, predict


def test_bounds_map_there_and_back():
    bounds = Bounds(-1, 3)
    x = np.array([0, 0.25, 1], np.float32)
    np.testing.assert_array_equal(bounds.to_native(x), [-1, 0, 3])
    np.testing.assert_array_equal(bounds.from_native(np.array([-1, 0, 3])), x)
    assert bounds.from_native(np.array([-1, 0, 3])).dtype == np.float32


def test_a_network_sees_native_pixels():
    target = Target("test/range", lambda x: tf.reshape(x, [-1, 2]), (1, 2, 1), 2, Bounds(-1, 3))
    np.testing.assert_array_equal(target(tf.constant([[[[0.5], [1.0]]]])), [[1, 3]])


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("daa.target._BATCH", 9 * 16 * 4)  # nine images


def test_each_loss_has_the_gradient_of_its_sum(small_batches, target, x, y):
    for name in ("xent", "cw"):
        with tf.GradientTape() as tape:
            v = tf.constant(x)
            tape.watch(v)
            total = tf.reduce_sum(losses.LOSSES[name].function(target(v), y))
        expected = tape.gradient(total, v)
        gradient = input_gradient(target, x, y, losses.LOSSES[name].function)
        np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_logits_are_weighted_image_by_image(small_batches):
    target, w = linear_target()
    x, _ = images(10)
    weights = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    gradient = logits_gradient(target, x, weights)
    np.testing.assert_allclose(gradient, (weights @ w.T).reshape(x.shape), rtol=1e-5)


def test_a_network_may_choose_pixels():
    target = Target("test/chosen", lambda x: tf.gather(tf.reshape(x, [-1]), [[0, 1]]), (1, 2, 1), 2)
    slices = Target("test/rows", lambda x: tf.reshape(tf.gather(x, [0]), [1, 2]), (1, 2, 1), 2)
    for chosen in (target, slices):
        gradient = logits_gradient(
            chosen, np.zeros((1, 1, 2, 1), "f4"), np.array([[1.0, 3.0]], "f4")
        )
        np.testing.assert_array_equal(gradient.ravel(), [1, 3])


def test_predictions_do_not_depend_on_the_size_of_the_batches():
    target, w = linear_target()
    x, _ = images(11)
    np.testing.assert_allclose(predict(target, x, batch_size=4), x.reshape(11, 16) @ w, rtol=1e-5)


def test_a_data_set_begins_with_its_first_images():
    x, y = images(5)
    data = Dataset("test/data", x, y, "hash")
    first = data.first(2)
    np.testing.assert_array_equal(first.x, x[:2])
    np.testing.assert_array_equal(first.y, y[:2])
    assert (first.name, first.sha256) == ("test/data", "hash")
    assert data.first(None) is data
    for images_ in (0, -1, 6):
        with pytest.raises(InputError, match=f"images: expected 1 to 5, got {images_}"):
            data.first(images_)


def test_a_data_set_of_no_arrays_is_refused_in_one_line():
    x, _ = images(2)
    with pytest.raises(InputError, match=r"^a: labels: expected an array, got .*inhomogeneous"):
        Dataset("a", x, [[1], [1, 2]], "")
    with pytest.raises(InputError, match=r"data: name: expected printable characters, got 'a\\n'"):
        Dataset("a\n", x, [1, 2], "")
    with pytest.raises(InputError, match=r"^a: expected images \[N, H, W, C\] and labels \[N\]"):
        Dataset("a", x, [1, 2, 3], "")
