"""The released algorithm on a real robust network and real digits."""

import os

import numpy as np
import oracle
import pytest
import tensorflow as tf

import locuslab
from daa import Attack, AttackConfig, worst_case
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
def test_accuracy_after_200_steps_equals_the_released_one(robust, method, direction, c):
    """On 1,000 images in minibatches that are kept together, so that one oracle run is enough."""
    target, data = robust
    attack = Attack(target, AttackConfig(method, steps=200, steps_per_shuffle=200))
    correct = np.zeros((2, 1000), bool)
    for begin in range(0, 1000, 200):
        part = slice(begin, begin + 200)
        x, y = data.x[part], data.y[part]
        start = starts.uniform(x, np.random.default_rng(begin), eps=EPS)
        ours = attack(x, y, first=start)
        theirs = released(target, direction, c, x, y, start, steps=200)
        for k, adv in enumerate((ours, theirs.astype(np.float32))):
            correct[k, part] = margins(target, adv, y) > 0
    ours, theirs = 100 * correct.mean(axis=1)
    assert abs(ours - theirs) <= 0.2


def test_daa_breaks_more_real_digits_than_pgd(robust):
    target, data = robust
    data = data.first(500)
    accuracy = {
        method: worst_case(target, AttackConfig(method), data.x, data.y).robust_accuracy[-1]
        for method in ("pgd", "blob", "dgf")
    }
    assert accuracy["blob"] < accuracy["pgd"]
    assert accuracy["dgf"] < accuracy["pgd"]
