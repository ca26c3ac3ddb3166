"""The parts of Adaptive DAA: which images, which arm, from where, and what is learnt."""

from functools import partial

import numpy as np
import pytest
from toys import images

from daa import AttackConfig
from daa.attacks import adaptive, ball
from daa.attacks.adaptive import Reach
from daa.attacks.bandit import Arm, attack_of, dealt, learn, portfolio
from daa.attacks.plans import Outcome, Report

CONFIG = AttackConfig("adaptive", eps=0.2, clip_range=False, precision="bfloat16", budget=50.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_arms_attack_as_the_config_says_in_every_round():
    for arm in portfolio(CONFIG, batch=50, margin=3.2):
        for k in (0, 1, 2, 5):
            _, lengths, _ = adaptive._round(k)
            found = attack_of(CONFIG, arm, 10, lengths)
            assert (found.eps, found.clip_range, found.precision) == (0.2, False, "bfloat16")
            scale = 0.625 if found.method == "apgd" else 2.5
            assert (found.batch_size, found.keep, found.scale) == (50, "best", scale)
            assert found.steps == (20 if found.method == "square" else 10)
            if arm.lengths is not None:
                expected = adaptive.OPENING[k][1:3] if k < 2 else arm.lengths
                assert (found.first_step, found.last_step) == expected


def test_rounds_take_whole_minibatches_of_the_first_images_or_fill_them_with_others():
    order = np.arange(200, 80, -1)

    def filled(order, most, n, room=300):
        return adaptive._filled(order, most, room=room, n=n, batch=50, rng=rng())

    np.testing.assert_array_equal(filled(order, 101, 300), order[:100])
    np.testing.assert_array_equal(filled(order, 60, 300), order[:50])
    every = filled(order, 120, 300)
    np.testing.assert_array_equal(every[:120], order)
    assert len(every) == len(set(every.tolist())) == 150
    assert len(filled(order, 120, 300, room=130)) == 130
    few = filled(np.arange(20), 50, 30)
    assert sorted(few.tolist()) == list(range(30))


def test_arms_get_shares_by_their_record_interleaved():
    arms = [Arm({}, reward=500.0, gradients=1000.0), Arm({}, gradients=1e6)]
    parts = dealt(arms, 1000, batch=50, even=False, rng=rng())
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))
    assert len(parts[0]) == 950
    halves = dealt([Arm({}), Arm({})], 200, batch=50, even=True, rng=rng())
    assert [len(rows) for rows in halves] == [100, 100]
    # Both halves of the order go to both arms.
    assert all(40 < (rows < 100).sum() < 60 for rows in halves)


def test_images_with_small_margins_come_first_and_those_that_withstood_later():
    margin, standing = np.array([3.0, 1.0, 9.0, 1.5, -1.0]), np.array([0, 1, 2, 3])
    tries = np.array([0.0, 2.5, 0.0, 0.0, 0.0])
    order = adaptive._order(rng(), standing, margin, 0 * tries)
    assert order.tolist() == [1, 3, 0, 2]
    # 25 steps double a margin, 62.5 steps make it 3.5 times as large.
    assert adaptive._order(rng(), standing, margin, tries).tolist() == [3, 0, 1, 2]


def test_what_rounding_keeps_from_an_arm_it_gets_later():
    arms = [Arm({}, reward=5e3, gradients=1e4), Arm({}, gradients=1e7)]
    counts = [len(dealt(arms, 100, batch=50, even=False, rng=rng(k))[1]) for k in range(30)]
    assert 0 < sum(counts) < 500


def report_of(n=120):
    x, y = images(n)
    margin = np.linspace(-1, 2, n).astype(np.float32)
    natural = np.ones(n, np.float32)
    natural[:10] = -1
    adv = np.clip(x + np.float32(0.05), 0, 1)
    return x, y, Report(adv, margin, natural)


def test_donors_are_broken_by_an_attack_and_none_of_this_round():
    x, y, report = report_of()
    chosen = np.array([15, 16, 100])
    found, labels, moved = adaptive._donors(chosen, x, y, report, rng())
    broken = np.flatnonzero(report.margin <= 0)
    expected = [k for k in broken if k >= 10 and k not in (15, 16)]
    np.testing.assert_array_equal(found, x[expected])
    np.testing.assert_array_equal(labels, y[expected])
    np.testing.assert_array_equal(moved, report.adv[expected] - x[expected])


def test_donors_are_a_thousand_at_most():
    x, y, report = report_of(2500)
    low = Report(report.adv, np.full(2500, -1, np.float32), np.ones(2500, np.float32))
    found, _, _ = adaptive._donors(np.arange(5), x, y, low, rng())
    assert len(found) == 1000


def test_rounds_start_anew_go_on_or_compare_several_versions():
    x, y, report = report_of()
    chosen = np.arange(60, 110)
    lower, upper = ball.bounds(x[chosen], 0.2, clip_range=False)
    first = adaptive._firsts(0, chosen, x, y, report, rng(), 0.2)
    assert first.shape == (1, 50, 4, 4, 1)
    assert 0.15 < np.abs(first[0] - x[chosen]).max() <= 0.2001
    second = adaptive._firsts(1, chosen, x, y, report, rng(), 0.2)
    np.testing.assert_array_equal(second, report.adv[chosen][None])
    moved, kicked = adaptive._firsts(2, chosen, x, y, report, rng(), 0.2)
    assert ((kicked == report.adv[chosen]).mean()) == pytest.approx(0.7, abs=0.05)
    assert (moved != report.adv[chosen]).any()
    for versions in (moved, kicked):
        assert (versions >= lower - 1e-6).all()
        assert (versions <= upper + 1e-6).all()


def test_an_arm_learns_what_it_broke_and_lowered_and_forgets():
    arms = [Arm({}, reward=10.0, gradients=100.0), Arm({}, reward=1.0)]
    before = np.array([2.0, 1.0, -1.0, 4.0, 3.0])
    parts = [np.array([0, 2, 3, 4]), np.array([1])]
    outcomes = [
        Outcome(None, np.array([-1.0, -2.0, 3.0, 3.5], np.float32), 20.0),
        Outcome(None, np.array([0.0], np.float32), 5.0),
    ]
    fallen, dead = learn(arms, parts, before, iter(outcomes))
    assert sorted(fallen.tolist()) == [0, 1]
    assert arms[0].reward == pytest.approx(8.0 + 1.0 + 0.03 * 0.25)
    assert arms[0].gradients == 80 + 4 * 20
    assert arms[1].reward == pytest.approx(0.8 + 1.0)
    assert arms[1].gradients == 5
    assert dead == 1 / 4  # of four that stood, the last one's margin did not drop
    later = [np.array([0]), np.array([], int)]
    learn(arms, later, before, iter([Outcome(None, np.ones(1, np.float32), 5.0)]))
    assert arms[1].gradients == 4


def test_the_next_round_is_as_wide_as_the_places_where_images_fell():
    reach = partial(adaptive._reach, batch=50, standing=1000)
    width = int(1.25 * 90) + 1
    assert reach(Reach(200), np.arange(101), 200, first=False) == Reach(width)
    assert reach(Reach(50, 4, 100, 4), np.arange(101), 50, first=False) == Reach(width)
    assert reach(Reach(1000), np.array([], int), 400, first=True) == Reach(800)


def test_rounds_in_vain_are_followed_by_longer_and_by_wider_ones():
    last, rounds = Reach(50), []
    for _ in range(10):
        chosen = min(last.width, 1000)
        last = adaptive._reach(last, np.array([], int), chosen, 1000, 50, first=False)
        rounds.append((last.width, last.times))
    wider = [(50, 2), (100, 1), (50, 4), (200, 1), (50, 4), (400, 1), (50, 4)]
    assert rounds == [*wider, (50, 1), (50, 4), (100, 1)]


def units(plan, report, answer, most=40):
    """The units of a plan whose results are those of `answer`, and what the plan saw last."""
    found, unit = [], next(plan, None)
    while unit is not None and len(found) < most:
        found.append(unit)
        report = answer(report, unit)
        try:
            unit = plan.send(report)
        except StopIteration:
            break
    return found


def answered(report, unit):
    """No image falls; margins drop by a hundredth."""
    margin = report.margin.copy()
    margin[unit.images] = np.minimum(margin[unit.images], 0.99 * report.natural[unit.images])
    outcome = Outcome(unit.images, margin[unit.images], unit.gradients)
    return Report(report.adv, margin, report.natural, (*report.history, outcome))


def begun(n=300, seed=3, **changes):
    config = CONFIG.replace(**{"precision": "float32", **changes})
    x, y = images(n)
    natural = np.linspace(-0.5, 4, n).astype(np.float32)
    report = Report(x, np.where(natural > 0, np.inf, natural).astype("f4"), natural)
    plan = adaptive.adaptive(
        config, x, y, seed, report, budget=config.budget, minutes=config.minutes
    )
    return units(plan, report, answered), natural


def test_a_plan_attacks_standing_images_and_stops_before_its_budget_is_over():
    found, natural = begun()
    first = np.concatenate([unit.images for unit in found[:3]])
    assert set(np.flatnonzero(natural > 0)) <= set(first.tolist())
    spent = sum(unit.gradients * len(unit.images) for unit in found)
    assert 0.6 * 50 * 300 < spent + 0.5 * 300 <= 50 * 300
    assert [unit.restart for unit in found] == list(range(len(found)))
    # The scale brings the median of the natural margins to 8, for Auto-PGD to 2.
    median = np.median(natural[natural > 0])
    for unit in found:
        scaled = 2 if unit.config.method == "apgd" else 8
        assert unit.config.scale == pytest.approx(scaled / median)
    # After the first round, most images of a unit stand.
    assert all((natural[unit.images] > 0).mean() > 0.9 for unit in found[3:])


def test_a_longer_round_that_no_longer_fits_into_the_budget_is_a_usual_one():
    for budget in np.arange(40.0, 60.0):
        found, _ = begun(budget=budget)
        assert max(unit.config.steps for unit in found) == 4 * 30
        spent = 0.5 * 300 + sum(unit.gradients * len(unit.images) for unit in found)
        usual = 15 * (30 + 2.5)  # a round of one minibatch
        assert budget * 300 - usual < spent <= budget * 300


def test_a_plan_ends_with_the_round_in_which_its_minutes_are_over(monkeypatch):
    clock = iter(range(0, 10**6, 100))  # each look at it takes 100 seconds
    monkeypatch.setattr(adaptive.time, "monotonic", lambda: next(clock))
    found, _ = begun(minutes=3.5, budget=1000.0)
    assert [unit.config.method for unit in found] == ["blob", "multitargeted", "apgd"] * 2


def test_images_that_withstood_many_steps_wait_longer():
    found, _ = begun(n=1500)
    later = [unit for unit in found[6:] if unit.config.method != "square"]
    assert len({frozenset(unit.images.tolist()) for unit in later}) == len(later)
    assert len(set(np.concatenate([unit.images for unit in later]).tolist())) > 2 * 50


def test_classes_aimed_at_change_with_each_attack_on_an_image():
    found, _ = begun(budget=400.0)
    aimed = [unit for unit in found if unit.config.method == "multitargeted"]
    count = np.zeros(300, int)
    for unit in aimed:
        np.testing.assert_array_equal(unit.ranks, count[unit.images])
        count[unit.images] += 1
    assert count.max() > 2


def test_random_search_is_tried_only_where_many_margins_do_not_drop():
    def still(report, unit):
        margin = np.minimum(report.margin, report.natural)
        outcome = Outcome(unit.images, report.natural[unit.images], unit.gradients)
        return Report(report.adv, margin, report.natural, (*report.history, outcome))

    methods = {}
    for name, answer in (("drops", answered), ("dead", still)):
        x, y = images(300)
        natural = np.linspace(0.1, 4, 300).astype(np.float32)
        report = Report(x, np.full(300, np.inf, np.float32), natural)
        plan = adaptive.adaptive(CONFIG, x, y, 0, report, budget=200.0, minutes=None)
        methods[name] = {unit.config.method for unit in units(plan, report, answer)}
    assert methods["drops"] == {"blob", "multitargeted", "apgd"}
    assert methods["dead"] == {"blob", "multitargeted", "apgd", "square"}


def test_the_seed_decides_where_a_round_starts():
    a, b, c = (begun(seed=seed)[0] for seed in (3, 3, 4))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.first, other.first)
    assert (a[0].first != c[0].first).any()
