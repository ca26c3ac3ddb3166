"""Result records: their content, their checks, and the identity of a run."""

import json
import subprocess

import numpy as np
import pytest

from daa import AttackConfig, Dataset, InputError, Report, Target
from daa.attacks.plans import Outcome
from daa.runs import config, provenance, records
from daa.runs.config import Experiment, Row

TARGET = Target("tiny/cnn", lambda x: x, (8, 8, 1), 10)
DATA = Dataset("digits/test", np.zeros((4, 8, 8, 1), np.float32), np.zeros(4, np.int64), "abc")
ROW = Row(name="pgd-xent", attack=AttackConfig("pgd"), paper=60.0)
EXPERIMENT = Experiment(name="tiny", title="Tiny", target="tiny/cnn", restarts=2, rows=(ROW,))


def identity(row=ROW, data=DATA, **changes):
    return records.identity(EXPERIMENT.model_copy(update=changes), row, TARGET, data)


def report(gradients=200.0):
    natural = np.array([1, 1, 1, -1], np.float32)
    margins = [np.array(m, np.float32) for m in ([1, 0, 1, -1], [1, 1, -1, 1])]
    history = tuple(Outcome(None, margin, gradients) for margin in margins)
    return Report(DATA.x, np.minimum.reduce([natural, *margins]), natural, history)


def finished_run(**changes):
    options = {"report": report(), "seconds": 1.234, "origin": {"device": ["A"]}, **changes}
    return records.finished_run(identity(), EXPERIMENT, ROW, **options)


def test_a_record_is_read_as_it_was_written(tmp_path):
    origin = {"device": ["A", "B"], "git_commit": ["1", "2"]}
    record = finished_run(origin=origin, config="tiny")
    path = tmp_path / "pgd-xent.json"
    records.save(path, record)
    assert records.load(path) == record
    content = json.loads(path.read_text())
    assert content["schema"] == records.SCHEMA
    assert content["attack"] == ROW.attack.settings() == record.settings
    assert (content["clean_accuracy"], content["robust_accuracy"]) == (0.75, [0.5, 0.25])
    assert (content["broken"], content["gradients_per_image"]) == ([1, 2, 3], 400)
    assert isinstance(content["gradients_per_image"], int)
    assert (content["device"], content["git_commit"]) == ("A and B", "1 and 2")
    assert set(content["versions"]) == {"python", "tensorflow", "numpy"}
    assert (content["seconds"], content["paper_percent"], content["config"]) == (1.2, 60.0, "tiny")
    assert not {"top5_accuracy", "paper_top5_percent", "instead_of"} & set(content)
    assert '\n  "broken": [1, 2, 3],\n' in path.read_text()


def test_optional_fields():
    adaptive = Row(name="adaptive", attack=AttackConfig("adaptive"))
    assert (identity(adaptive)["restarts"], identity()["restarts"]) == (1, 2)
    record = finished_run(report=report(0.25), top5=0.5, instead_of="madry_mnist/secret")
    content = record.model_dump(by_alias=True, exclude_unset=True)
    assert (content["top5_accuracy"], content["paper_top5_percent"]) == (0.5, None)
    assert (content["instead_of"], content["git_commit"]) == ("madry_mnist/secret", None)
    assert content["gradients_per_image"] == 0.5
    about = {"seconds": 1.0, "origin": {"device": ["A"]}, "report": report(2 / 3)}
    record = records.finished_run(identity(adaptive), EXPERIMENT, adaptive, **about)
    assert record.gradients_after == (0.667, 1.333)


@pytest.mark.parametrize("text", ["[" + " " * 100_000, "[ 1,\n 2 ]", "a, [ 3 ]", '"', "\\ud800"])
def test_json_is_laid_out_without_changing_texts(text, tmp_path):
    content = {"title": text, "more": [text, {"b": [1, 2.5, -3e-05]}, [], {}, None, True]}
    records.write_json(tmp_path / "a.json", content)
    written = (tmp_path / "a.json").read_text()
    assert json.loads(written) == content
    assert written.count("\n") == 13
    assert '"b": [1, 2.5, -3e-05]\n' in written


def test_every_committed_record_is_read_without_loss(all_committed, tmp_path):
    paths = [path for folder in all_committed for path in folder.glob("*.json")]
    paths = [path for path in paths if path.stem not in config.TAKEN]
    assert len(paths) > 100
    for path in paths:
        records.save(tmp_path / "again.json", records.load(path))
        old, new = (json.loads(p.read_text()) for p in (path, tmp_path / "again.json"))
        # Old records list the options of all methods, and miss options that are newer.
        for name, value in new["attack"].items():
            assert old["attack"].get(name, value) == value, (path, name)
        assert {**new, "attack": None} == {**old, "attack": None}, path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, r"dgf-cw.json: schema: must be 1, got 99"),
        ({"broken": [-1]}, r"broken\[0\]: must be greater than or equal to 0, got -1"),
        ({"broken": [10_000]}, "broken: must be different images from 0 to 9999"),
        ({"broken": [3, 3]}, "broken: must be different images"),
        ({"robust_accuracy": []}, "robust_accuracy: must have at least 1 item"),
        ({"robust_accuracy": [0.9]}, "accuracy_per_restart: expected 1 values, got 10"),
        ({"robust_accuracy": [1.5] * 10}, r"robust_accuracy\[0\]: must be less than or equal to 1"),
        ({"gradients_after": [1.0]}, "gradients_after: expected 10 values, got 1"),
        ({"broken_in": [1]}, r"broken_in: expected \d+ values, got 1"),
        ({"restarts": 7}, "robust_accuracy: "),
        ({"images": 0}, "images: must be greater than or equal to 1, got 0"),
        ({"images": 2**31}, "images: must be less than 2147483648"),
        ({"seed": 2**31}, "seed: must be less than 2147483648"),
        ({"clean_accuracy": -0.1}, "clean_accuracy: must be greater than or equal to 0, got"),
        ({"seconds": -1}, "seconds: must be greater than or equal to 0, got"),
        ({"paper_percent": 101}, "paper_percent: must be less than"),
        ({"run": ""}, "run: must have at least 1 character"),
        ({"config": "a" * 300}, "config: must have at most 200"),
        ({"attack": 3}, r"dgf-cw.json: attack: must be a mapping, got 3"),
        ({"attack": {"method": "pdg"}}, r"dgf-cw.json: attack: method: .*'pdg'"),
    ],
)
def test_a_record_with_a_mistake(folder, change, changes, message):
    change(folder / "dgf-cw.json", **changes)
    with pytest.raises(InputError, match=message):
        records.load(folder / "dgf-cw.json")


@pytest.mark.parametrize(
    ("text", "message"), [("[]", "must be a valid dictionary"), ("{", "expected a result record")]
)
def test_files_that_are_no_records(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"a.json: {message}"):
        records.load(path)


def test_a_record_from_before_an_option_existed_had_its_default(tmp_path, change):
    path = tmp_path / "pgd-xent.json"
    records.save(path, finished_run())
    settings = ROW.attack.settings()
    assert settings.pop("clip_start") is False
    change(path, attack=settings)
    records.check_same(path, records.load(path), identity())


def test_rows_with_the_same_units_have_the_same_run_id():
    first = records.run_id(identity())
    assert len(first) == 20
    assert records.run_id(identity(name="other", title="T", restarts=9)) == first
    assert records.run_id(identity(ROW.model_copy(update={"name": "other"}))) == first
    attack = Row(name="pgd-xent", attack=AttackConfig("pgd", steps=7))
    for different in (identity(seed=1), identity(attack), identity(data=DATA.first(3))):
        assert records.run_id(different) != first


def test_the_commit_is_marked_if_the_code_differs(tmp_path):
    def git(*arguments):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True).stdout.decode().strip()

    commit = provenance.git_commit.__wrapped__
    assert commit(tmp_path) is None
    git("init")
    (tmp_path / "code.py").write_text("a = 1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "x")
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("a = 2\n", encoding="utf-8")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"
    (tmp_path / "below").mkdir()
    assert commit(tmp_path / "below") is None
