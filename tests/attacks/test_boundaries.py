"""Boundaries, signs and costs that decide numbers."""

import numpy as np
import pytest
import toys

from daa import AttackConfig, InputError, worst_case
from daa.attacks import starts
from daa.target import predict

TARGET, W = toys.linear_target()
X, Y = toys.images()


def test_both_starts_of_rand_fgsm():
    tramer = starts.rand_fgsm(X, np.random.default_rng(0), eps=0.2, rand_fgsm="tramer")
    np.testing.assert_allclose(np.abs(tramer - X), 0.1, atol=1e-6)
    uniform = starts.rand_fgsm(X, np.random.default_rng(0), eps=0.2)
    assert np.abs(uniform - X).max() > 0.15
    np.testing.assert_array_equal(uniform, starts.uniform(X, np.random.default_rng(0), eps=0.2))


def test_the_largest_radius_and_step_are_allowed():
    config = AttackConfig("pgd", eps=1.0, step_size=1.0, steps=1)
    assert (config.eps, config.step_size) == (1.0, 1.0)
    with pytest.raises(InputError, match="step_size"):
        AttackConfig("pgd", eps=0.5, step_size=0.6)


def test_a_config_has_the_options_of_all_methods_and_no_others():
    config = AttackConfig("pgd", steps=7)
    assert (config.steps, config.decay, hasattr(config, "stepz")) == (7, None, False)
    with pytest.raises(AttributeError):
        config.steps = 8


def test_a_restart_on_robust_images_costs_half_a_gradient_for_its_judgement():
    config = toys.config("pgd", steps=4, restarts="standing")
    report = worst_case(TARGET, config, X, predict(TARGET, X).argmax(axis=1))
    assert set(report.gradients) == {4.5}
