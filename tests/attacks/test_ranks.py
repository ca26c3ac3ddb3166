"""Attacks on vectors and volumes; a linear network of two classes has a known worst case."""

import numpy as np
import pytest
import tensorflow as tf
from toys import config, images, linear_target, optimum

from daa import InputError, Target, evaluate, worst_case
from daa.attacks import ball
from daa.targets import user_data, user_models

SHAPES = [(16,), (2, 2, 4, 1)]


METHODS = ["pgd", "momentum", "blob", "dgf", "apgd", "odi", "multitargeted", "adaptive"]


@pytest.mark.parametrize("method", METHODS)
def test_the_rank_changes_nothing(method):
    x, y = images(20)
    steps = {"budget": 20} if method == "adaptive" else {}
    attack = config(method, **steps)
    expected = worst_case(linear_target()[0], attack, x, y).adv
    for shape in [(16,), (1, 4, 4, 1)]:
        adv = worst_case(linear_target(shape=shape)[0], attack, x.reshape(20, *shape), y).adv
        np.testing.assert_array_equal(adv.reshape(x.shape), expected)


@pytest.mark.parametrize("shape", [*SHAPES, (4, 4, 1)], ids=str)
def test_random_search_has_the_worst_case_of_a_linear_network(shape):
    target, w = linear_target(2, shape)
    x, y = images(20, shape, 2)
    attack = config("square", steps=1000)
    report = worst_case(target, attack, x, y)
    ball.check(report.adv, x, attack.eps)
    z = optimum(x, y, w).reshape(20, -1) @ (w[:, 0] - w[:, 1])
    right = report.natural > 0
    np.testing.assert_allclose(report.margin[right], np.where(y == 0, z, -z)[right], atol=0.02)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_evaluation_has_no_figure_of_images(shape, tmp_path):
    target, _ = linear_target(2, shape)
    x, _ = images(40, shape, 2)
    y = target(x).numpy().argmax(axis=1)
    report = evaluate(target, x, y, eps=0.3, budget=8, out=tmp_path, progress=False)
    assert report.adv.shape == x.shape and report.robust_accuracy < 1
    assert (tmp_path / "accuracy.png").exists() and not (tmp_path / "worst.png").exists()
    assert (tmp_path / "index.html").exists()


def test_channels_first_and_wrong_ranks():
    x = np.random.default_rng(0).random((3, 2, 5, 6, 7), dtype=np.float32)
    data, _ = user_data.dataset(x, [0, 1, 0], data_format="channels_first")
    np.testing.assert_array_equal(data.x, np.moveaxis(x, 1, -1))
    options = {"image_shape": data.x.shape[1:], "data_format": "channels_first"}
    target = user_models.load(lambda x: 9 * tf.reshape(x, [-1, 420]) - 2, **options)
    np.testing.assert_allclose(target(data.x), 9 * x.reshape(3, 420) - 2, atol=1e-5)
    for shape in [(), (2, 3), (2, 3, 4, 5, 6), (0,)]:
        with pytest.raises(InputError, match=r"image_shape: expected \(H, W, C\), \(F,\) or \(D, "):
            Target("t", lambda x: x, shape, 3)
