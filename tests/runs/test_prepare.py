"""From a YAML file to the attacked target and images."""

import numpy as np
import pytest

from daa import InputError
from daa.reports.publish import publish
from daa.runs import config as configs
from daa.runs import device
from daa.runs.prepare import in_precision, prepare
from daa.runs.run import run
from daa.targets import load_dataset

CONFIG = """
name: table1
title: Mine
target: tiny/cnn
images: 30
attack: {eps: 0.15, step_size: 0.05, steps: 2, batch_size: 10, steps_per_shuffle: 2}
rows:
  - {method: pgd, paper: 60.0}
  - {method: blob, name: mine}
"""


@pytest.fixture
def config(tmp_path):
    """A YAML file with the name of a config of the project."""
    path = tmp_path / "table1.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_a_users_config_with_the_name_of_a_config_of_the_project(config, tmp_path):
    ready = prepare(config, tmp_path / "out", images=20, restarts=7, seed=3)
    assert (ready.experiment.restarts, ready.experiment.seed) == (7, 3)
    assert (ready.folder, ready.about) == (tmp_path / "out" / "table1", {"config": "table1"})
    assert len(ready.data) == ready.experiment.images == 20
    list(run(ready.experiment, ready.target, ready.data, folder=ready.folder, about=ready.about))
    text = publish(ready.folder, ready.data)
    assert "# Mine" in text and "missing" not in text
    assert text.startswith("\n" + (ready.folder / "table.md").read_text())
    assert configs.load_experiment(ready.folder) == ready.experiment


def test_images_that_are_skipped_are_part_of_the_name_of_the_data(config, tmp_path):
    config.write_text(f"{CONFIG}skip: 10\n", encoding="utf-8")
    data, every = prepare(config, tmp_path).data, load_dataset("tiny/cnn")
    assert data.name == f"{every.name} from image 10"
    np.testing.assert_array_equal(data.x, every.x[10:40])
    config.write_text(CONFIG.replace("images: 30", "skip: 500"), encoding="utf-8")
    with pytest.raises(InputError, match="skip: expected 0 to 499, got 500"):
        prepare(config, tmp_path)


def test_a_model_of_the_user_gets_the_shape_of_its_images(config, tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", x=np.zeros((30, 4, 5, 3), np.uint8), y=np.zeros(30, int))
    mine = "import tensorflow as tf\n\ndef model():\n    return lambda x: tf.reshape(x, [-1, 60])\n"
    (tmp_path / "some_model.py").write_text(mine, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    text = CONFIG.replace("tiny/cnn", f"some_model:model\ndata: {tmp_path / 'mine.npz'}")
    config.write_text(text, encoding="utf-8")
    assert prepare(config, tmp_path).target.image_shape == (4, 5, 3)


def test_another_target_has_its_own_folder_and_the_title_of_the_config(config, tmp_path):
    text = CONFIG.replace("tiny/cnn", "madry_mnist/secret")
    config.write_text(text.replace(", paper: 60.0", ""), encoding="utf-8")
    ready = prepare(config, tmp_path, target="tiny/cnn")
    assert ready.folder == tmp_path / "table1-tiny-cnn"
    assert ready.experiment.title == "Mine"
    assert ready.about == {"config": "table1", "instead_of": "madry_mnist/secret"}


@pytest.mark.parametrize(("title", "paper"), [("Mine", ", paper: 60.0"), ("My MNIST", "")])
def test_a_target_of_another_data_set_gets_no_title_or_number_of_the_config(
    config, tmp_path, title, paper
):
    text = CONFIG.replace("tiny/cnn", "madry_mnist/secret").replace(", paper: 60.0", paper)
    config.write_text(text.replace("Mine", title), encoding="utf-8")
    what = "paper's numbers belong" if paper else "title belongs"
    message = f"table1.yaml: the {what} to mnist, but tiny/cnn is for digits; copy the config"
    with pytest.raises(InputError, match=message):
        prepare(config, tmp_path, target="tiny/cnn")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("", {"target": ""}, "target: must be FOLDER/NAME or a model of your own"),
        ("", {"target": "a.b:c"}, "'a.b:c' is no target, .* a model of your own also needs `data`"),
        ("", {"target": "foo/bar"}, "table1.yaml: target: 'foo/bar' is no target, whose folders"),
        ("", {"images": 501}, "images: expected 1 to 500, got 501"),
        ("bounds: [0, 255]", {}, "table1.yaml: bounds: expected no such option for tiny/cnn"),
    ],
)
def test_mistakes(config, tmp_path, change, options, message):
    config.write_text(CONFIG + change, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        prepare(config, tmp_path, **options)


def test_bfloat16_becomes_float32_on_a_device_without_instructions(config, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "fast_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="bfloat16: this device has no instructions for it"):
        ready = prepare(config, tmp_path, precision="bfloat16")
    assert {row.attack.precision for row in ready.experiment.rows} == {"float32"}
    for here, fast in ((False, False), (True, True)):
        monkeypatch.setattr(device, "fast_bfloat16", lambda fast=fast: fast)
        experiment = in_precision(configs.load(config), "bfloat16", here)
        assert {row.attack.precision for row in experiment.rows} == {"bfloat16"}
