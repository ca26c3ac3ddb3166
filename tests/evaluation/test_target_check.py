from dataclasses import replace

import pytest
import tensorflow as tf
import tiny

from daa import targets
from daa.cli import check_targets
from daa.evaluation import target_check
from daa.target import Target
from daa.targets import Published


def test_available_targets_are_checked_and_the_others_listed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(targets, "every_target", lambda: ["tiny/cnn", "madry_mnist/secret"])
    assert check_targets.main(["--model-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "madry_mnist/secret: not available" in out
    assert "97.00" in out and "fine" in out


def pixels(x):
    return tf.reshape(x, [-1, 64])[:, 20:30]


@pytest.mark.parametrize(
    ("network", "miss"),
    [
        (lambda x: 0 * pixels(x), "gradient"),
        (lambda x: tf.math.log(pixels(x)), "logits"),
        (lambda x: pixels(x) + tf.cast(tf.shape(x)[0], tf.float32), "logits"),
    ],
)
def test_a_miss_is_named(network, miss):
    target = Target("tiny/cnn", network, (8, 8, 1), 10)
    result = target_check.examine(target, tiny.load_dataset(), None, whole=True)
    assert miss in "; ".join(result.misses)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.3), (-0.5, 1.0), (0.0, 255.0)])
def test_images_in_another_range_are_named(low, high, monkeypatch):
    data = tiny.load_dataset().first(50)
    x = (low + (high - low) * data.x).astype("f4")
    monkeypatch.setattr(target_check, "clean_accuracy", lambda *_: 0.5)
    target = Target("tiny/cnn", pixels, (8, 8, 1), 10)
    result = target_check.examine(target, replace(data, x=x), None, whole=True)
    assert any(miss.startswith("images: expected values over [0, 1]") for miss in result.misses)


def test_a_part_of_the_test_set_need_not_have_the_published_accuracy():
    target, data = tiny.load_target("cnn"), tiny.load_dataset().first(50)
    published = Published(0.5, "a test")
    assert target_check.examine(target, data, published, whole=False).misses == ()
    (miss,) = target_check.examine(target, data, published, whole=True).misses
    assert miss.startswith("clean accuracy: expected 50.00 (a test), got ")


def test_the_command_reports_another_accuracy_than_the_published_one(monkeypatch, capsys):
    row = replace(targets.row("tiny/cnn"), clean=Published(0.99, "a test"))
    monkeypatch.setattr(targets, "row", lambda reference: row)
    assert check_targets.main(["tiny/cnn"]) == 1
    out = capsys.readouterr().out
    assert "tiny/cnn: clean accuracy: expected 99.00 (a test), got 97.00 on 500 images" in out
    assert check_targets.main(["tiny/cnn", "--images", "100"]) == 0
