"""Predictions of Adaptive DAA and the images that break afterwards."""

import json

import numpy as np
import pytest
from toys import labelled, network

from benchmarks import forecast, particles, prior
from daa import AttackConfig, worst_case
from daa.evaluation.report import most_broken
from daa.reports import examples, style
from daa.runs import config

ROWS = json.loads((config.RESULTS / "forecast.json").read_text())["rows"]


def test_predictions_are_those_of_runs_with_smaller_budgets(monkeypatch):
    monkeypatch.setattr(forecast, "BUDGETS", (8.0, 15.0))
    target = network()
    x, y = labelled(target)
    rows = list(forecast.forecasts(target, 0.04, x, y, seed=0))
    last = worst_case(target, AttackConfig("adaptive", eps=0.04, budget=30.0), x, y)
    for budget, row in zip((8.0, 15.0), rows, strict=True):
        run = worst_case(target, AttackConfig("adaptive", eps=0.04, budget=budget), x, y)
        assert row["gradients"] == round(run.gradients.mean(), 1)
        assert row["predicted"] == round(run.predicted, 3)
        spent = row["gradients"]
        first, twice = (last.gradients_after <= g + 0.05 for g in (spent, 2 * spent))
        robust = last.robust_accuracy[first][-1] - last.robust_accuracy[twice][-1]
        assert row["seen"] == round(len(x) * robust) > 0


def test_the_docs_name_the_committed_predictions():
    inside = sum(row["seen"] <= most_broken(row["predicted"]) for row in ROWS)
    predicted, seen = (round(sum(row[name] for row in ROWS)) for name in ("predicted", "seen"))
    text = " ".join((forecast.FIGURE.parent / "adaptive.md").read_text().split())
    assert f"{len(ROWS)} predictions add up to {predicted} images, and {seen} broke" in text
    assert f"{inside} of {len(ROWS)} numbers lie within" in text


@pytest.mark.parametrize(
    ("module", "content"), [(forecast, ROWS), (particles, examples.load(particles.FOLDER))]
)
def test_the_committed_figures_are_those_that_are_drawn(module, content, tmp_path, same_matplotlib):
    path = style.save(module.draw(content), tmp_path / module.FIGURE.name).with_suffix(".svg")
    committed = module.FIGURE.with_suffix(".svg").read_text()
    assert path.read_text() == committed or not same_matplotlib


def test_a_fitted_prior_holds_all_outcomes_of_a_run_with_equal_weights():
    target = network()
    x, y = labelled(target)
    with prior.recorded() as models:
        report = worst_case(target, AttackConfig("adaptive", eps=0.02, budget=30.0), x, y)
    (model,) = models
    attacked = sum((report.natural[one.images] > 0).sum() for one in report.history)
    assert len(model.broken) == attacked
    np.testing.assert_array_equal(model.weights, 1)
    mean, variance = prior.prior(np.array([[1.0, -2.0], [3.0, -2.0]]))
    assert (mean, variance) == ((2.0, -2.0), (2.0, 0.1))
