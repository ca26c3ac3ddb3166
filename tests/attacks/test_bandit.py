import numpy as np
import pytest

from daa import AttackConfig
from daa.attacks.bandit import AdaptiveSettings, Arm, allocate, make_arms, update
from daa.attacks.plans import Outcome

SETTINGS = AdaptiveSettings()


def share(arms, count, even=False, seed=0):
    return allocate(arms, count, 50, even, np.random.default_rng(seed), SETTINGS)


@pytest.mark.parametrize("lengths", [None, (0.5, 0.1)])
def test_arms_attack_with_the_settings_of_the_config(lengths):
    base = AttackConfig("adaptive", eps=0.2, clip_range=False, precision="bfloat16")
    arms = make_arms(base, batch=50, margin=3.2, settings=SETTINGS)
    assert [arm.options["method"] for arm in arms] == ["blob", "multitargeted", "apgd", "square"]
    for arm in arms:
        config = arm.config(base, 10, lengths)
        assert (config.eps, config.clip_range, config.precision) == (0.2, False, "bfloat16")
        scale = 0.625 if config.method == "apgd" else 2.5
        assert (config.batch_size, config.keep, config.scale) == (50, "best", scale)
        assert config.steps == (20 if config.method == "square" else 10)
        if arm.lengths is not None:
            assert (config.first_step, config.last_step) == (lengths or arm.lengths)


def test_shares_follow_the_records_and_are_interleaved():
    arms = [Arm({}, None, reward=500.0, gradients=1000.0), Arm({}, None, gradients=1e6)]
    rows = share(arms, 1000)
    assert sorted(np.concatenate(rows).tolist()) == list(range(1000))
    assert len(rows[0]) == 950
    halves = share([Arm({}, None), Arm({}, None)], 200, even=True)
    assert [len(half) for half in halves] == [100, 100]
    assert all(40 < (half < 100).sum() < 60 for half in halves)


def test_rounding_errors_are_paid_back():
    arms = [Arm({}, None, reward=5e3, gradients=1e4), Arm({}, None, gradients=1e7)]
    counts = [len(share(arms, 100, seed=k)[1]) for k in range(30)]
    assert 0 < sum(counts) < 500


def test_an_arm_learns_from_its_outcome_and_forgets():
    arms = [Arm({}, None, reward=10.0, gradients=100.0), Arm({}, None, reward=1.0)]
    before = np.array([2.0, 1.0, -1.0, 4.0, 3.0])
    rows = [np.array([0, 2, 3, 4]), np.array([1])]
    outcomes = [
        Outcome(None, np.array([-1.0, -2.0, 3.0, 3.5], np.float32), 20.0),
        Outcome(None, np.array([0.0], np.float32), 5.0),
    ]
    fallen, constant = update(arms, rows, before, iter(outcomes), SETTINGS)
    assert sorted(fallen.tolist()) == [0, 1]
    assert arms[0].reward == pytest.approx(8.0 + 1.0 + 0.03 * 0.25)
    assert arms[0].gradients == 80 + 4 * 20
    assert arms[1].reward == pytest.approx(0.8 + 1.0)
    assert arms[1].gradients == 5
    assert constant == 1 / 4  # of four robust images, the margin of the last one did not drop
    outcome = Outcome(None, np.ones(1, np.float32), 5.0)
    update(arms, [np.array([0]), np.array([], int)], before, iter([outcome]), SETTINGS)
    assert arms[1].gradients == 4
