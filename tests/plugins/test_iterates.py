"""This project, Foolbox and ART make the same steps of PGD in both norms."""

import numpy as np
import pytest
import tensorflow as tf

from daa import Attack, AttackConfig

# In L2, the libraries clip to the pixel range after the projection, so the steps stay in the ball.
EPS, STEP, STEPS = {"linf": 0.15, "l2": 0.9}, {"linf": 0.02, "l2": 0.1}, range(1, 9)


@pytest.fixture(scope="module", params=EPS)
def norm(request):
    return request.param


@pytest.fixture(scope="module")
def iterates(network, norm):
    """This project's PGD after 1, 2, ... steps."""
    target, data = network
    shared = {"eps": EPS[norm], "step_size": STEP[norm], "norm": norm, "random_start": False}
    attacks = [Attack(target, AttackConfig("pgd", steps=steps, **shared)) for steps in STEPS]
    return [attack(data.x, data.y) for attack in attacks]


def same(found, iterates):
    for adv, expected in zip(found, iterates, strict=True):
        np.testing.assert_allclose(adv, expected, atol=2e-6)


def test_foolbox(network, iterates, norm):
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed")
    target, data = network
    model = foolbox.TensorFlowModel(target, bounds=(0, 1), device="/CPU:0")
    x, y = tf.constant(data.x), tf.constant(data.y)
    options = {"abs_stepsize": STEP[norm], "random_start": False}
    pgd = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    theirs = [pgd(steps=steps, **options) for steps in STEPS]
    same([attack.run(model, x, y, epsilon=EPS[norm]).numpy() for attack in theirs], iterates)


def test_art(network, iterates, norm):
    pytest.importorskip("art", reason="adversarial-robustness-toolbox is not installed")
    from art.attacks.evasion import ProjectedGradientDescent
    from test_art import classifier_of

    target, data = network
    classifier = classifier_of(target)
    shared = {"eps": EPS[norm], "eps_step": STEP[norm], "norm": {"linf": np.inf, "l2": 2}[norm]}
    shared |= {"batch_size": 50, "verbose": False}
    theirs = [ProjectedGradientDescent(classifier, max_iter=steps, **shared) for steps in STEPS]
    same([attack.generate(data.x, data.y) for attack in theirs], iterates)
