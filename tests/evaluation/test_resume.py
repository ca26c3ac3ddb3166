"""An interrupted evaluation resumes from its folder."""

import json
from pathlib import Path

import pytest
import tiny

from daa import Bounds, InputError, Target
from daa.attacks import worst_case
from daa.cli import evaluate as command
from daa.evaluation.evaluate import evaluate
from daa.runs import state

pytestmark = pytest.mark.usefixtures("no_checks")
DATA = tiny.load_dataset("test").first(60)
TARGET = tiny.load_target("cnn")
SHORT = {"eps": 0.1, "budget": 30, "progress": False}
ARGUMENTS = ["tiny/cnn", "--eps", "0.1", "--images", "30"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.*")}


@pytest.fixture
def units(monkeypatch):
    """Counts the units of work."""
    done, run_unit = [], worst_case.run_unit

    def counted(*args, **options):
        done.append(1)
        return run_unit(*args, **options)

    monkeypatch.setattr(worst_case, "run_unit", counted)
    return done


def test_a_finished_evaluation_runs_again_only_if_forced(tmp_path, units):
    first = evaluate(TARGET, DATA, out=tmp_path, **SHORT)
    total = len(units)
    again = evaluate(TARGET, DATA, out=tmp_path, **SHORT)
    assert len(units) == total
    assert (again.robust_accuracy, again.seconds) == (first.robust_accuracy, first.seconds)
    assert again.warnings == first.warnings
    evaluate(TARGET, DATA, out=tmp_path, force=True, **SHORT)
    assert len(units) == 2 * total
    (tmp_path / "adaptive.npz").unlink()
    with pytest.raises(InputError, match=r"adaptive\.npz: no such file; start again"):
        evaluate(TARGET, DATA, out=tmp_path, **SHORT)


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_the_command_passes_quiet_and_force(monkeypatch, tmp_path, capsys, refused, quiet):
    monkeypatch.chdir(tmp_path)
    assert command.main([*ARGUMENTS, "--method", "fgsm", "--out", "out", *quiet]) == 0
    out, err = capsys.readouterr()
    firsts = [line.split()[0] for line in out.splitlines()]
    more = [] if quiet else ["written"]
    assert firsts == ["tiny/cnn", "clean", "robust", "cost", "checks", *more]
    assert ("robust accuracy" in err) == (not quiet)
    other = [*ARGUMENTS, "--method", "pgd", "--budget", "5", "--out", "out"]
    assert "contains fgsm.json of another evaluation" in refused("evaluate", *other)
    assert command.main([*other, "--force"]) == 0
    assert not list(Path("out").glob("fgsm.*"))
    assert json.loads(Path("out/evaluation.json").read_text())["method"] == "pgd"


def test_a_forced_evaluation_deletes_nothing_that_another_process_uses(tmp_path):
    evaluate(TARGET, DATA, out=tmp_path, **SHORT)
    before = contents(tmp_path)
    with state.sole(tmp_path), pytest.raises(InputError, match="use"):
        evaluate(TARGET, DATA, out=tmp_path, force=True, **SHORT)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("method", ["pgd", "adaptive"])
def test_results_of_other_bounds_or_of_a_changed_model_are_refused(tmp_path, method):
    def model(factor, high=1):  # without a hash of the weights
        return Target("mine", lambda x: TARGET.network(x * factor), (8, 8, 1), 10, Bounds(0, high))

    options = {**SHORT, "budget": 4, "out": tmp_path, "method": method}
    assert "bounds" in evaluate(model(1 / 255), DATA, **options).warnings
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"model_options: the record has None, .*255"):
        evaluate(model(1 / 255, 255), DATA, **options)
    changed = r": the stored results are for another model: .* was .* %, and is .* % now"
    with pytest.raises(InputError, match=rf"{method}\.json{changed}"):
        evaluate(model(1), DATA, **options)
    (tmp_path / f"{method}.json").unlink()  # as of an unfinished evaluation
    with pytest.raises(InputError, match=method + changed):
        evaluate(model(1), DATA, **options)
    with pytest.raises(InputError, match="state of a different run"):
        evaluate(model(1 / 255, 255), DATA, **options)
    assert before == {f"{method}.json": before[f"{method}.json"], **contents(tmp_path)}
