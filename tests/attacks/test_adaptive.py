from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from toys import ahead, config, images, labelled, linear_target, network

from daa import AttackConfig, InputError, worst_case
from daa.attacks import adaptive, ball
from daa.attacks.attack import Attack
from daa.attacks.bandit import AdaptiveSettings
from daa.attacks.plans import Outcome, Report
from daa.attacks.worst_case import Job, margins, worst_cases

SETTINGS = AttackConfig("adaptive", eps=0.03, budget=40.0)
TARGET = network()
X, Y = labelled(TARGET)


def test_it_spends_its_budget_and_not_more():
    for budget in (12.0, 40.0):
        report = worst_case(TARGET, SETTINGS.replace(eps=0.02, budget=budget), X, Y)
        spent = report.gradients
        assert 0.8 * budget < spent.mean() <= budget
        assert spent.min() < spent.max()
        ball.check(report.adv, X, 0.02)
        found = margins(TARGET, report.adv, Y)
        np.testing.assert_array_equal(found > 0, report.correct_per_restart.all(axis=0))
        assert report.robust_accuracy[-1] == (found > 0).mean()


def test_a_seed_gives_the_same_result_and_another_one_another():
    a, b, c = (worst_case(TARGET, SETTINGS, X, Y, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.adv, b.adv)
    np.testing.assert_array_equal(a.gradients, b.gradients)
    assert (a.adv != c.adv).any()


def test_logits_times_a_power_of_two_change_nothing():
    plain, scaled = (worst_case(t, SETTINGS, X, Y) for t in (TARGET, network(factor=1024.0)))
    np.testing.assert_array_equal(plain.adv, scaled.adv)
    np.testing.assert_array_equal(plain.robust_accuracy, scaled.robust_accuracy)


def test_an_interrupted_attack_continues():
    x, y = labelled(TARGET, 150)
    events = worst_cases(TARGET, [Job(SETTINGS)], x, y)
    part = [next(events).report for _ in range(3)][-1]
    part = replace(part, adv=part.adv.copy(), margin=part.margin.copy())
    *_, last = events
    assert len(last.report.history) > 4
    resumed = worst_case(TARGET, SETTINGS, x, y, so_far=part)
    for name in ("adv", "margin", "gradients"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(last.report, name))
    history = (replace(part.history[0], images=part.history[1].images), *part.history[1:])
    message = "adaptive: unit 1: the stored results are for other .*start anew"
    with pytest.raises(InputError, match=message):
        worst_case(TARGET, SETTINGS, x, y, so_far=replace(part, history=history))


def test_the_units_of_a_round_may_run_in_parallel():
    x, y = labelled(TARGET, 150)
    parallel = worst_case(TARGET, SETTINGS, x, y, engine=ahead(TARGET, x, y, 2))
    np.testing.assert_array_equal(parallel.adv, worst_case(TARGET, SETTINGS, x, y).adv)


@pytest.mark.parametrize("n", [1, 3, 49, 60])
def test_few_images_and_two_classes_are_enough(n):
    target, _ = linear_target(classes=2)
    x, _ = images(n, classes=2)
    y = target(x).numpy().argmax(1)
    report = worst_case(target, AttackConfig("adaptive", eps=0.1, budget=30.0), x, y)
    assert report.gradients.mean() <= 30
    pgd = worst_case(target, config("pgd", "cw", keep="best"), x, y)
    assert report.robust_accuracy[-1] <= pgd.robust_accuracy[-1]


def test_nothing_right_is_nothing_to_do():
    with pytest.raises(InputError, match="method: expected an attack, got the plan 'adaptive'"):
        Attack(TARGET, AttackConfig("adaptive"))
    report = worst_case(TARGET, AttackConfig("adaptive"), X[:20], (Y[:20] + 1) % 4)
    assert report.gradients.sum() == 0
    assert report.clean_accuracy == 0


def lowered(report, unit, share=0.99):
    """No image becomes misclassified; all margins drop to a share of the clean margins."""
    margin = report.margin.copy()
    margin[unit.images] = np.minimum(margin[unit.images], share * report.natural[unit.images])
    outcome = Outcome(unit.images, margin[unit.images], unit.gradients)
    return Report(report.adv, margin, report.natural, (*report.history, outcome))


def planned(n=300, answer=lowered, lowest=-0.5, settings=AdaptiveSettings(), **changes):  # noqa: B008
    """The first units of a plan that receives the results of `answer`, and the clean margins."""
    config = AttackConfig("adaptive", eps=0.2, clip_range=False, **{"budget": 50.0, **changes})
    x, y = images(n)
    natural = np.linspace(lowest, 4, n).astype(np.float32)
    report = Report(x, np.where(natural > 0, np.inf, natural).astype("f4"), natural)
    plan = adaptive.adaptive(config, x, y, 3, report, settings, **dict(config.options))
    sent = []
    with suppress(StopIteration):
        unit = next(plan)
        while len(sent) < 60:
            sent.append(unit)
            report = answer(report, unit)
            unit = plan.send(report)
    return sent, natural


def test_a_plan_attacks_robust_images_and_stops_within_its_budget():
    sent, natural = planned()
    first = np.concatenate([unit.images for unit in sent[:3]])
    assert set(np.flatnonzero(natural > 0)) <= set(first.tolist())
    cost = sum(unit.gradients * len(unit.images) for unit in sent)
    assert 0.6 * 50 * 300 < cost + 0.5 * 300 <= 50 * 300
    assert [unit.restart for unit in sent] == list(range(len(sent)))
    median = np.median(natural[natural > 0])
    for unit in sent:
        scale = 2 if unit.config.method == "apgd" else 8
        assert unit.config.scale == pytest.approx(scale / median)
        assert len(unit.images) % 10 == 0  # complete minibatches
    # After the first round, most images of a unit are robust.
    assert all((natural[unit.images] > 0).mean() > 0.9 for unit in sent[3:])


def test_the_first_round_is_uniform_and_later_rounds_compare_two_first_images():
    sent, _ = planned()
    x, _ = images(300)
    uniform, compared = sent[0], sent[3]
    assert [unit.config.steps for unit in sent[:3]] == [5, 5, 5]
    # A forward pass evaluates each unit, and one more each version of its first images.
    assert [unit.overhead for unit in sent] == [0.5] * 3 + [1.5] * (len(sent) - 3)
    assert 0.15 < np.abs(uniform.first[0] - x[uniform.images]).max() <= 0.2001
    assert compared.first.shape[0] == 2
    moved, kicked = compared.first
    assert (kicked == x[compared.images]).mean() == pytest.approx(0.7, abs=0.05)
    assert np.abs(moved - x[compared.images]).max() <= 0.2001


@pytest.mark.parametrize("method", ["multitargeted", "apgd"])
def test_the_plan_learns_which_arm_breaks_images(method):
    def answer(report, unit):
        """Later attacks of one method break every second image, whatever its margin."""
        report = lowered(report, unit)
        last = report.history[-1]
        broken = (last.images % 2 == 0) & (unit.config.method == method) & (unit.restart >= 3)
        report.margin[last.images[broken]] = -1.0
        last = replace(last, margin=np.where(broken, -1, last.margin).astype("f4"))
        return replace(report, history=(*report.history[:-1], last))

    sent, _ = planned(1000, answer=answer, lowest=0.1, budget=40.0)
    methods = [unit.config.method for unit in sent for _ in unit.images]
    assert methods.count(method) > 0.5 * len(methods)


def test_perturbations_come_from_misclassified_images_outside_of_the_round():
    x, y = images(120)
    margin = np.linspace(-1, 2, 120).astype(np.float32)
    natural = np.ones(120, np.float32)
    natural[:10] = -1  # misclassified without an attack
    adv = x + 0.001 * np.arange(120, dtype=np.float32)[:, None, None, None]
    chosen = np.array([15, 16, 100])
    rng = np.random.default_rng(0)
    report = Report(adv, margin, natural)
    settings = SETTINGS.replace(eps=0.2)
    (moved,) = adaptive._firsts(chosen, chosen, x, 0 * y, report, rng, settings, ("transfer",))
    donors = np.rint(1000 * (moved - x[chosen]).mean(axis=(1, 2, 3))).astype(int)
    misclassified = set(np.flatnonzero((margin <= 0) & (natural > 0))) - {15, 16}
    assert set(donors) <= misclassified


def test_a_plan_ends_after_the_round_in_which_its_minutes_are_over(monkeypatch):
    clock = iter(range(0, 10**6, 100))  # each call takes 100 seconds
    monkeypatch.setattr(adaptive.time, "monotonic", lambda: next(clock))
    sent, _ = planned(minutes=3.5, budget=1000.0)
    rounds = {unit.restart: unit.config.steps for unit in sent}
    assert list(rounds.values())[:3] == [5, 5, 5] and 4 <= len(rounds) <= 6


def test_misclassified_images_in_a_minibatch_stay_within_the_budget():
    for budget in range(8, 40):
        sent, _ = planned(n=20, lowest=-4, budget=float(budget))
        cost = 0.5 * 20 + sum(unit.gradients * len(unit.images) for unit in sent)
        assert cost <= budget * 20


def test_the_model_knows_the_earlier_attacks_on_each_image(monkeypatch):
    described, features = [], adaptive.features

    def spy(margin, spent, tries, steps):
        described.append((spent.copy(), tries.copy()))
        return features(margin, spent, tries, steps)

    monkeypatch.setattr(adaptive, "features", spy)
    sent, natural = planned(budget=60.0)
    spent, tries = np.zeros(300), {}
    for unit, (steps, count) in zip(sent, described, strict=False):
        own = unit.images[natural[unit.images] > 0]
        before = tries.setdefault(unit.config.method, np.zeros(300))
        np.testing.assert_array_equal(steps, spent[own])
        np.testing.assert_array_equal(count, before[own])
        spent[own] += unit.config.steps
        before[own] += 1
    assert max(count.max() for _, count in described) > 1


def test_an_automatic_budget_ends_when_little_is_expected_from_50_more_gradients():
    config = SETTINGS.replace(eps=0.002, budget="auto")
    report = worst_case(TARGET, config, X, Y)
    assert 24 < report.gradients.mean() < 100
    assert 0 <= report.predicted < 2
    assert report.stopped == "expected"
    assert worst_case(TARGET, config.replace(budget=0.6), X, Y).predicted is None  # no round
    assert worst_case(TARGET, config.replace(budget=15), X, Y).stopped == "budget"
    assert worst_case(TARGET, config.replace(eps=1.0), X, Y).stopped == "broken"
    with pytest.raises(InputError, match=r"budget: expected .*a finite number or one of auto, got"):
        AttackConfig("adaptive", budget="full")


def test_target_classes_change_with_each_attack_on_an_image():
    sent, _ = planned(budget=400.0)
    count = np.zeros(300, int)
    for unit in sent:
        if unit.config.method == "multitargeted":
            np.testing.assert_array_equal(unit.ranks, count[unit.images])
            count[unit.images] += 1
    assert count.max() > 2


@pytest.mark.parametrize("drop", [False, True])
def test_random_search_is_an_arm_only_if_many_margins_are_constant(drop):
    def answer(report, unit):
        return lowered(report, unit, 0.99 if drop else 1.0)

    sent, _ = planned(lowest=0.1, budget=200.0, answer=answer)
    expected = {"blob", "multitargeted", "apgd"} | (set() if drop else {"square"})
    assert {unit.config.method for unit in sent} == expected
