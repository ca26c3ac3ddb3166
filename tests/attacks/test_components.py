from typing import Literal

import numpy as np
import pytest
import tensorflow as tf
from toys import images

from daa import Attack, AttackConfig, InputError, worst_case
from daa.attacks import ball, starts, steps
from daa.attacks.components import remembers
from daa.attacks.losses import LOSSES, Loss
from daa.attacks.methods import METHODS, Method
from daa.attacks.plans import Unit


def corner(x, rng, *, eps, side: Literal["up", "down"] = "up"):
    return x + np.float32(eps if side == "up" else -eps) * np.ones_like(x)


def next_class(y, target, *, shift: int = 1):
    return (y + shift) % target.classes, -1.0


@remembers(age=lambda x: np.zeros(len(x), np.float32))
def older(grad, memory, *, gain: float = 1.0):
    age = memory["age"] + 1.0
    return tf.abs(grad) ** gain * tf.sign(grad) * age[:, None, None, None], {"age": age}


@remembers(seen=np.zeros_like)
def halfway(adv, v, memory, *, length: float):
    return adv + length * tf.sign(v), {**memory, "seen": adv}


def twice(config, seed):
    yield Unit(config, seed, 0, np.arange(5))
    yield Unit(config, seed, 1, np.arange(5, 10))


@pytest.fixture
def dummy(monkeypatch):
    row = Method("Dummy", older, corner, next_class, halfway, twice, options={"length": 0.01})
    monkeypatch.setitem(METHODS, "dummy", row)
    monkeypatch.setitem(LOSSES, "square", Loss("square", lambda z, t: tf.reduce_sum(z, 1) ** 2))
    return row


def test_an_attack_of_new_parts_is_one_row(dummy, target):
    x, y = images(10)
    settings = AttackConfig("dummy", "square", eps=0.1, steps=3, batch_size=4, side="down")
    found = settings.settings()
    assert (found["gain"], found["length"], found["shift"]) == (1.0, 0.01, 1)
    assert AttackConfig.from_settings(found) == settings
    report = worst_case(target, settings, x, y)
    assert report.correct_per_restart.shape == (2, 10)
    np.testing.assert_array_equal(report.gradients, np.full(10, 3))
    ball.check(report.adv, x, 0.1)


def test_new_starts_and_steps_have_a_name_in_configs(target, monkeypatch):
    monkeypatch.setitem(starts.STARTS, "corner", corner)
    monkeypatch.setitem(steps.STEPS, "halfway", halfway)
    x, y = images(10)
    settings = AttackConfig("pgd", eps=0.1, steps=3, start="corner", step="halfway", length=0.01)
    ball.check(Attack(target, settings)(x, y), x, 0.1)
    with pytest.raises(InputError, match=r"step: expected one of fixed, .*, halfway, got 'none'"):
        AttackConfig("pgd", step="none")


@pytest.mark.parametrize("name", ["direction", "start", "step", "plan"])
def test_a_wrong_name_of_a_parameter_is_one_line_with_the_right_names(name, target, monkeypatch):
    def mine(gradd):
        """Not called."""

    monkeypatch.setitem(METHODS, "mine", Method("Mine", **{name: mine}))
    with pytest.raises(InputError, match=r"^mine: no value 'gradd'; its parameters can be .* x, "):
        worst_case(target, AttackConfig("mine"), *images(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": "left"}, "side: expected one of up, down, got 'left'"),
        ({"gain": "x"}, "gain: expected a finite number, got 'x'"),
        ({"shift": 0}, "shift: expected a whole number >= 1, got 0"),
        ({"step_size": 0.1}, "step_size: expected no such option for dummy, got 0.1"),
    ],
)
def test_the_types_of_new_options_are_checked(dummy, options, message):
    with pytest.raises(InputError, match=message):
        AttackConfig("dummy", **options)
