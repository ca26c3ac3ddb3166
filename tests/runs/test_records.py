import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from daa import AttackConfig, Dataset, InputError, Report
from daa.attacks.plans import Outcome
from daa.reports import examples, races, schema
from daa.reports import results as collection
from daa.reports.results import collect
from daa.runs import config, provenance, records

CONFIG = """
name: tiny
title: Tiny
target: tiny/cnn
rows:
  - {method: pgd, loss: xent, paper: 60.0}
  - {method: blob, loss: xent}
"""
DATA = Dataset("digits/test", np.zeros((4, 8, 8, 1), np.float32), np.zeros(4, np.int64), "abc")


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return config.load(path)


def identity(experiment, restarts=2, seed=0):
    row = experiment.rows[0]
    return records.identity(experiment, row, "tiny/cnn", "own", None, DATA, restarts, seed)


def report(gradients=200.0):
    natural = np.array([1, 1, 1, -1], np.float32)
    outcomes = [np.array(m, np.float32) for m in ([1, 0, 1, -1], [1, 1, -1, 1])]
    history = tuple(Outcome(None, margin, gradients) for margin in outcomes)
    lowest = np.minimum.reduce([natural, *outcomes])
    return Report(DATA.x, lowest, natural, history)


def finished_run(experiment, **changes):
    given = {"clean": 0.75, "report": report(), "seconds": 1.234, "origin": {"device": ["A"]}}
    row = experiment.rows[0]
    return records.finished_run(identity(experiment), experiment, row, **{**given, **changes})


def test_a_record_is_read_as_it_was_written(experiment, tmp_path):
    origin = {"device": ["A", "B"], "git_commit": ["1", "2"]}
    record = finished_run(experiment, origin=origin, config="tiny")
    records.save(tmp_path / "pgd-xent.json", record)
    assert records.load(tmp_path / "pgd-xent.json") == record
    content = json.loads((tmp_path / "pgd-xent.json").read_text())
    assert content["schema"] == records.SCHEMA
    assert content["attack"] == experiment.rows[0].attack.settings() == record.settings
    assert content["robust_accuracy"] == [0.5, 0.25]
    assert content["broken"] == [1, 2, 3]
    assert content["gradients_per_image"] == 400
    assert isinstance(content["gradients_per_image"], int)
    assert (content["device"], content["git_commit"]) == ("A and B", "1 and 2")
    assert (content["seconds"], content["paper_percent"]) == (1.2, 60.0)
    assert content["config"] == "tiny"
    assert not {"top5_accuracy", "paper_top5_percent", "instead_of"} & set(content)


def test_what_some_records_have(experiment):
    record = finished_run(
        experiment, report=report(0.25), top5=0.5, instead_of="madry_mnist/secret"
    )
    content = record.model_dump(by_alias=True, exclude_unset=True)
    assert (content["top5_accuracy"], content["paper_top5_percent"]) == (0.5, None)
    assert content["instead_of"] == "madry_mnist/secret"
    assert content["gradients_per_image"] == 0.5
    assert content["git_commit"] is None


def test_a_list_of_numbers_stands_on_one_line(experiment, tmp_path):
    records.save(tmp_path / "pgd-xent.json", finished_run(experiment))
    assert '\n  "broken": [1, 2, 3]\n' in (tmp_path / "pgd-xent.json").read_text()


@pytest.mark.parametrize(
    "text", ["[" + " " * 400_000 + "x", "[ 1,\n 2 ]", "{[", "a, [ 3 ]", '"', "\\ud800", "é"]
)
def test_texts_are_written_as_they_are_and_in_linear_time(text, tmp_path):
    content = {"title": text, "more": [text, {"b": [1, 2.5, -3e-05]}, [], {}, None, True]}
    begin = time.perf_counter()
    records.write_json(tmp_path / "a.json", content)
    assert time.perf_counter() - begin < 5
    written = (tmp_path / "a.json").read_text()
    assert json.loads(written) == content
    assert written.count("\n") == 13
    assert '"b": [1, 2.5, -3e-05]\n' in written


OTHERS = (records.EXAMPLES, races.NAME)


def test_every_committed_record_is_read_without_loss(tmp_path):
    paths = [p for p in config.RESULTS.glob("*/*.json") if p.name not in OTHERS]
    assert len(paths) > 100
    for path in paths:
        records.save(tmp_path / "again.json", records.load(path))
        old, new = (json.loads(p.read_text()) for p in (path, tmp_path / "again.json"))
        # Old records list the settings of all methods, but none that was added later.
        for name, value in new["attack"].items():
            assert old["attack"].get(name, value) == value, (path, name)
        assert {**new, "attack": None} == {**old, "attack": None}, path


def test_committed_images_are_read():
    found = examples.load(config.RESULTS / "figure1-locuslab-fast_pgd_mnist")
    assert len(found.images) == len(found.natural) == 10
    assert found.rows == ("pgd-xent", "blob-xent")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, r"dgf-cw.json: schema: expected 1, got 99"),
        ({"broken": "all"}, r"dgf-cw.json: broken: expected to be a valid tuple, got 'all'"),
        ({"broken": [-1]}, r"broken\[0\]: expected to be greater than or equal to 0, got -1"),
        ({"broken": [10_000]}, "broken: expected different images from 0 to 9999, got"),
        ({"broken": [3, 3]}, "broken: expected different images"),
        ({"robust_accuracy": []}, "robust_accuracy: expected .*at least 1 item"),
        ({"robust_accuracy": [0.9]}, "accuracy_per_restart: expected 1 values as robust_accuracy"),
        ({"robust_accuracy": [1.5] * 10}, r"robust_accuracy\[0\]: expected to be less than or"),
        ({"accuracy_per_restart": None}, "accuracy_per_restart: expected"),
        ({"gradients_after": [1.0]}, "gradients_after: expected 10 values as robust_accuracy"),
        ({"restarts": 7}, "robust_accuracy: expected 7 values, got 10"),
        ({"restarts": 10**400}, "restarts: expected to be"),
        ({"images": 0}, "images: expected to be greater than or equal to 1, got 0"),
        ({"seconds": -1}, "seconds: expected to be greater than"),
        ({"gradients_per_image": "many"}, "gradients_per_image"),
        ({"paper_percent": 101}, "paper_percent: expected to be less than"),
        ({"clean_accuracy": "high"}, "clean_accuracy: expected to be a valid number"),
        ({"run": ""}, "run: expected .*at least 1 character"),
        ({"config": "a" * 300}, "config: expected .*at most 200"),
        ({"versions": {"python": 3}}, "versions.python: expected to be a valid string"),
        ({"attack": 3}, r"dgf-cw.json: attack: expected a mapping, got 3"),
        ({"attack": {"method": "pdg"}}, r"dgf-cw.json: attack: method: expected one of .*'pdg'"),
    ],
)
def test_a_record_with_a_mistake(folder, change, changes, message):
    change(folder / "dgf-cw.json", **changes)
    with pytest.raises(InputError, match=message) as caught:
        records.load(folder / "dgf-cw.json")
    assert "\n" not in str(caught.value)


def test_a_record_without_a_field_and_a_file_that_is_no_record(folder):
    path = folder / "dgf-cw.json"
    content = json.loads(path.read_text())
    del content["broken"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"dgf-cw.json: broken: expected a value, got none"):
        records.load(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"dgf-cw.json: schema: expected 1, got 'list'"):
        records.load(path)
    with pytest.raises(InputError, match=r"none.json: expected a result record, got none"):
        records.load(folder / "none.json")


def test_the_result_of_the_same_run_is_kept_and_that_of_another_not_overwritten(
    experiment, tmp_path, change
):
    path = tmp_path / "pgd-xent.json"
    assert not records.finished(path, identity(experiment))
    records.save(path, finished_run(experiment))
    assert records.finished(path, identity(experiment))
    with pytest.raises(
        InputError, match=r"pgd-xent.json: seed: expected 1 as asked for now, got 0"
    ):
        records.finished(path, identity(experiment, seed=1))
    more = identity(experiment, restarts=3)
    with pytest.raises(InputError, match="restarts: expected 3 as asked for now, got 2"):
        records.finished(path, more)
    assert not records.finished(path, more, extend=True)
    with pytest.raises(InputError, match="restarts: expected 1 as asked for now, got 2"):
        records.finished(path, identity(experiment, restarts=1), extend=True)
    # A record that was made before an option existed had the default of the option.
    settings = dict(experiment.rows[0].attack.settings())
    assert settings.pop("clip_start") is False
    change(path, attack=settings)
    assert records.finished(path, identity(experiment))


def test_a_damaged_or_contradicting_record_is_left_out_and_its_row_missing(folder, change):
    (folder / "pgd-xent.json").write_bytes((folder / "pgd-xent.json").read_bytes()[:99])
    change(folder / "pgd-cw.json", schema=99)
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    change(folder / "dgf-cw.json", attack={**attack, "eps": 0.31})
    with pytest.warns(UserWarning, match="left out") as caught:
        found = collect(folder)
    said = " ".join(str(warning.message) for warning in caught)
    assert "pgd-xent.json: expected a result record" in said
    assert "pgd-cw.json: schema: expected 1, got 99" in said
    assert "dgf-cw.json: attack: eps: expected 0.3 as its config, got 0.31" in said
    assert {row.name for row in found.missing} == {"pgd-xent", "pgd-cw", "dgf-cw"}
    assert len(found.records) == 7


def test_the_precision_may_be_another_than_that_of_the_config(folder, change):
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    change(folder / "dgf-cw.json", attack={**attack, "precision": "bfloat16"})
    assert not collect(folder).missing


def test_records_come_in_the_order_of_their_config(folder, change):
    rows = config.load(config.FOLDER / "robust_mnist.yaml").rows
    assert [record.run for record in collect(folder).records] == [row.name for row in rows]
    for path in folder.glob("*.json"):
        change(path, config="none")
    names = [record.run for record in collect(folder).records]
    assert names == sorted(names)


def test_two_records_of_one_run_and_none_at_all(folder, tmp_path):
    shutil.copy(folder / "pgd-cw.json", folder / "copy.json")
    with pytest.raises(InputError, match="run: expected one record of pgd-cw, got two"):
        collect(folder)
    with pytest.raises(InputError, match="expected result records, got none"):
        collect(tmp_path)


def test_records_of_no_row_of_the_config(folder, change):
    for path in folder.glob("*.json"):
        change(path, config="figure1")
    for name in ("pgd-xent", "blob-xent"):
        (folder / f"{name}.json").unlink()
    with pytest.raises(InputError, match="expected records of its config's rows, got none"):
        collect(folder)


def test_result_folders_are_those_named_or_all(folder, tmp_path):
    assert collection.folders([folder]) == [folder]
    assert folder.name in [path.name for path in collection.folders()]
    with pytest.raises(InputError, match="none: expected a result folder, got none"):
        collection.folders([tmp_path / "none"])


def test_damaged_images_are_named(folder, tmp_path):
    assert examples.load(folder) is None
    (folder / records.EXAMPLES).write_text("{")
    with pytest.raises(InputError, match=r"examples.json: expected the images of two runs, got"):
        examples.load(folder)
    shown = {"rows": ["a", "b"], "images": [1], "labels": [1], "shape": [1, 2, 1]}
    shown |= {"natural": [[0, 1]], "adversarial": [[[0, 1]], [[0, 1]]]}
    (folder / records.EXAMPLES).write_text(json.dumps(shown))
    assert examples.load(folder).images == (1,)
    for changes, message in (
        ({"labels": []}, "labels: expected 1 labels"),
        ({"natural": [[0, 1], [0, 1]]}, "natural: expected 1 images of 2 pixels"),
        ({"adversarial": [[[0, 1]], [[0]]]}, r"adversarial\[1\]: expected 1 images of 2 pixels"),
        ({"shape": [1, 1, 2]}, "shape: expected 1 or 3 channels"),
        ({"shape": [0, 2, 1]}, r"shape\[0\]: expected to be greater than or equal to 1"),
        ({"shape": [10**9, 2, 1]}, r"shape\[0\]: expected to be less than"),
    ):
        (folder / records.EXAMPLES).write_text(json.dumps({**shown, **changes}))
        with pytest.raises(InputError, match=rf"examples.json: {message}"):
            examples.load(folder)
    (folder / records.EXAMPLES).write_text("{}")
    with pytest.raises(InputError, match=r"examples.json: rows: expected a value, got none"):
        examples.load(folder)


def test_a_record_says_when_the_code_was_not_that_of_its_commit(tmp_path):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True)
        return done.stdout.decode().strip()

    def commit(folder: Path = tmp_path) -> str | None:
        provenance.git_commit.cache_clear()
        return provenance.git_commit(folder)

    assert commit() is None
    git("init")
    (tmp_path / "code.py").write_text("a = 1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "x")
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("a = 2\n", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
    # A package installed somewhere below a checkout is not that checkout's code.
    (tmp_path / "below").mkdir()
    assert commit(tmp_path / "below") is None
    provenance.git_commit.cache_clear()


def test_the_versions_are_named():
    assert set(provenance.versions()) == {"python", "tensorflow", "numpy"}


def test_the_documented_schema_is_that_of_the_code():
    path = config.FOLDER.parent / "docs" / "records.md"
    command = "python -m daa.reports.schema > docs/records.md"
    assert path.read_text(encoding="utf-8") == schema.markdown(), f"run {command}"


def test_every_field_of_a_file_is_described():
    for model in (records.Record, examples.Examples):
        assert all(field.description for field in model.model_fields.values())


def test_the_attack_of_a_record_is_typed(committed):
    record = records.load(committed / "dgf-cw.json")
    assert isinstance(record.attack, AttackConfig)
    assert record.attack.c == 0.001
    assert "decay" not in record.settings
