"""Adaptive DAA: its budget, its determinism, and what it is made for."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import config, images, labelled, linear_target, network

from daa import AttackConfig, InputError, Target, targets, worst_case
from daa.attacks import adaptive, ball
from daa.attacks.attack import Attack
from daa.attacks.worst_case import Job, local, margins, worst_cases

real = [
    pytest.mark.real,
    pytest.mark.skipif(
        not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ),
        reason="DAA_DATA or DAA_MODELS is not set",
    ),
]


def test_it_spends_its_budget_and_not_more():
    target = network()
    x, y = labelled(target)
    for budget in (12.0, 40.0):
        report = worst_case(target, AttackConfig("adaptive", eps=0.02, budget=budget), x, y)
        spent = report.gradients
        assert 0.8 * budget < spent.mean() <= budget
        assert spent.min() < spent.max()
        ball.check(report.adv, x, 0.02)
        found = margins(target, report.adv, y)
        np.testing.assert_array_equal(found > 0, report.correct_per_restart.all(axis=0))
        assert report.robust_accuracy[-1] == (found > 0).mean()


def test_a_seed_gives_the_same_result_and_another_one_another():
    target = network()
    x, y = labelled(target)
    a, b, c = (
        worst_case(target, AttackConfig("adaptive", eps=0.03, budget=30.0), x, y, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(a.adv, b.adv)
    np.testing.assert_array_equal(a.gradients, b.gradients)
    assert (a.adv != c.adv).any()


def test_logits_times_a_power_of_two_change_nothing():
    x, y = labelled(network())
    plain, scaled = (
        worst_case(network(factor=factor), AttackConfig("adaptive", eps=0.03, budget=30.0), x, y)
        for factor in (1.0, 1024.0)
    )
    np.testing.assert_array_equal(plain.adv, scaled.adv)
    np.testing.assert_array_equal(plain.robust_accuracy, scaled.robust_accuracy)


def test_it_goes_on_where_it_was_interrupted():
    target = network()
    x, y = labelled(target, 150)
    settings = AttackConfig("adaptive", eps=0.03, budget=40.0)
    reports = []
    whole = worst_case(target, settings, x, y, on_unit=reports.append)
    assert len(reports) > 4
    part = worst_case(target, settings, x, y, so_far=_copy(target, settings, x, y, 3))
    np.testing.assert_array_equal(part.adv, whole.adv)
    np.testing.assert_array_equal(part.margin, whole.margin)
    np.testing.assert_array_equal(part.gradients, whole.gradients)


def _copy(target, settings, x, y, units):
    """The report after some units."""
    for progress in worst_cases(target, [Job(settings)], x, y):
        if len(progress.report.history) == units:
            return progress.report
    raise AssertionError


def test_results_of_another_plan_are_refused():
    target = network()
    x, y = labelled(target, 150)
    settings = AttackConfig("adaptive", eps=0.03, budget=40.0)
    kept = _copy(target, settings, x, y, 3)
    history = (replace(kept.history[0], images=kept.history[1].images), *kept.history[1:])
    with pytest.raises(InputError, match=r"adaptive: unit 1: expected kept results .*start anew"):
        worst_case(target, settings, x, y, so_far=replace(kept, history=history))


def test_units_of_a_round_may_run_beside_each_other():
    target = network()
    x, y = labelled(target, 150)
    settings = AttackConfig("adaptive", eps=0.03, budget=40.0)

    def two_ahead(units):
        running = []
        while True:
            while len(running) < 2 and (unit := next(units, None)) is not None:
                running.append(unit)
            if not running:
                return
            yield from local(target, x, y)(iter([running.pop(0)]))

    found = worst_case(target, settings, x, y, engine=two_ahead)
    plain = worst_case(target, settings, x, y)
    np.testing.assert_array_equal(found.adv, plain.adv)


@pytest.mark.parametrize("n", [1, 3, 49, 60])
def test_few_images_and_two_classes_are_enough(n):
    target, _ = linear_target(classes=2)
    x, _ = images(n, classes=2)
    y = target(x).numpy().argmax(1)
    report = worst_case(target, AttackConfig("adaptive", eps=0.1, budget=30.0), x, y)
    assert report.gradients.mean() <= 30
    pgd = worst_case(target, config("pgd", "cw", keep="best"), x, y)
    assert report.robust_accuracy[-1] <= pgd.robust_accuracy[-1]


def test_images_that_are_wrong_already_cost_nothing_but_fill_up():
    target = network()
    x, y = labelled(target, 120)
    y[:20] = (y[:20] + 1) % 4
    report = worst_case(target, AttackConfig("adaptive", eps=0.01, budget=12.0), x, y)
    assert not report.correct_per_restart[:, :20].all() or (report.margin[:20] <= 0).all()
    assert report.robust_accuracy[-1] <= 100 / 120


def test_nothing_right_is_nothing_to_do():
    target = network()
    x, y = labelled(target, 20)
    with pytest.raises(InputError, match="method: expected an attack, got the plan 'adaptive'"):
        Attack(target, AttackConfig("adaptive"))
    report = worst_case(target, AttackConfig("adaptive"), x, (y + 1) % 4)
    assert report.gradients.sum() == 0
    assert report.clean_accuracy == 0


def test_it_stops_when_its_minutes_are_over():
    target = network()
    x, y = labelled(target, 100)
    settings = AttackConfig("adaptive", eps=0.001, budget=1e6, minutes=1e-4)
    report = worst_case(target, settings, x, y)
    assert 1 <= len(report.history) <= 4


def test_random_search_joins_where_gradients_bring_nothing():
    target = network()
    x, y = labelled(target, 100)

    def flat(x):
        return tf.round(20 * target.network(x)) / 20 + 0 * target.network(x)

    dead = Target("test/flat", flat, (4, 4, 1), 4)
    report = worst_case(dead, AttackConfig("adaptive", eps=0.1, budget=60.0), x, y)
    assert report.robust_accuracy[-1] < 1
    assert adaptive.DEAD < 1


@pytest.mark.parametrize("name", ["fast_pgd_mnist"])
def test_it_beats_pgd_at_a_fraction_of_its_gradients(name):
    target, data = (
        targets.load_target(f"locuslab/{name}"),
        targets.load_dataset(f"locuslab/{name}", images=500),
    )
    found = worst_case(target, AttackConfig("adaptive", budget=25.0), data.x, data.y)
    pgd = worst_case(target, AttackConfig("pgd", steps=100), data.x, data.y)
    assert found.gradients.mean() <= 25
    assert found.robust_accuracy[-1] < pgd.robust_accuracy[-1] - 0.03


test_it_beats_pgd_at_a_fraction_of_its_gradients.pytestmark += real
