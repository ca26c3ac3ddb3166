"""The evaluation of a model: the function, the command, their files and their errors."""

from pathlib import Path

import keras
import numpy as np
import pytest
from toys import images, linear_target

import daa
from daa import InputError, targets
from daa.cli import evaluate as command
from daa.evaluation import checks, evaluate
from daa.evaluation.report import Verdict
from daa.runs.prepare import prepare
from daa.runs.run import run
from daa.targets.files import sha256

DIGITS = targets.load_dataset("tiny/cnn").first(60)
BYTES = np.rint(255 * DIGITS.x).astype(np.uint8)
SHORT = {"eps": "0.1", "budget": 6, "progress": False}
X, Y = images(20)


@pytest.fixture
def no_checks(monkeypatch):
    """No small attacks after the attack, which take most of the time."""
    monkeypatch.setattr(checks, "after", lambda *_: [])


def test_the_command_writes_the_result_of_the_function(user_model, capsys):
    report = daa.evaluate(user_model, BYTES, DIGITS.y, bounds=(0, 255), **SHORT)
    options = ["--data", "d.npz", "--eps", "0.1", "--bounds", "0", "255", "--budget", "6"]
    assert command.main(["net.keras", *options, "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert f"robust accuracy  {100 * report.robust_accuracy:.2f} %" in text
    result = dict(Verdict.model_validate_json(Path("out/evaluation.json").read_text()))
    expected = {"eps": 0.1, "method": "adaptive", "seed": 0, "images": 60}
    expected |= {"model_sha256": sha256(Path("net.keras")), "data_sha256": sha256(Path("d.npz"))}
    expected |= {"robust_accuracy": report.robust_accuracy, "warnings": tuple(report.warnings)}
    expected |= {"clean_accuracy": report.clean_accuracy, "interval": report.interval}
    assert expected.items() <= result.items()
    assert result["gradients_per_image"] == pytest.approx(report.gradients_per_image, abs=1e-3)
    assert {"python", "tensorflow", "numpy"} <= set(result["versions"])
    assert result["device"]
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert {"adaptive.json", "table.md", "table.csv", "table.tex", "accuracy.png"} <= set(before)
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert f"{100 * report.robust_accuracy:.2f} %" in page
    assert "data:image/png;base64" in page
    assert command.main(["net.keras", *options, "--seed", "1", "--out", "out"]) == 2
    assert "seed: the record has 0, but this run has 1" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in Path("out").iterdir()}


@pytest.mark.parametrize(
    ("method", "budget", "minutes", "options", "expected"),
    [
        ("adaptive", None, None, {}, {"budget": 150, "minutes": None}),
        ("adaptive", None, 5, {}, {"budget": evaluate.ENDLESS, "minutes": 5}),
        ("adaptive", 7, 5, {}, {"budget": 7, "minutes": 5}),
        ("pgd", None, None, {}, {"steps": 150, "step_size": 0.01}),
        ("square", 20, None, {}, {"steps": 40}),
        ("apgd", 12, None, {}, {"steps": 12}),
        ("fgsm", 12, None, {}, {"eps": 0.1}),
        ("blob", 38, None, {}, {"steps": 30, "steps_per_shuffle": 10}),
        ("blob", 38, None, {"steps_per_shuffle": 7}, {"steps": 35}),
        ("pgd", 20, None, {"steps": 3, "step_size": 0.1}, {"budget": 20, "step_size": 0.1}),
        ("pgd", None, None, {"steps": 3}, {"steps": 3, "step_size": 0.01, "budget": None}),
    ],
)
def test_the_attack_has_the_budget_or_the_steps(method, budget, minutes, options, expected):
    config = evaluate.attack_config(method, 0.1, budget, minutes, options)
    assert {name: getattr(config, name) for name in expected} == pytest.approx(expected)


def test_file_saved_model_and_function_are_the_same_model(user_model, no_checks):
    user_model.export("saved")
    options = {"bounds": (0, 255), **SHORT}
    expected = daa.evaluate("net.keras", "d.npz", **options).report.margin
    for model in ("saved", lambda x: user_model(x)):
        result = daa.evaluate(model, "d.npz", **options).report.margin
        np.testing.assert_allclose(result, expected, atol=2e-3)


def test_channels_may_come_first(user_model, no_checks):
    layers = [keras.Input((3, 8, 8)), keras.layers.Permute((2, 3, 1)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    x, first = np.repeat(BYTES, 3, axis=3), {"data_format": "channels_first"}
    one = daa.evaluate(model, x, DIGITS.y, **SHORT)
    two = daa.evaluate(model, x.transpose(0, 3, 1, 2), DIGITS.y, **first, **SHORT)
    assert one.target.image_shape == two.target.image_shape == (8, 8, 3)
    np.testing.assert_array_equal(one.adv, two.adv)


def write_data():
    np.savez("other.npz", images=BYTES, y=DIGITS.y)
    np.savez("nan.npz", x=DIGITS.x * np.nan, y=DIGITS.y)
    np.savez("high.npz", x=BYTES, y=DIGITS.y + 1)
    np.savez("shape.npz", x=BYTES[:, :7], y=DIGITS.y)
    Path("empty").mkdir()


@pytest.mark.parametrize(
    ("model", "data", "options", "message"),
    [
        ("nothing", "d.npz", {}, "model: expected FOLDER/NAME with FOLDER .*, got 'nothing'"),
        ("empty", "d.npz", {}, "model: expected FOLDER/NAME"),
        ("none:f", "d.npz", {}, "none:f: expected a module that can be imported, got ModuleNot"),
        ("mine:none", "d.npz", {}, "mine:none: mine: expected one of function, .*got 'none'"),
        ("mine:broken", "d.npz", {}, "mine:broken: .* got ZeroDivisionError: division by zero"),
        ("mine:number", "d.npz", {}, "mine:number: expected a Target, .*got 3"),
        ("mine:function", "shape.npz", {}, "mine:function: expected a model that takes images"),
        ("net.keras", "shape.npz", {}, r"x: expected shape .* for net, got \[60, 7, 8, 1\]"),
        ("net.keras", None, {}, "data: a model of your own needs images and labels"),
        ("net.keras", "none", {}, "data: expected one of mnist, .*labels.csv, got 'none'"),
        ("net.keras", "other.npz", {}, "other.npz: expected an array x, got 'images, y'"),
        ("net.keras", "nan.npz", {}, "nan.npz: x: image 0: expected finite numbers, got nan"),
        ("net.keras", "high.npz", {}, "y: image .*: expected a class from 0 to 9, got 10"),
        ("net.keras", "d.npz", {"images": 61}, "d: images: expected 1 to 60, got 61"),
        ("net.keras", "d.npz", {"signature": "s"}, "signature: only a SavedModel has signatures"),
        ("net.keras", "d.npz", {"y": DIGITS.y}, "y: expected no labels, because d.npz has labels"),
        ("tiny/cnn", None, {"bounds": (0, 255)}, "bounds: expected no such option for tiny/cnn"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(user_model, model, data, options, message):
    write_data()
    with pytest.raises(InputError, match=message):
        daa.evaluate(model, data, out="out", **{**SHORT, **options})
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": float("nan")}, "budget: expected a finite number >= 1, got nan"),
        ({"minutes": 0}, "minutes: expected a finite number > 0, got 0"),
        ({"bounds": (0, 1, 2)}, "bounds: expected"),
        ({"seed": -1}, "seed: expected a whole number >= 0, got -1"),
        ({"eps": "8"}, "eps: expected .* got '8'; a radius of 8 pixel .* 8/255"),
        ({"minutes": 1, "method": "pgd"}, "minutes: pgd has no time limit"),
        ({"published": 87}, r"published: expected an accuracy in \[0, 1\], got 87"),
        ({"method": "pgd", "steps_per_shuffle": "x"}, "steps_per_shuffle: expected no such option"),
        ({"y": Y[:3]}, "y: expected 20 whole numbers"),
        ({"x": "nothing"}, "y: expected no labels, because nothing has labels"),
        ({"x": [[1], [1, 2]]}, "x: expected"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(changes, message):
    arguments = {"x": X, "y": Y, "eps": 0.1, "progress": False, **changes}
    with pytest.raises(InputError, match=message) as error:
        daa.evaluate(linear_target()[0], **arguments)
    assert len(str(error.value)) < 500


def test_a_model_that_is_always_wrong_is_refused_with_the_likely_cause():
    network = targets.load_target("tiny/cnn").network
    wrong = (np.argmax(network(DIGITS.x), axis=1) - 1) % 10
    with pytest.raises(InputError, match=r"misclassifies all 60 images; labels-shifted: "):
        daa.evaluate(network, DIGITS.x, wrong, **SHORT)


CONFIG = "name: own\ntitle: Mine\ntarget: {}\nattack: {{eps: 0.1}}\nrows: [{{method: fgsm}}]\n"


@pytest.mark.parametrize(
    ("target", "options"), [(None, "bounds: [0, 255]\n"), ("mine:function", "")]
)
def test_a_config_can_name_a_model_of_the_user(user_model, target, options):
    config = Path("own.yaml")
    config.write_text(CONFIG.format("net.keras") + "data: d.npz\nimages: 50\n" + options)
    ready = prepare(config, Path("results"), target=target)
    ((row),) = run(ready.experiment, ready.target, ready.data, progress=False)
    assert row.record.weights_sha256 == ready.load().weights_sha256
    assert row.record.data_sha256 == sha256(Path("d.npz"))
    assert row.record.images == 50


def test_the_final_activation_of_the_model_of_a_config_is_removed(user_model):
    keras.Sequential([user_model, keras.layers.Softmax()]).save("end.keras")
    Path("own.yaml").write_text(CONFIG.format("end.keras") + "data: d.npz\n")
    with pytest.warns(UserWarning, match=r"final softmax .*\[softmax-removed\]"):
        ready = prepare(Path("own.yaml"), Path("results"))
    assert [note.code for note in ready.target.notes] == ["softmax-removed"]
