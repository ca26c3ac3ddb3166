"""This project, Foolbox and ART make the same steps of PGD."""

import numpy as np
import pytest
import tensorflow as tf

from daa import Attack, AttackConfig

EPS, STEP, STEPS = 0.15, 0.02, range(1, 9)


@pytest.fixture(scope="module")
def iterates(network):
    """This project's PGD after 1, 2, ... steps."""
    target, data = network
    shared = {"eps": EPS, "step_size": STEP, "random_start": False}
    attacks = [Attack(target, AttackConfig("pgd", steps=steps, **shared)) for steps in STEPS]
    return [attack(data.x, data.y) for attack in attacks]


def same(found, iterates):
    for adv, expected in zip(found, iterates, strict=True):
        np.testing.assert_allclose(adv, expected, atol=2e-7)


def test_foolbox(network, iterates):
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed")
    target, data = network
    model = foolbox.TensorFlowModel(target, bounds=(0, 1), device="/CPU:0")
    x, y = tf.constant(data.x), tf.constant(data.y)
    options = {"abs_stepsize": STEP, "random_start": False}
    theirs = [foolbox.attacks.LinfPGD(steps=steps, **options) for steps in STEPS]
    same([attack.run(model, x, y, epsilon=EPS).numpy() for attack in theirs], iterates)


def test_art(network, iterates):
    pytest.importorskip("art", reason="adversarial-robustness-toolbox is not installed")
    from art.attacks.evasion import ProjectedGradientDescent
    from test_art import classifier_of

    target, data = network
    classifier = classifier_of(target)
    shared = {"eps": EPS, "eps_step": STEP, "batch_size": 50, "verbose": False}
    theirs = [ProjectedGradientDescent(classifier, max_iter=steps, **shared) for steps in STEPS]
    same([attack.generate(data.x, data.y) for attack in theirs], iterates)
