import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from daa import Dataset, InputError, Target, targets
from daa.reports import natural, notes, races, tables
from daa.reports.results import collect
from daa.runs import config, records


@pytest.fixture
def listed(folder, change):
    """Writes natural.json beside a copy of committed records, for their network."""

    def write(*images: int, **changes: str) -> Path:
        record = json.loads((folder / "pgd-xent.json").read_text())
        names = ("target", "weights_sha256", "data", "data_sha256")
        entry = {**{name: record[name] for name in names}, "images": images, **changes}
        path = folder.parent / natural.FILE
        path.write_text(json.dumps({"networks": [entry]}))
        return path

    return write


def test_an_image_that_only_the_list_has_counts_as_broken(folder, change, listed):
    broken = json.loads((folder / "pgd-xent.json").read_text())["broken"]
    before = {record.run: record for record in collect(folder).records}
    everywhere = sorted(set.intersection(*(set(record.broken) for record in before.values())))
    left = [i for i in broken if i not in everywhere[:2]]
    change(folder / "pgd-xent.json", broken=left, robust_accuracy=[0.9] * 9 + [0.8826])
    listed(*everywhere[:3], 10_000)
    found = collect(folder)
    after = {record.run: record for record in found.records}
    assert found.natural == {"pgd-xent": 2}
    assert list(after["pgd-xent"].broken) == broken
    assert after["pgd-xent"].robust_accuracy == (*[0.8998] * 9, 0.8824)
    assert after["dgf-xent"] == before["dgf-xent"]
    row = next(row for row in tables.table(found).rows if row["attack"] == "PGD")
    assert (row["first run"], row["worst case"]) == ("89.98", "88.24")
    assert "without an attack: 2 images of pgd-xent." in tables.markdown(found)
    assert notes.natural({"a": 1, "b": 2}).endswith("1 image of a, 2 images of b.")


@pytest.mark.parametrize("name", ["weights_sha256", "data_sha256"])
def test_the_list_of_another_network_or_data_set_does_not_count(folder, listed, name):
    listed(0, **{name: "another"})
    assert collect(folder).natural == {}
    listed(0)
    assert set(collect(folder).natural) == {record.run for record in collect(folder).records}


def test_images_beyond_those_of_the_run_do_not_count(folder, listed, change):
    for path in folder.glob("*.json"):
        change(path, images=9_999)
    listed(9_999)
    assert collect(folder).natural == {}


def test_a_damaged_list_is_refused(folder, listed, change):
    listed(0).write_text("{")
    with pytest.raises(InputError, match=r"natural.json: expected images of networks, got"):
        collect(folder)
    listed(-1)
    with pytest.raises(InputError, match=r"networks\[0\].images\[0\]: expected to be greater than"):
        collect(folder)
    listed(*range(10_000))
    change(folder / "pgd-xent.json", robust_accuracy=[0.1] * 10)
    with pytest.raises(InputError, match=r"robust_accuracy: expected \d+ more images that no"):
        collect(folder)
    listed(0).write_text('{"networks": [{}]}')
    with pytest.raises(InputError, match=r"networks\[0\].target: expected a value, got none"):
        collect(folder)


def test_the_committed_list_agrees_with_the_clean_accuracies():
    seen = 0
    for path in config.RESULTS.glob("*/*.json"):
        if path.name in (records.EXAMPLES, races.NAME):
            continue
        record = records.load(path)
        for known in natural.load(config.RESULTS):
            if known.of(record):
                wrong = sum(i < record.images for i in known.images)
                assert record.clean_accuracy == pytest.approx(1 - wrong / record.images), path
                seen += 1
    assert seen >= 194


def test_four_committed_records_are_corrected():
    added = {
        (folder.name, run): count
        for folder in {path.parent for path in config.RESULTS.glob("*/*.json")}
        for run, count in collect(folder).natural.items()
    }
    assert added == {
        ("surrogate_cifar10", "pgd-xent"): 2,
        ("table_cifar10-madry_cifar10-surrogate", "rand_fgsm-xent-eps8"): 1,
        ("table_fmnist-fmnist-surrogate", "rand_fgsm-xent"): 1,
        ("table_fmnist-fmnist-surrogate", "rand_fgsm-cw"): 1,
    }


def test_the_list_is_written_from_the_network_that_the_records_name(folder, monkeypatch):
    results = folder.parent
    record = json.loads((folder / "pgd-xent.json").read_text())
    # A network that calls every image a 1.
    target = Target(
        record["target"],
        lambda x: tf.one_hot(tf.ones(tf.shape(x)[0], tf.int32), 10),
        (2, 2, 1),
        10,
        weights_sha256=record["weights_sha256"],
    )
    x = np.zeros((4, 2, 2, 1), np.float32)
    data = Dataset(record["data"], x, np.array([1, 0, 1, 2]), record["data_sha256"])
    monkeypatch.setattr(targets, "load_target", lambda name, **_: target)
    monkeypatch.setattr(targets, "load_dataset", lambda *_: data)
    path = natural.write(results)
    (found,) = natural.load(results)
    assert (path, found.images, found.target) == (results / "natural.json", (1, 3), target.name)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="expected result records, got none"):
        natural.write(results)


def test_other_weights_than_those_of_the_records_are_refused(folder, monkeypatch):
    target = Target("locuslab/fast_pgd_mnist", lambda x: x, (2, 2, 1), 10, weights_sha256="other")
    record = records.load(folder / "pgd-xent.json")
    data = Dataset(record.data, np.zeros((1, 2, 2, 1), np.float32), np.zeros(1, int), "x")
    monkeypatch.setattr(targets, "load_target", lambda name, **_: target)
    monkeypatch.setattr(targets, "load_dataset", lambda *_: data)
    with pytest.raises(InputError, match="fast_pgd_mnist: expected weights with sha256"):
        natural.find([record])
