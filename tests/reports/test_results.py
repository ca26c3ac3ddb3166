"""Result folders: which records are read, in which order, and the data frame."""

import json
import shutil
from pathlib import Path

import pytest

import daa
from daa import InputError
from daa.reports import results, stats
from daa.reports.results import load
from daa.runs import config


def test_a_damaged_or_contradicting_record_is_left_out_and_its_row_is_missing(folder, change):
    (folder / "pgd-xent.json").write_bytes((folder / "pgd-xent.json").read_bytes()[:99])
    change(folder / "pgd-cw.json", schema=99)
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    change(folder / "dgf-cw.json", attack={**attack, "eps": 0.31})
    with pytest.warns(UserWarning, match="left out") as caught:
        loaded = load(folder)
    text = " ".join(str(warning.message) for warning in caught)
    assert "pgd-xent.json: " in text
    assert "pgd-cw.json: schema: must be 1, got 99" in text
    assert "dgf-cw.json: attack: eps: expected 0.3 as in experiment.json, got 0.31" in text
    assert {row.name for row in loaded.missing} == {"pgd-xent", "pgd-cw", "dgf-cw"}
    assert len(loaded.records) == 7


def test_records_are_in_the_order_of_the_experiment_whose_precision_may_differ(folder, change):
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    change(folder / "dgf-cw.json", attack={**attack, "precision": "bfloat16"})
    names = [row.name for row in config.load_experiment(folder).rows]
    assert [record.run for record in load(folder).records] == names


def test_a_folder_without_an_experiment_has_its_records_in_the_order_of_files(folder):
    (folder / config.EXPERIMENT).unlink()
    (folder / "pgd-cw.json").unlink()
    loaded = load(folder)
    names = [record.run for record in loaded.records]
    assert names == sorted(names) and len(names) == 9
    assert loaded.missing == () and loaded.group == "" and loaded.title == loaded.records[0].title


def test_two_records_of_one_run_and_no_record_are_refused(folder, tmp_path):
    shutil.copy(folder / "pgd-cw.json", folder / "copy.json")
    with pytest.raises(InputError, match="run: another record of pgd-cw is in the same folder"):
        load(folder)
    with pytest.raises(InputError, match="expected result records, got none"):
        load(tmp_path)


def test_a_damaged_experiment_and_one_without_a_record_are_named(folder, change):
    rows = json.loads((folder / config.EXPERIMENT).read_text())["rows"]
    change(folder / config.EXPERIMENT, rows=[{**rows[0], "name": "other"}], examples=None)
    with pytest.raises(InputError, match=r"robust_mnist: no record of a row of experiment.json"):
        load(folder)
    change(folder / config.EXPERIMENT, restarts="many")
    with pytest.raises(InputError, match=r"experiment.json: restarts: must be a valid integer"):
        load(folder)


def test_the_title_names_another_target(folder, change):
    assert load(folder).title == config.load_experiment(folder).title
    change(folder, instead_of="madry_mnist/secret")
    assert load(folder).title.endswith(", on locuslab/fast_pgd_mnist")


def test_result_folders_are_the_named_ones_or_those_in_results(folder, tmp_path, monkeypatch):
    assert results.folders([folder]) == [folder]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="results: no result folders in this folder; name some"):
        results.folders()
    mine = shutil.copytree(folder, "results/mine")
    assert results.folders() == [Path(mine)]
    with pytest.raises(InputError, match="none: no such folder"):
        results.folders([tmp_path / "none"])
    assert results.places([folder], tmp_path) == [(folder, tmp_path / "robust_mnist")]
    with pytest.raises(InputError, match="out: expected result folders of different names"):
        results.places([folder, folder], tmp_path)


def test_every_committed_folder_has_its_experiment_and_no_record_contradicts_it(
    all_committed, recwarn
):
    for folder in all_committed:
        loaded = load(folder)
        assert loaded.experiment is not None, folder
        assert loaded.missing == (), folder
        assert loaded.experiment.name == folder.name
    assert not recwarn


def test_the_data_frame_has_plain_numbers_in_typed_columns(committed):
    frame = daa.load_results(str(committed)).set_index("run")
    loaded = load(committed)
    assert list(frame.index) == [record.run for record in loaded.records]
    record = json.loads((committed / "dgf-cw.json").read_text())
    row = frame.loc["dgf-cw"]
    names = ["target", "weights", "device", "seed", "images", "restarts", "clean_accuracy"]
    names += ["gradients_per_image", "seconds"]
    assert [row[name] for name in names] == [record[name] for name in names]
    assert (row.method, row.loss, row.eps) == ("dgf", "cw", record["attack"]["eps"])
    assert row.robust_accuracy == record["robust_accuracy"][-1]
    assert row.first_accuracy == record["robust_accuracy"][0]
    interval = stats.interval(10_000 - len(record["broken"]), 10_000)
    assert (row.robust_accuracy_low, row.robust_accuracy_high) == interval
    (pair,) = [pair for pair in loaded.compared if pair.daa.run == "dgf-cw"]
    assert (row.pgd_run, row.p_mcnemar, row.p_paired) == ("pgd-cw", pair.p, pair.paired.p)
    assert row.random_start and frame.loc["pgd-cw", ["p_mcnemar", "c"]].isna().all()
    dtypes = [str(frame[name].dtype) for name in ("only_daa", "p_holm", "random_start", "loss")]
    assert dtypes == ["Int64", "Float64", "boolean", "string"]
    assert frame.columns.is_unique and frame.only_daa.sum() > 0


def test_the_papers_percentages_are_shares_in_the_data_frame(folder, change):
    rows = json.loads((folder / config.EXPERIMENT).read_text())["rows"]
    change(folder / config.EXPERIMENT, rows=[{**row, "paper": 88.79} for row in rows])
    assert set(load(folder).frame().paper_accuracy) == {0.8879}
