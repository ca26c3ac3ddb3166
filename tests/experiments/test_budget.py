"""The figure of attacks under the same budget."""

import numpy as np
import pytest

from daa.experiments import budget, collection
from daa.experiments.config import RESULTS


@pytest.fixture(scope="module")
def committed():
    return collection.collect(RESULTS / "equal_budget").records


def test_a_curve_holds_the_accuracy_reached_so_far(committed):
    record = next(r for r in committed if r.run == "adaptive-seed0")
    points = np.array([0.0, 25.0, 149.0, 500.0])
    found = budget.curve(record, points)
    assert found[0] == pytest.approx(100 * record.clean_accuracy)
    after = np.array(record.gradients_after)
    spent = np.flatnonzero(after <= 25)[-1]
    assert found[1] == pytest.approx(100 * record.robust_accuracy[spent])
    assert found[1] > found[2]
    assert np.isnan(found[3])


def test_the_figure_has_a_line_per_attack_and_the_exact_floor(committed):
    assert budget.has_curves(committed)
    axis = budget.figure(committed, floor=80.0).axes[0]
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels[0] == "Adaptive DAA"
    assert {"Auto-PGD, cross-entropy", "Auto-PGD, DLR", "PGD", "exact: 80.00"} <= set(labels)
    assert len(labels) == len(set(labels)) == 13
    lines = {line.get_label(): line for line in axis.get_lines()}
    adaptive = np.asarray(lines["Adaptive DAA"].get_ydata())
    worst = np.mean([100 * r.worst for r in committed if r.attack.method == "adaptive"])
    assert adaptive[np.isfinite(adaptive)][-1] == pytest.approx(worst, abs=0.02)


def test_records_without_gradients_have_no_curve():
    old = collection.collect(RESULTS / "robust_mnist").records
    assert not budget.has_curves(old)


def test_every_seed_stays_inside_its_budget_and_below_the_baselines(committed):
    adaptive = [r for r in committed if r.attack.method == "adaptive"]
    others = [r for r in committed if r.attack.method != "adaptive"]
    assert len(adaptive) == 3
    for record in adaptive:
        assert record.gradients_per_image <= 150
        assert record.worst < min(other.worst for other in others)
