"""Attacks in other norms than L-infinity."""

from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf
from toys import config, labelled, network

from daa import AttackConfig, InputError, Target, worst_case
from daa.attacks import ball, ball_l2, starts
from daa.attacks.balls import BALLS
from daa.attacks.methods import METHODS, Method

EPS = 0.3


def planes():
    """A linear network, images and their L2 distances to the nearest other class.

    The images lie at least 0.3 inside the pixel range. The distances leave a gap around EPS.
    """
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(16)
    normal /= np.linalg.norm(normal)
    w = np.stack([normal, -normal, 0 * normal, 0 * normal], axis=1).astype(np.float32)
    bias = tf.constant([0, 0, -50, -50], tf.float32)
    target = Target("planes", lambda x: tf.reshape(x - 0.5, [-1, 16]) @ w + bias, (4, 4, 1), 4)
    distance = np.concatenate([np.linspace(0.05, 0.24, 20), np.linspace(0.301, 0.6, 20)])
    side = np.where(np.arange(40) % 2 == 0, 1, -1)
    along = 0.02 * rng.standard_normal((40, 16))
    along -= (along @ normal)[:, None] * normal
    x = 0.5 + along + (side * distance)[:, None] * normal
    return target, x.reshape(40, 4, 4, 1).astype(np.float32), (side < 0).astype(int), distance


# The particles turn the direction a little; Rand+FGSM makes one step from a random point.
OPTIONS = {"adaptive": {"budget": 40.0}, "square": {"steps": 400}}
OPTIONS |= {name: {"c": 0.01} for name in ("blob", "attraction")}


@pytest.mark.parametrize("method", sorted({*METHODS} - {"rand_fgsm"}))
def test_every_method_reaches_the_exact_accuracy_of_a_linear_model(method):
    target, x, y, distance = planes()
    options = {"step_size": 0.05} if "step_size" in METHODS[method].defaults() else {}
    attack = config(method, norm="l2", **{"eps": EPS, **options, **OPTIONS.get(method, {})})
    report = worst_case(target, attack, x, y)
    np.testing.assert_array_equal(report.margin > 0, distance > EPS)
    ball_l2.check(report.adv, x, attack.eps)


def test_a_start_along_signs_has_the_length_of_the_radius():
    _, x, _, _ = planes()
    rng = np.random.default_rng(0)
    for start in (starts.signs, starts.stripes):
        moved = start(x, rng, ball_l2, eps=EPS)
        np.testing.assert_allclose(ball_l2.distance(moved, x), EPS, rtol=1e-5)
    moved = starts.rand_fgsm(x, rng, ball_l2, eps=EPS, rand_fgsm="tramer")
    np.testing.assert_allclose(ball_l2.distance(moved, x), EPS / 2, rtol=1e-5)


def test_the_norm_is_a_setting_that_old_records_do_not_have():
    attack = AttackConfig("pgd", eps=2.0, norm="l2")
    assert attack.settings()["norm"] == "l2"
    assert AttackConfig.from_settings(attack.settings()) == attack
    assert "norm" not in AttackConfig("pgd").settings()
    assert AttackConfig.from_settings(AttackConfig("pgd").settings()).norm == "linf"


def test_a_radius_beyond_the_diagonal_of_the_images():
    with pytest.raises(InputError, match=r"eps: expected at most 4 for test/relu, got 4.5"):
        worst_case(network(), config("pgd", eps=4.5, norm="l2"), *labelled(network(), 5))


def test_a_method_for_one_norm_only(monkeypatch):
    def signed(adv, v, *, eps: float):
        return adv + eps * tf.sign(v)

    monkeypatch.setitem(METHODS.data, "signed", Method("Signed", step=signed, steps=1))
    AttackConfig("signed")
    with pytest.raises(InputError, match="norm: signed is an L-infinity attack, because signed"):
        AttackConfig("signed", norm="l2")


def half_bounds(x, eps, *, clip_range=True):
    """L-infinity on every second row of the image."""
    even = np.arange(x.shape[1])[:, None, None] % 2 == 0
    return tuple(np.where(even, edge, x) for edge in ball.bounds(x, eps, clip_range=clip_range))


def half_inside(adv, x, eps, *, clip_range=True):
    return np.clip(adv, *half_bounds(x, eps, clip_range=clip_range))


@pytest.mark.parametrize("method", ["pgd", "apgd", "blob", "square", "adaptive"])
def test_a_third_norm_is_a_module_and_a_row(monkeypatch, method):
    half = ModuleType("half")
    vars(half).update(vars(ball), bounds=half_bounds, inside=half_inside)
    monkeypatch.setitem(BALLS, "half", half)
    target = network()
    x, y = labelled(target, 40)
    options = {"budget": 30.0} if method == "adaptive" else {}
    report = worst_case(target, config(method, norm="half", **options), x, y)
    change = np.abs(report.adv - x)
    assert not change[:, 1::2].any()
    assert change[:, ::2].max() == pytest.approx(0.1)
    assert report.robust_accuracy[-1] < 1
