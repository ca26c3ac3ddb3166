"""Trainings from a YAML file: resume, best weights, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from test_trainer import MODEL, PLAIN, data, make

from daa import Dataset, InputError, Target, targets
from daa.cli import train
from daa.runs import config as configs
from daa.training import recipe, training
from daa.training.trainer import Trainer

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
DATA = Dataset("d", *data(20), "hash")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(CONFIG)
    return path


def run(config: Path, out: Path) -> Path:
    return training.train(recipe.load(config), out=out, progress=False).path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Weights of a complete training."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "train.yaml").write_text(CONFIG)
    return run(folder / "train.yaml", folder / "a" / "cnn.npz")


def test_a_training_writes_weights_and_log(trained):
    target, data = tiny.load_target("cnn", path=trained), tiny.load_dataset()
    assert (target(data.x).numpy().argmax(1) == data.y).mean() > 0.7
    log = [json.loads(line) for line in (trained.parent / "cnn.log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert set(log[0]) == {"epoch", "loss", "clean", "pgd", "seconds"}
    assert log[2]["loss"] < log[0]["loss"]
    assert sorted(p.name for p in trained.parent.iterdir()) == ["cnn.log.jsonl", "cnn.npz"]


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_progress_is_shown_unless_quiet(config, tmp_path, capsys, monkeypatch, options):
    monkeypatch.setattr(training, "judge", lambda *_: (0.97, 0.66))
    config.write_text(CONFIG.replace("epochs: 3", "epochs: 1"), encoding="utf-8")
    assert train.main([str(config), "--out", str(tmp_path / "cnn.npz"), *options]) == 0
    out, err = capsys.readouterr()
    expected = "digits/test, 500 images: clean 97.00 %, 20-step PGD 66.00 %"
    assert out == f"{tmp_path / 'cnn.npz'}: {expected}\n"
    assert ("batch" in err) == (not options)


def test_a_killed_training_continues_to_the_same_weights(trained, config, tmp_path, monkeypatch):
    out, ran, epoch = tmp_path / "cnn.npz", [], Trainer.epoch

    def killed(self, number, *args):
        ran.append(number)
        if ran == [0, 1, 2]:
            raise KeyboardInterrupt
        return epoch(self, number, *args)

    monkeypatch.setattr(Trainer, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(config, out)
    assert not out.exists()
    config.write_text(CONFIG.replace("eps: 0.1", "eps: 0.2"), encoding="utf-8")
    with pytest.raises(InputError, match=r"state.npz: this state belongs to .* another config"):
        run(config, out)
    config.write_text(CONFIG, encoding="utf-8")
    run(config, out)
    assert ran == [0, 1, 2, 2]
    with np.load(trained) as expected, np.load(out) as result:
        assert set(expected.files) == set(result.files)
        for name in expected.files:
            np.testing.assert_array_equal(expected[name], result[name])


@pytest.mark.parametrize("name", ["notes.txt", "state", "log.jsonl"])
def test_a_folder_with_other_files_is_not_touched(config, tmp_path, name):
    path = tmp_path / "cnn-training" / name
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(InputError, match=rf"cnn-training: this is not the folder .* holds {name}"):
        run(config, tmp_path / "cnn.npz")
    assert path.read_text() == "mine"
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture
def diverge(monkeypatch):
    """Epochs that set all weights to a value and put a file into the training folder."""

    def diverge(value, note=None):
        def epoch(self, *_):
            for variable in self.variables.values():
                variable.assign(np.full(variable.shape, value))
            if note:
                note.write_text("mine")
            return 0.0

        monkeypatch.setattr(Trainer, "epoch", epoch)

    return diverge


def test_a_training_removes_its_folder_but_no_other_files(config, tmp_path, diverge, monkeypatch):
    monkeypatch.setattr(training, "judge", lambda *_: (0.97, 0.66))
    folder = tmp_path / "cnn-training"
    folder.mkdir()
    (folder / ".lock").write_text("")  # left by a training that was killed before its first epoch
    diverge(0.0)
    run(config, tmp_path / "cnn.npz")
    assert not folder.exists()
    diverge(0.0, folder / "notes.txt")
    run(config, tmp_path / "cnn.npz")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert (tmp_path / "cnn.log.jsonl").exists()


@pytest.mark.parametrize(
    ("holdout", "value", "message"),
    [
        (197, 0.0, r"the accuracy on digits/test is \d+.\d\d %, the accuracy of a guess"),
        (0, np.nan, "is not finite; existing weights are unchanged"),
    ],
)
def test_failed_weights_replace_nothing(config, tmp_path, diverge, holdout, value, message):
    config.write_text(CONFIG.replace("holdout: 197", f"holdout: {holdout}"), encoding="utf-8")
    out = tmp_path / "cnn.npz"
    out.write_bytes(b"older weights")
    diverge(value)
    with pytest.raises(InputError, match=message):
        run(config, out)
    assert out.read_bytes() == b"older weights"
    assert not (tmp_path / "cnn.log.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network/VARIABLE", np.zeros(3), "network/.*: expected float32 of shape"),
        ("optimizer/0", np.array("a"), "optimizer/0: expected int64 of shape"),
        ("best/VARIABLE", np.zeros(3), "best/.*: expected float32 of shape"),
        ("log", np.array("{}"), "log: expected the lines of a log, got"),
    ],
)
def test_a_damaged_state_is_refused(tmp_path, name, value, message):
    fresh = make()
    best = {f"best/{key}": array for key, array in fresh.arrays().items()}
    state = {**fresh.state(), **best, "log": np.array("[]"), "config": np.array("this")}
    state[name.replace("VARIABLE", "kernel")] = value
    np.savez(tmp_path / "state.npz", **{k: v for k, v in state.items() if v is not None})
    with pytest.raises(InputError, match=rf"state.npz: {message}"):
        training.restore(fresh, tmp_path / "state.npz", "this")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 2", "step: 2", r"train.yaml: steps?: "),
        ("steps: 2", "steps: 2.0", "train.yaml: steps: .* valid integer, got 2.0"),
        ("eps: 0.1", "eps: 8", "train.yaml: eps: expected 0 < eps <= 1, .* got 8"),
        ("eps: 0.1", "eps: 0.1\neps: 0.2", "'eps'"),
        ("rate: 0.003", "rate: .inf", "learning_rate: .* finite number, got inf"),
        ("holdout: 197", "holdout: 1290", "holdout: expected 0 to 1247, got 1290"),
        ("target: tiny/cnn", "target: nowhere/cnn", "target: expected FOLDER/NAME"),
        ("target: tiny/cnn", "target: locuslab/wk_mnist", "project can't train this network"),
    ],
)
def test_mistakes_in_the_recipe_are_named(config, tmp_path, old, new, message):
    config.write_text(CONFIG.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        run(config, tmp_path / "cnn.npz")


def test_every_recipe_of_the_project_loads():
    paths = list(configs.FOLDER.glob("train_*.yaml"))
    assert paths
    for path in [*paths, Path(tiny.__file__).parent / "train.yaml"]:
        assert recipe.load(path).epochs


def test_a_recipe_is_found_by_its_name(tmp_path, monkeypatch):
    seen = []
    result = training.Trained(tmp_path, "digits/test", 500, 0.97, 0.66)
    monkeypatch.setattr(training, "train", lambda config, **_: seen.append(config) or result)
    train.main(["train_own_mnist"])
    assert seen == [recipe.load(configs.FOLDER / "train_own_mnist.yaml")]


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Trains with the PGD accuracies of an iterator; returns the best weights and all weights."""

    def fit(accuracies, epochs=3, **changes):
        trained = make(epochs=epochs, **changes)
        values, weights, held = iter(accuracies), [], DATA.after(8)

        def judged(attack, given):
            assert given is held
            weights.append(trained.arrays()["kernel"])
            return 1.0, next(values)

        monkeypatch.setattr(training, "accuracies", judged)
        best = training.fit(trained, DATA.first(8), held, tmp_path, progress=False)
        return best["kernel"], weights

    return fit


@pytest.mark.parametrize(("accuracies", "best"), [([0.2, 0.6, 0.4], 1), ([0.5, 0.1, 0.5], 2)])
def test_the_best_weights_are_returned_and_of_equal_ones_the_last(fit, tmp_path, accuracies, best):
    result, weights = fit(accuracies)
    assert [bool((result == kernel).all()) for kernel in weights] == [k == best for k in range(3)]
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["pgd"] for line in log] == accuracies


def test_patience_stops_early(fit):
    _, weights = fit([0.2, 0.6, 0.4, 0.5, 0.9], epochs=9, patience=2)
    assert len(weights) == 4


def test_robust_accuracy_is_measured_with_20_steps_that_can_cross_the_ball():
    trained = make()
    attack = training.attack_on(trained, trained.variables).config
    assert (attack.method, attack.eps, attack.steps) == ("pgd", 0.1, 20)
    assert attack.step_size == pytest.approx(2.5 * 0.1 / 20)


def test_initial_weights_come_from_the_seed():
    one, other = (make(seed=seed).arrays()["kernel"] for seed in (0, 1))
    assert (one != other).any()


def test_the_last_images_are_held_out(tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(targets, "row", lambda reference: SimpleNamespace(model=MODEL))
    monkeypatch.setattr(targets, "load_dataset", lambda *_: DATA)

    def fit(trained, seen, held, folder, progress):
        given.update(seen=seen, held=held, total=trained.total)
        for name in (training.LOG, training.STATE):
            (folder / name).write_text("")
        return trained.arrays()

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(training, "judge", lambda *_: (1.0, 0.5))
    config = PLAIN.model_copy(update={"holdout": 5, "epochs": 7, "batch_size": 4})
    assert training.train(config, out=tmp_path / "w.npz").images == 20
    for name, rows in (("seen", slice(0, 15)), ("held", slice(15, 20))):
        np.testing.assert_array_equal(given[name].x, DATA.x[rows])
        np.testing.assert_array_equal(given[name].y, DATA.y[rows])
    assert given["total"] == 7 * 3


def test_ties_count_as_misclassified():
    class Attack:
        target = Target("test/tie", lambda x: x[:, 0, :2, 0], (1, 2, 1), 2)

        def __call__(self, x, y):
            return np.where(x > 0.6, x, np.float32(0.5))

    x = np.array([[0.9, 0.1], [0.9, 0.7], [0.55, 0.5]], np.float32).reshape(3, 1, 2, 1)
    result = training.accuracies(Attack(), Dataset("d", x, np.zeros(3, np.int64), ""))
    # The attack leaves 0.9 and 0.5, 0.9 and 0.7, and a tie.
    assert result == (1.0, pytest.approx(2 / 3))
