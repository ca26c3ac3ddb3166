"""The figure of attacks under the same budget."""

import numpy as np
import pytest

from daa.reports import budget
from daa.reports import results as collection
from daa.reports.races import Race
from daa.runs.config import RESULTS


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
    figure = budget.figure(committed, floor=80.0)
    (axis,), (legend,) = figure.axes, figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
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


def test_autoattack_stands_as_points_beside_the_same_images(committed):
    race = race_of(committed, images=1000)
    axis = budget.figure(committed, races=[race]).axes[0]
    lines = {line.get_label(): line for line in axis.get_lines()}
    found = lines["AutoAttack, first 1,000 images"]
    assert list(found.get_xdata()) == [100, 5000]
    assert list(found.get_ydata()) == pytest.approx([88, 85])
    assert list(lines["Adaptive DAA, first 1,000 images"].get_xdata()) == [20]
    assert 5000 in axis.get_xticks()
    assert axis.get_ylim()[0] < 85


def test_no_second_line_of_adaptive_where_the_images_are_the_same(committed):
    axis = budget.figure(committed, races=[race_of(committed, images=10_000)]).axes[0]
    labels = [line.get_label() for line in axis.get_lines()]
    assert "AutoAttack" in labels
    assert sum("Adaptive" in str(label) for label in labels) == 1


def race_of(records, images):
    def course(*points):
        made = [{"attack": "a", "accuracy": a, "gradients": g} for a, g in points]
        return {"seed": 0, "points": [{**p, "seconds": 1, "cpu_seconds": 1} for p in made]}

    first = records[0]
    return Race.model_validate(
        {
            "target": first.target,
            "weights": first.weights,
            "weights_sha256": None,
            "data": first.data,
            "data_sha256": None,
            "images": images,
            "eps": 0.3,
            "cores": 2,
            "clean_accuracy": first.clean_accuracy,
            "autoattack": course((0.88, 100), (0.85, 5000)),
            "adaptive": [course((0.86, 20))],
            "device": "CPU",
            "versions": {},
            "git_commit": None,
        }
    )
