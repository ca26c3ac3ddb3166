"""The released algorithms on real robust networks and real digits."""

import os
from functools import partial

import numpy as np
import oracle
import pytest
import tensorflow as tf

import locuslab
from daa import Attack, AttackConfig, clean_accuracy, worst_case
from daa.attacks import losses, starts
from daa.attacks.worst_case import margins

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ),
        reason="DAA_DATA or DAA_MODELS is not set",
    ),
]
TORCH = {"formula": "pytorch", "shuffle": "never", "clip_range": False, "eps": 0.1, "steps": 20}


@pytest.fixture(scope="module")
def robust():
    return locuslab.load_target("fast_pgd_mnist"), locuslab.load_dataset()


def released(target, config, direction, x, y, start):
    """The released script's steps: float32 gradients, everything else in float64."""

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(losses.xent(target(x), y))
        return tape.gradient(loss, x)

    natural, adv = x.astype(np.float64), start.astype(np.float64)
    for _ in range(config.steps):
        grad = gradient(tf.constant(adv, tf.float32)).numpy()
        adv = adv + 0.01 * np.sign(direction(adv, grad, config.c))
        adv = np.clip(adv, natural - config.eps, natural + config.eps)
        adv = np.clip(adv, 0, 1) if config.clip_range else adv
    return adv.astype(np.float32)


@pytest.mark.parametrize(
    ("network", "config", "direction"),
    [
        ("fast_pgd_mnist", AttackConfig("blob", steps=10), oracle.blob),
        ("fast_pgd_mnist", AttackConfig("dgf", steps=10), oracle.dgf),
        (
            "wk_mnist",
            AttackConfig("blob", c=0.05, **TORCH),
            partial(oracle.pytorch, method="blob"),
        ),
        ("wk_mnist", AttackConfig("dgf", c=1e-4, **TORCH), partial(oracle.pytorch, method="dgf")),
    ],
)
def test_images_equal_those_of_the_released_steps(network, config, direction):
    target, data = locuslab.load_target(network), locuslab.load_dataset().first(100)
    ours = Attack(target, config)(data.x, data.y, first=data.x)
    theirs = released(target, config, direction, data.x, data.y, data.x)
    assert (np.abs(ours - theirs) < 0.005).mean() >= 0.995
    apart = (margins(target, ours, data.y) > 0) != (margins(target, theirs, data.y) > 0)
    assert apart.sum() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("method", "direction"), [("blob", oracle.blob), ("dgf", oracle.dgf)])
def test_accuracy_after_200_steps_equals_the_released_accuracy(robust, method, direction):
    """On 300 images in minibatches that are not shuffled, so that one oracle run is enough."""
    target, data = robust
    config = AttackConfig(method, steps=200, steps_per_shuffle=200, batch_size=100)
    correct = np.zeros(2, int)
    for begin in (0, 100, 200):
        x, y = data.x[begin : begin + 100], data.y[begin : begin + 100]
        start = starts.uniform(x, np.random.default_rng(begin), eps=0.3)
        theirs = released(target, config, direction, x, y, start)
        for k, adv in enumerate((Attack(target, config)(x, y, first=start), theirs)):
            correct[k] += (margins(target, adv, y) > 0).sum()
    assert abs(correct[0] - correct[1]) <= 1


def test_daa_breaks_more_real_digits_than_pgd(robust):
    target, data = robust
    x, y = data.x[:200], data.y[:200]
    attacks = [Attack(target, AttackConfig(name, steps=150)) for name in ("pgd", "blob", "dgf")]
    pgd, blob, dgf = (clean_accuracy(target, attack(x, y), y) for attack in attacks)
    assert max(blob, dgf) < pgd - 0.01


def test_adaptive_daa_beats_pgd_at_a_fraction_of_its_gradients(robust):
    target, data = robust
    x, y = data.x[:500], data.y[:500]
    report = worst_case(target, AttackConfig("adaptive", budget=25.0), x, y)
    pgd = worst_case(target, AttackConfig("pgd", steps=100), x, y)
    assert report.gradients.mean() <= 25
    assert report.robust_accuracy[-1] < pgd.robust_accuracy[-1] - 0.03
