"""The attack with one part changed at a time: every change is one, and the rest stays."""

import numpy as np
import pytest
from toys import labelled, network

from benchmarks import ablation
from daa import AttackConfig, worst_case
from daa.attacks.worst_case import worst_cases
from daa.target import Dataset


@pytest.fixture(scope="module")
def attacked():
    target = network()
    return target, Dataset("test/relu", *labelled(target, 1100), "")


def run(attacked, name="nothing"):
    target, data = attacked
    jobs = [ablation.job(0.03, 30.0, name)]
    return list(worst_cases(target, jobs, data.x, data.y))[-1].report


@pytest.fixture(scope="module")
def plain(attacked):
    target, data = attacked
    report = run(attacked)
    settings = AttackConfig("adaptive", eps=0.03, budget=30.0)
    np.testing.assert_array_equal(report.adv, worst_case(target, settings, data.x, data.y).adv)
    return report


@pytest.mark.parametrize("name", [name for name in ablation.CHANGES if name != "nothing"])
def test_every_change_runs_and_changes_something(attacked, plain, name):
    other = run(attacked, name)
    assert other.gradients.mean() <= 30
    assert (other.adv != plain.adv).any()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.3)])
def test_a_row_has_an_accuracy_for_each_mark(attacked, norm, eps):
    target, data = attacked
    only = {"norm": norm, "marks": (12, 30), "seeds": (0, 1)}
    (row,) = ablation.measure(target, data, eps, ["nothing"], **only)
    settings = AttackConfig("adaptive", eps=eps, norm=norm, budget=30.0)
    report = worst_case(target, settings, data.x, data.y)
    assert row["12"] >= row["30"]
    rounding = 0.005
    assert abs(row["30"] - 100 * report.robust_accuracy[-1]) <= row["spread"] + rounding
