import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from daa import targets
from daa.cli import train
from daa.errors import InputError
from daa.runs import config as configs
from daa.training import recipe, trainer, training

CONFIG = """
target: tiny/cnn
eps: 0.1
step_size: 0.05
steps: 2
epochs: 3
batch_size: 50
learning_rate: 0.003
ramp: 0.2
holdout: 197
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(config: Path, out: Path) -> Path:
    train.main([str(config), "--out", str(out)])
    return out


def test_trains_logs_and_leaves_weights_alone(config, tmp_path, capsys):
    out = run(config, tmp_path / "a" / "cnn.npz")
    target = tiny.load_target("cnn", path=out)
    data = tiny.load_dataset()
    assert (target(data.x).numpy().argmax(1) == data.y).mean() > 0.7
    log = [json.loads(line) for line in (out.parent / "cnn.log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert set(log[0]) == {"epoch", "loss", "clean", "pgd", "seconds"}
    assert log[2]["loss"] < log[0]["loss"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["cnn.log.jsonl", "cnn.npz"]
    assert "cnn.npz: digits/test, 500 images: clean" in capsys.readouterr().out


def test_quiet_leaves_one_line(config, tmp_path, capsys):
    run(config, tmp_path / "loud.npz")
    assert "batch" in capsys.readouterr().err
    train.main([str(config), "--out", str(tmp_path / "cnn.npz"), "--quiet"])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"{tmp_path / 'cnn.npz'}: digits/test, 500 images: clean ")
    assert len(out.splitlines()) == 1


def test_a_killed_training_goes_on_to_the_same_weights(config, tmp_path, monkeypatch):
    whole = run(config, tmp_path / "whole" / "cnn.npz")
    epoch = trainer.Trainer.epoch

    def killed(self, number, x, y, on_batch):
        if number == 2:
            raise KeyboardInterrupt
        return epoch(self, number, x, y, on_batch)

    monkeypatch.setattr(trainer.Trainer, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "parts" / "cnn.npz")
    assert not (tmp_path / "parts" / "cnn.npz").exists()
    seen = []

    def counted(self, number, x, y, on_batch):
        seen.append(number)
        return epoch(self, number, x, y, on_batch)

    monkeypatch.setattr(trainer.Trainer, "epoch", counted)
    parts = run(config, tmp_path / "parts" / "cnn.npz")
    assert seen == [2]
    with np.load(whole) as a, np.load(parts) as b:
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])


def test_the_state_of_another_config_is_refused(config, tmp_path, monkeypatch):
    def killed(self, number, x, y, on_batch):
        if number == 1:
            raise KeyboardInterrupt
        return 0.0

    monkeypatch.setattr(trainer.Trainer, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "cnn.npz")
    config.write_text(CONFIG.replace("eps: 0.1", "eps: 0.2"), encoding="utf-8")
    with pytest.raises(InputError, match=r"state.npz: expected a training of this config"):
        run(config, tmp_path / "cnn.npz")


@pytest.mark.parametrize("foreign", ["notes.txt", "state", "log.jsonl"])
def test_a_foreign_folder_is_not_touched(config, tmp_path, foreign):
    folder = tmp_path / "cnn-training"
    folder.mkdir()
    (folder / foreign).write_text("mine")
    with pytest.raises(
        InputError, match=rf"cnn-training: expected no folder, .*, got {foreign} in"
    ):
        run(config, tmp_path / "cnn.npz")
    assert (folder / foreign).read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == [foreign]
    (folder / foreign).unlink()
    (folder / ".lock").write_text("")  # as a training leaves it that was killed at once
    run(config, tmp_path / "cnn.npz")
    assert not folder.exists()


def test_what_is_put_into_the_folder_meanwhile_stays(config, tmp_path, monkeypatch):
    epoch = trainer.Trainer.epoch

    def noted(self, *args):
        (tmp_path / "cnn-training" / "notes.txt").write_text("mine")
        return epoch(self, *args)

    monkeypatch.setattr(trainer.Trainer, "epoch", noted)
    run(config, tmp_path / "cnn.npz")
    assert [path.name for path in (tmp_path / "cnn-training").iterdir()] == ["notes.txt"]
    assert (tmp_path / "cnn.log.jsonl").exists()


@pytest.mark.parametrize(
    ("held", "value", "message"),
    [
        (197, 0.0, r"accuracy \d+.\d\d % on digits/test, where a guess has"),
        (0, np.nan, "numbers that are not finite; older weights are as they were"),
    ],
)
def test_weights_that_learned_nothing_replace_none(
    config, tmp_path, monkeypatch, held, value, message
):
    config.write_text(CONFIG.replace("holdout: 197", f"holdout: {held}"), encoding="utf-8")
    out = tmp_path / "cnn.npz"
    out.write_bytes(b"older weights")

    def diverged(self, number, x, y, on_batch):
        for variable in self.variables.values():
            variable.assign(np.full(variable.shape, value))
        return 0.0

    monkeypatch.setattr(trainer.Trainer, "epoch", diverged)
    with pytest.raises(InputError, match=message):
        run(config, out)
    assert out.read_bytes() == b"older weights"
    assert not (tmp_path / "cnn.log.jsonl").exists()


def test_a_rate_that_is_none_is_refused(config, tmp_path):
    config.write_text(CONFIG.replace("0.003", ".inf"), encoding="utf-8")
    with pytest.raises(InputError, match="learning_rate: expected a finite number, got inf"):
        run(config, tmp_path / "cnn.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network/Variable": np.zeros(3)}, "network/Variable.*: expected float32 of shape"),
        ({"network/Variable": None}, "network/Variable.*: expected float32 of shape .* got None"),
        ({"optimizer/0": np.array("a")}, "optimizer/0: expected int64 of shape"),
        ({"best/Variable": np.zeros(3)}, "best/Variable.*: expected float32 of shape"),
        ({"log": np.array("[" * 9000)}, "log: expected the lines of a log, got too many levels"),
        ({"log": np.array("{}")}, "log: expected the lines of a log, got"),
        ({"log": np.array('[{"pgd": "a"}]')}, "log: expected the lines of a log, got"),
        ({"log": None}, "log: expected the lines of a log, got Expecting value"),
        ({"config": None}, "expected a training of this config"),
    ],
)
def test_a_damaged_state_of_a_training_is_refused(config, tmp_path, changes, message):
    recipe_ = recipe.load(config)
    model = targets.model_of("tiny/cnn")
    fresh = training.make_trainer(recipe_, model, 100)
    weights = fresh.arrays()
    first = sorted(weights)[0]
    kept = {**fresh.state(), **{f"best/{k}": v for k, v in weights.items()}}
    kept |= {"log": np.array("[]"), "config": np.array("this")}
    for name, value in changes.items():
        name = name.replace("Variable", first)
        kept.pop(name)
        kept |= {} if value is None else {name: value}
    np.savez(tmp_path / "state.npz", **kept)
    with pytest.raises(InputError, match=rf"state.npz: {message}".replace("Variable.*", first)):
        training.restore(fresh, tmp_path / "state.npz", "this")


def test_patience_stops_early(config, tmp_path, monkeypatch):
    config.write_text(CONFIG.replace("epochs: 3", "epochs: 9\npatience: 2"), encoding="utf-8")
    # As if no epoch were better than the first.
    monkeypatch.setattr(training, "since_best", lambda lines: max(0, len(lines) - 1))
    out = run(config, tmp_path / "cnn.npz")
    assert len((out.parent / "cnn.log.jsonl").read_text().splitlines()) == 3


def test_since_best_counts_epochs_after_the_best():
    values = [0.1, 0.5, 0.4, 0.5, 0.3]
    assert training.since_best([{"pgd": v} for v in values]) == 1
    assert training.since_best([{"epoch": 1}]) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 2", "step: 2", r"train.yaml: expected one of target, eps, .*, got 'step'"),
        ("steps: 2", "", "train.yaml: steps: expected a value, got None"),
        ("steps: 2", "steps: 2.0", "train.yaml: steps: expected a whole number >= 1, got 2.0"),
        ("eps: 0.1", "eps: 0", "train.yaml: eps: expected 0 < eps <= 1, got 0"),
        ("eps: 0.1", "eps: 0.1\neps: 0.2", "expected each key once, got 'eps' again"),
        ("ramp: 0.2", "ramp: 2", "ramp: expected 0 <= ramp <= 1, got 2"),
        ("rate: 0.003", "rate: -1", "learning_rate: expected a number > 0, got -1"),
        ("ramp: 0.2", "weight_decay: -1", "weight_decay: expected a number >= 0, got -1"),
        ("ramp: 0.2", "seed: -1", "seed: expected a whole number >= 0, got -1"),
        ("ramp: 0.2", "patience: 0", "patience: expected null or a whole number >= 1, got 0"),
        ("ramp: 0.2", "augment: 1", "augment: expected true or false, got 1"),
        ("holdout: 197", "holdout: 1290", "holdout: expected 0 to 1247, got 1290"),
        ("target: tiny/cnn", "target: nowhere/cnn", "target: expected FOLDER/NAME"),
        ("target: tiny/cnn", "target: tiny/../../x", r"tiny: expected one of .* '../../x'"),
        ("target: tiny/cnn", "target: imagenet_ens/adv", "imagenet: split: expected test, got"),
        ("target: tiny/cnn", "target: ../tiny/cnn", "target: expected FOLDER/NAME"),
        ("ramp: 0.2", "optimizer: sgd", "optimizer: expected one of adam, momentum, got 'sgd'"),
    ],
)
def test_mistakes_are_named(config, tmp_path, old, new, message):
    config.write_text(CONFIG.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        run(config, tmp_path / "cnn.npz")


def test_crops_and_mirrors_keep_the_pixels():
    x = np.random.default_rng(0).random((200, 6, 6, 1)).astype(np.float32)
    out = trainer.augment(x, np.random.default_rng(1), pad=1)
    assert out.shape == x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for image, original in zip(out, padded, strict=True):
        crops = [original[r : r + 6, c : c + 6] for r in range(3) for c in range(3)]
        assert any((image == a).all() or (image == a[:, ::-1]).all() for a in crops)


def test_every_training_of_the_project_loads():
    paths = list(configs.FOLDER.glob("train_*.yaml"))
    assert paths
    for path in [*paths, Path(tiny.__file__).parent / "train.yaml"]:
        assert recipe.load(path).epochs


def test_a_target_that_is_not_trained_here_is_refused():
    config = recipe.TrainConfig("locuslab/wk_mnist", eps=0.1, step_size=0.1, steps=1, epochs=1)
    with pytest.raises(InputError, match="wk_mnist: expected a network that this project trains"):
        training.make_trainer(config, targets.model_of(config.target), images=100)


def test_the_config_of_a_training_is_found_by_its_name(tmp_path, monkeypatch):
    seen = []

    def trained(config, **options):
        seen.append(config)
        return training.Trained(tmp_path, "digits/test", 500, 0.97, 0.66)

    monkeypatch.setattr(training, "train", trained)
    train.main(["train_own_mnist"])
    assert seen == [recipe.load(configs.FOLDER / "train_own_mnist.yaml")]
