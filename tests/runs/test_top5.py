"""Data sets of many classes: whether the label is among the first five."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from daa import Dataset, Target
from daa.attacks.methods import AttackConfig
from daa.reports import results as collection
from daa.reports import tables
from daa.runs import records, run
from daa.runs.config import Experiment, Row
from daa.runs.setup import Setup


def many(classes=120):
    """A linear network of many classes."""
    w = tf.constant(np.random.default_rng(0).standard_normal((16, classes)).astype(np.float32))
    return Target("test/many", lambda x: tf.reshape(x, [-1, 16]) @ w, (4, 4, 1), classes)


def test_the_label_counts_among_the_five_largest_logits_and_ties_against_it():
    logits = np.zeros((4, 8), np.float32)
    logits[0, :] = [5, 9, 8, 7, 6, 1, 2, 3]  # fifth
    logits[1, :] = [5, 9, 8, 7, 6, 6, 2, 3]  # sixth
    logits[2, :] = [5, 9, 8, 7, 5, 5, 2, 3]  # a tie for the sixth place
    logits[3, :] = [9, 1, 1, 1, 1, 1, 1, 1]
    target = Target("test/logits", lambda x: tf.reshape(x, [-1, 8]), (1, 8, 1), 8)
    x = logits.reshape(4, 1, 8, 1)
    found = [run.top5_accuracy(target, x[k : k + 1], np.zeros(1, int)) for k in range(4)]
    assert found == [1, 0, 0, 1]


@pytest.fixture
def ready(tmp_path):
    target = many()
    x = np.random.default_rng(1).random((30, 4, 4, 1)).astype(np.float32)
    y = np.asarray(target(x)).argsort(axis=1)[:, -2].astype(np.int64)
    attack = AttackConfig("pgd", "xent", eps=0.05, step_size=0.05, steps=2, random_start=False)
    rows = (Row(name="pgd-xent", attack=attack, paper=55.0, paper_top5=66.0),)
    experiment = Experiment(name="t", title="T", target="tiny/cnn", rows=rows)
    data = Dataset("test/data", x, y, "hash")
    return Setup(experiment, target, partial(many), data, tmp_path / "t", {"config": "none"})


def test_a_run_on_many_classes_has_top5_columns(ready):
    run.reproduce(ready, say=lambda text: None)
    record = records.load(ready.folder / "pgd-xent.json")
    with np.load(ready.folder / "pgd-xent.npz") as kept:
        adv = kept["adv"]
    expected = run.top5_accuracy(ready.target, adv, ready.data.y)
    assert record.top5_accuracy == expected
    assert record.top5_accuracy > record.worst
    assert (record.paper_percent, record.paper_top5_percent) == (55.0, 66.0)
    found = collection.collect(ready.folder, ready.experiment)
    (row,) = tables.table(found).rows
    assert row["top-5"] == f"{100 * expected:.2f}"
    assert (row["paper"], row["paper top-5"]) == ("55.00", "66.00")


def test_merged_runs_are_a_share_of_their_own_images(ready):
    run.reproduce(ready, say=lambda text: None)
    found = collection.collect(ready.folder, ready.experiment)
    (record,) = found.records
    assert record.broken
    last = tables.table(replace(found, merged_paper=50.0)).rows[-1]
    assert last["worst case"] == f"{100 * (30 - len(record.broken)) / 30:.2f}"


def test_a_run_on_few_classes_has_none(ready, monkeypatch):
    monkeypatch.setattr(run, "TOP5_FROM", 500)
    run.reproduce(ready, say=lambda text: None)
    content = json.loads((ready.folder / "pgd-xent.json").read_text())
    assert not {"top5_accuracy", "paper_top5_percent"} & set(content)
