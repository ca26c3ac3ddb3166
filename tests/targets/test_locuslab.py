"""The locuslab networks: logits, precisions, weights, published accuracies."""

import os

import numpy as np
import pytest
import tensorflow as tf
from toys import random_arrays

import locuslab
from daa import AttackConfig, worst_case
from daa.attacks.worst_case import clean_accuracy
from locuslab import model

real = pytest.mark.real
needs_files = pytest.mark.skipif(
    not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ), reason="DAA_DATA or DAA_MODELS is not set"
)
ARRAYS = random_arrays(model.VARIABLES)


def test_the_own_network_is_robust_without_any_files(tmp_path):
    """On the embedded images; the README has the accuracy on all images."""
    target = locuslab.load_target("own_mnist", model_dir=tmp_path)
    assert target.provenance == "own"
    data = locuslab.load_dataset("test", tmp_path, images=100)
    assert clean_accuracy(target, data.x, data.y) >= 0.97
    pgd = AttackConfig("pgd", eps=0.3, step_size=0.03, steps=20)
    assert 0.8 < worst_case(target, pgd, data.x, data.y).robust_accuracy[-1] < 0.97


def test_half_precision_leaves_the_first_layer_and_so_the_images_in_float32():
    arrays = model.to_tensorflow(ARRAYS)
    variables = model.half({name: tf.constant(value) for name, value in arrays.items()})
    types = {name: value.dtype.name for name, value in variables.items()}
    first = {"0.weight", "0.bias"}
    assert types == {k: "float32" if k in first else "bfloat16" for k in model.VARIABLES}
    # A change that bfloat16 would round away leaves the first layer.
    x = tf.fill([1, 28, 28, 1], 0.5)
    seen = [model.convolve(image, variables["0.weight"]).numpy() for image in (x, x + 1e-4)]
    assert (seen[0] != seen[1]).all()


def test_both_forms_of_the_convolution_and_their_gradients_agree():
    rng = np.random.default_rng(2)
    x, kernel = tf.constant(rng.random((3, 14, 14, 5))), tf.constant(rng.random((4, 4, 5, 6)))
    upstream = tf.constant(rng.standard_normal((3, 7, 7, 6)))

    def value_and_gradient(convolve):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = convolve(x, kernel)
        return value, tape.gradient(value, x, output_gradients=upstream)

    expected, actual = (value_and_gradient(f) for f in (model.convolve, model.blockwise))
    np.testing.assert_allclose(actual[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(actual[1], expected[1], atol=1e-12)


@real
@needs_files
@pytest.mark.parametrize(
    ("name", "clean"), [("fast_pgd_mnist", 0.9899), ("wk_mnist", 0.982), ("wk17a_mnist", 0.9811)]
)
def test_clean_accuracy_is_the_published_one(name, clean):
    data = locuslab.load_dataset()
    accuracy = clean_accuracy(locuslab.load_target(name), data.x, data.y)
    assert accuracy == pytest.approx(clean, abs=5e-5)


@real
@needs_files
def test_no_attack_gets_below_the_exact_robust_accuracy():
    row = locuslab.FAMILY.row("wk17a_mnist")
    target, data = locuslab.load_target("wk17a_mnist"), locuslab.load_dataset()
    config = AttackConfig("pgd", loss="cw", eps=row.eps, step_size=0.03, steps=10)
    report = worst_case(target, config, data.x, data.y)
    exact = row.robust.accuracy
    assert exact <= report.robust_accuracy[-1] < exact + 0.005
