"""The released algorithm on a real robust network and real digits."""

import os

import numpy as np
import oracle
import pytest
import tensorflow as tf

import locuslab
from daa import Attack, AttackConfig, clean_accuracy
from daa.attacks import losses, starts
from daa.attacks.worst_case import margins

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ),
        reason="DAA_DATA or DAA_MODELS is not set",
    ),
]
EPS, STEP = 0.3, 0.01
RELEASED = [("blob", oracle.blob, 1.1), ("dgf", oracle.dgf, 0.001)]


@pytest.fixture(scope="module")
def robust():
    return locuslab.load_target("fast_pgd_mnist"), locuslab.load_dataset()


def released(target, direction, c, x, y, start, steps):
    """The released script's steps: float32 gradients, everything else in float64."""

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(losses.xent(target(x), y))
        return tape.gradient(loss, x)

    natural, adv = x.astype(np.float64), start.astype(np.float64)
    for _ in range(steps):
        grad = gradient(tf.constant(adv, tf.float32)).numpy()
        adv = adv + STEP * np.sign(direction(adv, grad, c))
        adv = np.clip(np.clip(adv, natural - EPS, natural + EPS), 0, 1)
    return adv


@pytest.mark.parametrize(("method", "direction", "c"), RELEASED)
@pytest.mark.parametrize("random_start", [True, False])
def test_a_visit_equals_the_released_steps(robust, method, direction, c, random_start):
    target, data = robust
    x, y = data.x[:200], data.y[:200]
    start = starts.uniform(x, np.random.default_rng(0), eps=EPS) if random_start else x
    ours = Attack(target, AttackConfig(method, steps=10))(x, y, first=start)
    theirs = released(target, direction, c, x, y, start, steps=10)
    assert (np.abs(ours - theirs) < STEP / 2).mean() >= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("method", "direction", "c"), RELEASED)
def test_accuracy_after_200_steps_equals_the_released_accuracy(robust, method, direction, c):
    """On 300 images in minibatches that are not shuffled, so that one oracle run is enough."""
    target, data = robust
    attack = Attack(target, AttackConfig(method, steps=200, steps_per_shuffle=200, batch_size=100))
    correct = np.zeros(2, int)
    for begin in (0, 100, 200):
        x, y = data.x[begin : begin + 100], data.y[begin : begin + 100]
        start = starts.uniform(x, np.random.default_rng(begin), eps=EPS)
        theirs = released(target, direction, c, x, y, start, steps=200)
        for k, adv in enumerate((attack(x, y, first=start), theirs.astype(np.float32))):
            correct[k] += (margins(target, adv, y) > 0).sum()
    assert abs(correct[0] - correct[1]) <= 1


def test_daa_breaks_more_real_digits_than_pgd(robust):
    target, data = robust
    data = data.first(200)
    accuracy = {
        method: clean_accuracy(target, Attack(target, config)(data.x, data.y), data.y)
        for method in ("pgd", "blob", "dgf")
        for config in [AttackConfig(method, steps=150)]
    }
    assert accuracy["blob"] < accuracy["pgd"] - 0.01
    assert accuracy["dgf"] < accuracy["pgd"] - 0.01
