"""Boundaries, signs and costs that decide numbers."""

import numpy as np
import pytest
import toys

from daa import AttackConfig, InputError, Report, worst_case
from daa.attacks import aims, starts
from daa.attacks.attack import Attack
from daa.attacks.plans import Outcome
from daa.attacks.worst_case import Job
from daa.target import predict

TARGET, W = toys.linear_target()
X, Y = toys.images()


def test_both_starts_of_rand_fgsm():
    tramer = starts.rand_fgsm(X, np.random.default_rng(0), eps=0.2, rand_fgsm="tramer")
    np.testing.assert_allclose(np.abs(tramer - X), 0.1, atol=1e-6)
    uniform = starts.rand_fgsm(X, np.random.default_rng(0), eps=0.2)
    assert np.abs(uniform - X).max() > 0.15
    np.testing.assert_array_equal(uniform, starts.uniform(X, np.random.default_rng(0), eps=0.2))


def test_least_likely_descends_towards_the_lowest_logit():
    labels, sign = aims.given(X, Y, TARGET, None, targeted="least_likely")
    logits = predict(TARGET, X)
    np.testing.assert_array_equal(labels, logits.argmin(axis=1))
    assert sign == -1.0
    config = toys.config("pgd", targeted="least_likely")
    after = predict(TARGET, Attack(TARGET, config)(X, Y))
    rows = np.arange(len(X))
    assert ((after - logits)[rows, labels] > (after - logits)[rows, logits.argmax(axis=1)]).all()


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


def test_no_restart_is_refused():
    with pytest.raises(InputError, match="restarts"):
        Job(toys.config("pgd"), restarts=0)


def test_dlr_needs_three_classes():
    two, _ = toys.linear_target(classes=2)
    with pytest.raises(InputError, match="3"):
        Attack(two, toys.config("apgd", "dlr"))


def test_a_restart_on_robust_images_costs_half_a_gradient_for_its_judgement():
    config = toys.config("pgd", steps=4, restarts="standing")
    report = worst_case(TARGET, config, X, predict(TARGET, X).argmax(axis=1))
    assert set(report.gradients) == {4.5}


def test_a_clean_tie_is_misclassified():
    outcome = Outcome(None, np.array([1.0, 1.0], np.float32), 1.0)
    report = Report(X[:2], outcome.margin, np.array([0.0, 1.0], np.float32), (outcome,))
    assert report.robust_accuracy.tolist() == [0.5]
