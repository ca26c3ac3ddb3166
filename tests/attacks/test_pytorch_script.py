"""The attack of the authors' PyTorch script on the provable network, examples/attacks.py."""

import os

import numpy as np
import oracle
import pytest
import tensorflow as tf
from toys import images, linear_target

import locuslab
from daa import Attack, AttackConfig, InputError
from daa.attacks import directions, kernels, losses
from daa.attacks.worst_case import margins

SETTINGS = {
    "formula": "pytorch",
    "shuffle": "never",
    "random_start": False,
    "clip_range": False,
    "eps": 0.1,
    "step_size": 0.01,
    "steps": 20,
    "batch_size": 100,
}
BOTH = [("blob", 0.05), ("dgf", 0.0001)]


def script_direction(method, x, g, c):
    """What the script takes the sign of, in float64; `g` is the gradient of the summed loss."""
    m = len(x)
    theta, mean = (a.reshape(m, -1).astype(np.float64) for a in (x, g / m))
    d = oracle.distances(x)
    h2 = 0.5 * np.sort(d.ravel())[(m * m - 1) // 2] / np.log(m)  # torch.median is the lower one
    k = np.exp(-0.5 * d / h2)
    if method == "dgf":
        k *= d / (2 * h2) - 1
    dxk = -k @ theta + theta * k.sum(axis=1, keepdims=True)
    if method == "dgf":
        return (mean - c * dxk).reshape(x.shape)
    return (mean + c * -(k @ -mean + dxk / h2) / m).reshape(x.shape)


@pytest.mark.parametrize(("method", "c"), BOTH)
@pytest.mark.parametrize(("count", "padding"), [(3, 6), (4, 5), (8, 1), (4, 0), (8, 0), (33, 0)])
def test_directions_equal_the_script_and_ignore_padding_rows(method, c, count, padding):
    m = count + padding
    rng = np.random.default_rng(m)
    x = rng.random((m, 6, 5, 1)).astype(np.float32)
    g = (0.01 * rng.standard_normal(x.shape)).astype(np.float32)
    real = tf.range(m) < count if padding else None
    v = getattr(directions, method)(tf.constant(x), tf.constant(g), real, c=c, formula="pytorch")
    w = script_direction(method, x[:count], g[:count], c)
    np.testing.assert_allclose(v[:count], w, atol=2e-6 * np.abs(w).max())


@pytest.mark.parametrize("m", [2, 3, 4, 50, 51])
def test_the_lower_median_is_an_entry_of_the_matrix(m):
    x = np.random.default_rng(m).random((m, 20)).astype(np.float32)
    d = kernels.squared_distances(x)
    lower = np.sort(d.numpy().ravel())[(m * m - 1) // 2]
    assert kernels.median(d, lower=True).numpy() == lower


@pytest.mark.parametrize(("method", "c"), BOTH)
def test_minibatches_that_are_never_shuffled_keep_the_order_of_the_images(method, c):
    target, _ = linear_target()
    x, y = images(9)
    settings = AttackConfig(method, c=5000 * c, **{**SETTINGS, "batch_size": 3})
    whole = Attack(target, settings)(x, y, seed=1)
    parts = [Attack(target, settings)(x[k : k + 3], y[k : k + 3]) for k in (0, 3, 6)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_only_minibatches_of_particles_can_be_left_unshuffled():
    with pytest.raises(InputError, match="shuffle: expected no such option for pgd, got 'never'"):
        AttackConfig("pgd", shuffle="never")
    with pytest.raises(InputError, match="steps_per_shuffle: expected no such option for blob"):
        AttackConfig("blob", shuffle="never", steps_per_shuffle=10)
    with pytest.raises(InputError, match="batch_size: expected at least 2 particles, got 1"):
        AttackConfig("blob", shuffle="never", batch_size=1)
    assert "shuffle" not in AttackConfig("blob").settings()
    settings = AttackConfig("blob", **SETTINGS).settings()
    assert AttackConfig.from_settings(settings).settings() == settings


@pytest.mark.real
@pytest.mark.skipif(
    not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ), reason="DAA_DATA or DAA_MODELS is not set"
)
@pytest.mark.parametrize(("method", "c"), BOTH)
def test_the_attack_is_that_of_the_script_on_the_real_network(method, c):
    target, data = locuslab.load_target("wk_mnist"), locuslab.load_dataset().first(200)
    ours = Attack(target, AttackConfig(method, c=c, **SETTINGS))(data.x, data.y)
    theirs = []
    for begin in (0, 100):
        x, y = data.x[begin : begin + 100], data.y[begin : begin + 100]
        adv = x.astype(np.float64)
        for _ in range(SETTINGS["steps"]):
            seen = tf.constant(adv, tf.float32)
            with tf.GradientTape() as tape:
                tape.watch(seen)
                loss = tf.reduce_sum(losses.xent(target(seen), y))
            grad = tape.gradient(loss, seen).numpy()
            adv += SETTINGS["step_size"] * np.sign(script_direction(method, adv, grad, c))
            adv = x + np.clip(adv - x, -SETTINGS["eps"], SETTINGS["eps"])
        theirs.append(adv)
    theirs = np.concatenate(theirs).astype(np.float32)
    assert (np.abs(ours - theirs) < SETTINGS["step_size"] / 2).mean() >= 0.99
    apart = (margins(target, ours, data.y) > 0) != (margins(target, theirs, data.y) > 0)
    assert apart.sum() <= 1
