"""An evaluation that was killed goes on where it was."""

import json

import numpy as np
import pytest
import tiny

from daa import InputError
from daa.attacks import worst_case as restarts
from daa.cli import main as console
from daa.evaluation import given
from daa.evaluation.evaluate import evaluate
from daa.runs import device, run, state

DATA = tiny.load_dataset("test").first(60)
NETWORK = tiny.load_target("cnn").network
SHORT = {"eps": 0.1, "budget": 30, "progress": False}


@pytest.fixture
def units(monkeypatch):
    """Counts the units of work that run."""
    done, run_unit = [], restarts.run_unit

    def counted(*args, **options):
        done.append(1)
        return run_unit(*args, **options)

    monkeypatch.setattr(restarts, "run_unit", counted)
    return done


def killed_after(monkeypatch, writes):
    """The process ends once so many states were written."""
    save, left = state.save, [writes]

    def saved(*args):
        if not left[0]:
            raise KeyboardInterrupt
        save(*args)
        left[0] -= 1

    monkeypatch.setattr(state, "save", saved)


def test_it_goes_on_where_it_was_killed(tmp_path, monkeypatch, units):
    whole = evaluate(NETWORK, DATA, **SHORT)
    every = len(units)
    assert every >= 4
    units.clear()
    monkeypatch.setattr(run, "WRITING", 1e9)  # written after each unit
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            evaluate(NETWORK, DATA, out=tmp_path, **SHORT)
    assert not (tmp_path / "evaluation.json").exists()
    units.clear()
    again = evaluate(NETWORK, DATA, out=tmp_path, **SHORT)
    assert len(units) == every - 2
    np.testing.assert_array_equal(again.report.margin, whole.report.margin)
    np.testing.assert_array_equal(again.adv, whole.adv)
    assert again.gradients_per_image == whole.gradients_per_image
    record = json.loads((tmp_path / "adaptive.json").read_text())
    assert len(record["robust_accuracy"]) == every


def test_a_finished_one_runs_nothing_again_unless_forced(tmp_path, units):
    first = evaluate(NETWORK, DATA, out=tmp_path, **SHORT)
    every = len(units)
    again = evaluate(NETWORK, DATA, out=tmp_path, **SHORT)
    assert len(units) == every
    assert (again.robust_accuracy, again.seconds) == (first.robust_accuracy, first.seconds)
    assert again.warnings == first.warnings
    evaluate(NETWORK, DATA, out=tmp_path, force=True, **SHORT)
    assert len(units) == 2 * every


def test_another_attack_is_refused_unless_forced(tmp_path):
    evaluate(NETWORK, DATA, out=tmp_path, **SHORT)
    message = "an evaluation with pgd, or an empty folder, got 'adaptive.json'"
    with pytest.raises(InputError, match=message):
        evaluate(NETWORK, DATA, method="pgd", out=tmp_path, **SHORT)
    evaluate(NETWORK, DATA, method="pgd", out=tmp_path, force=True, **SHORT)
    assert not list(tmp_path.glob("adaptive.*"))
    assert json.loads((tmp_path / "evaluation.json").read_text())["method"] == "pgd"
    with pytest.raises(InputError, match=r"pgd.json: seed: the record has 0, but this run has 1"):
        evaluate(NETWORK, DATA, method="pgd", seed=1, out=tmp_path, **SHORT)


def test_minutes_take_the_place_of_a_budget_that_is_not_given():
    config = given.attack_of("adaptive", "8/255", None, 5, {})
    assert (config.budget, config.minutes) == (given.ENDLESS, 5)
    config = given.attack_of("adaptive", "8/255", 7, 5, {})
    assert (config.budget, config.minutes) == (7, 5)
    config = given.attack_of("adaptive", "8/255", None, None, {})
    assert (config.budget, config.minutes) == (given.BUDGET, None)


def test_an_attack_whose_minutes_are_over_keeps_what_it_has(tmp_path, units):
    options = {"eps": 0.1, "minutes": 0.02, "progress": False}
    first = evaluate(NETWORK, DATA, out=tmp_path, **options)
    units.clear()
    again = evaluate(NETWORK, DATA, out=tmp_path, **options)
    assert units == [] and len(again.report.history) == len(first.report.history)


def test_quiet_leaves_the_verdict_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "tiny/cnn", "--eps", "0.1", "--images", "30", "--budget", "6"]
    assert console.main([*arguments, "--out", "a"]) == 0
    whole, bar = capsys.readouterr()
    assert "robust accuracy" in bar
    assert console.main([*arguments, "--out", "b", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    firsts = [line.split()[0] for line in out.splitlines()]
    assert firsts == ["tiny/cnn", "clean", "robust", "cost", "checks"]
    assert [line.split()[0] for line in whole.splitlines()] == [*firsts, "written"]


def test_the_command_passes_device_and_force(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    used = []
    monkeypatch.setattr(device, "use", used.append)
    arguments = ["evaluate", "tiny/cnn", "--eps", "0.1", "--images", "30", "--budget", "6"]
    assert console.main([*arguments, "--device", "cpu", "--out", "out"]) == 0
    other = [*arguments, "--method", "pgd", "--out", "out"]
    assert console.main(other) == 2
    assert console.main([*other, "--force"]) == 0
    assert used == ["cpu", "auto", "auto"]
