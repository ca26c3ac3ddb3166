"""The evaluation of a model: the function, the command, their files and their errors."""

import importlib
import re
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.axes import Axes
from toys import images, linear_target

import daa
from daa import InputError, targets
from daa.attacks import ball_l2
from daa.attacks.methods import METHODS
from daa.cli import evaluate as command
from daa.evaluation import evaluate
from daa.evaluation.report import Verdict
from daa.runs.prepare import prepare
from daa.runs.run import run
from daa.targets.files import sha256

DIGITS = targets.load_dataset("tiny/cnn").first(60)
BYTES = np.rint(255 * DIGITS.x).astype(np.uint8)
SHORT = {"eps": "0.1", "budget": 6, "progress": False}
COMMON = ["--data", "d.npz", "--budget", "6", "--out", "out"]
X, Y = images(20)


def written(*arguments):
    """The verdict that the command writes for `COMMON`."""
    assert command.main([*arguments, *COMMON]) == 0
    return Verdict.model_validate_json(Path("out/evaluation.json").read_text())


def test_the_command_writes_the_result_of_the_function(user_model, capsys, refused):
    report = daa.evaluate(user_model, BYTES, DIGITS.y, bounds=(0, 255), **SHORT)
    options = ["net.keras", "--eps", "0.1", "--bounds", "0", "255"]
    result = dict(written(*options))
    text = capsys.readouterr().out
    assert f"robust accuracy  {100 * report.robust_accuracy:.2f} %" in text
    assert re.search(r"checks +\w+ warnings?, \d+ s\n", text)
    assert re.search(r"left +\d+\.\d more images expected .* twice .* interval 0 to \d+\)", text)
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
    line = refused("evaluate", *options, *COMMON, "--seed", "1")
    assert "seed: the record has 0, but this run has 1" in line
    assert before == {path.name: path.read_bytes() for path in Path("out").iterdir()}


def test_function_and_command_have_the_same_result_for_a_pytorch_module(user_model):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    sys.path.append(".")
    module = importlib.import_module("mine").module()
    report = daa.evaluate(module, "d.npz", **SHORT)
    assert report.clean_accuracy > 0.8  # dropout in evaluation mode
    assert report.robust_accuracy < report.clean_accuracy - 0.1
    assert not {"random-outputs", "batch-dependent", "huge-eps"} & set(report.warnings)
    result = written("mine:module", "--eps", "0.1")
    assert (result.model, result.robust_accuracy) == ("mine:module", report.robust_accuracy)
    assert result.model_sha256 == report.target.weights_sha256 is not None


def test_the_command_attacks_in_the_l2_ball(user_model, no_checks, capsys, refused):
    options = ["net.keras", "--eps", "1.5", "--bounds", "0", "255"]
    result = written(*options, "--norm", "l2")
    assert "L2 eps 1.5, Adaptive DAA, seed 0" in capsys.readouterr().out
    assert (result.attack.norm, result.eps) == ("l2", 1.5)
    assert "with L2 eps = 1.5" in Path("out/index.html").read_text(encoding="utf-8")
    with np.load("out/adaptive.npz") as arrays:
        ball_l2.check(arrays["adv"], BYTES / np.float32(255), 1.5)
    assert "eps: expected 0 < eps <= 1" in refused("evaluate", *options, *COMMON)


def test_the_default_folder_has_a_name_of_all_options_that_decide_the_result(
    user_model, no_checks, refused
):
    start = ["net.keras", "--data", "d.npz", "--eps", "0.1", "--method", "pgd", "--quiet"]
    more = ["--images 50", "", "--budget 9", "--seed 1", "--bounds 0 255"]
    folders = []
    for options in more:
        assert command.main([*start, *options.split()]) == 0
        (new,) = {*Path("evaluations").iterdir()} - {*folders}
        folders.append(new)
    assert folders[0].name == "net.keras-d.npz-pgd-eps0.1-images50"
    assert folders[1].name == "net.keras-d.npz-pgd-eps0.1"
    line = "attack.steps: the record has 150, but this run has 9; choose another folder (out), or"
    assert line in refused("evaluate", *start, "--budget", "9", "--out", folders[1])


@pytest.mark.parametrize(
    ("method", "budget", "minutes", "options", "expected"),
    [
        ("adaptive", None, None, {}, {"budget": "auto", "minutes": None}),
        ("adaptive", None, 5, {}, {"budget": evaluate.ENDLESS, "minutes": 5}),
        ("adaptive", 7, 5, {}, {"budget": 7, "minutes": 5}),
        ("adaptive", "auto", None, {}, {"budget": "auto"}),
        ("pgd", None, None, {}, {"steps": 150, "step_size": 0.01}),
        ("pgd", 20, None, {"steps": None}, {"steps": 20, "budget": None}),
        ("fgsm", 12, None, {}, {"eps": 0.1}),
        ("blob", 38, None, {}, {"steps": 30, "steps_per_shuffle": 10}),
        ("blob", 38, None, {"steps_per_shuffle": 7}, {"steps": 35}),
        ("pgd", 20, None, {"steps": 3, "step_size": 0.1}, {"budget": 20, "step_size": 0.1}),
        ("pgd", None, None, {"steps": 3}, {"steps": 3, "step_size": 0.01, "budget": None}),
    ],
)
def test_the_attack_has_the_budget_or_the_steps(method, budget, minutes, options, expected):
    config = evaluate.attack_config(method, 0.1, budget, minutes, options)
    found = {name: getattr(config, name) for name in expected}
    if expected.get("budget") != "auto":
        expected = pytest.approx(expected)
    assert found == expected


@pytest.mark.parametrize("method", [m for m in METHODS if METHODS[m].steps is None])
def test_the_gradients_are_at_most_the_budget_and_a_forward_pass(method):
    config = evaluate.attack_config(method, 0.1, 20, None, {})
    assert 20 <= config.gradients_per_image <= 20.5


def test_file_saved_model_and_function_are_the_same_model(user_model, no_checks):
    user_model.export("saved")
    options = {"bounds": (0, 255), **SHORT}
    expected = daa.evaluate("net.keras", "d.npz", **options).report.margin
    for model in ("saved", lambda x: user_model(x)):
        result = daa.evaluate(model, "d.npz", **options).report.margin
        np.testing.assert_allclose(result, expected, atol=2e-3)
    record = daa.evaluate("saved", "d.npz", signature="serve", **options).record
    assert record.model_options == {"bounds": [0, 255], "signature": "serve"}


def test_output_mean_and_std_of_command_function_and_config(user_model, no_checks, refused):
    options = {"output": "b", "mean": (0.5,), "std": (0.25,)}
    report = daa.evaluate("mine:heads", "d.npz", **options, **SHORT)
    w = sys.modules["mine"].w.numpy()
    logits = ((BYTES / 255).reshape(60, 64) - 0.5) / 0.25 @ w
    assert report.clean_accuracy == (logits.argmax(axis=1) == DIGITS.y).mean()
    arguments = ["mine:heads", "--eps", "0.1", "--output", "b", "--mean", "0.5", "--std"]
    assert written(*arguments, "0.25").robust_accuracy == report.robust_accuracy
    assert "model_options: the record has " in refused("evaluate", *arguments, "0.5", *COMMON)
    lines = "data: d.npz\noutput: b\nmean: [0.5]\nstd: [0.25]\n"
    Path("own.yaml").write_text(CONFIG.format("mine:heads") + lines)
    ready = prepare(Path("own.yaml"), Path("results"))
    np.testing.assert_allclose(ready.target(ready.data.x), logits, rtol=1e-4, atol=1e-3)


def test_a_tensorflow_data_set_and_names_of_classes(user_model, no_checks, monkeypatch):
    batches = tf.data.Dataset.from_tensor_slices((BYTES, DIGITS.y)).batch(25)
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    names = [f"digit{k}" for k in range(10)]
    options = {"bounds": (0, 255), "class_names": names, **SHORT}
    report = daa.evaluate(user_model, batches, out="out", **options)
    assert report.notes[0].message == "60 images were read from the BatchDataset."
    for text in (r"image \d+\nlabel (\d) digit\1", r"output (\d) digit\1"):
        assert any(re.fullmatch(text, title) for title in titles)
    expected = daa.evaluate(user_model, BYTES, DIGITS.y, **options).report.margin
    np.testing.assert_array_equal(report.report.margin, expected)


def test_channels_may_come_first(user_model, no_checks):
    layers = [keras.Input((3, 8, 8)), keras.layers.Permute((2, 3, 1)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    x, first = np.repeat(BYTES, 3, axis=3), {"data_format": "channels_first"}
    one = daa.evaluate(model, x, DIGITS.y, **SHORT)
    two = daa.evaluate(model, x.transpose(0, 3, 1, 2), DIGITS.y, **first, **SHORT)
    assert one.target.image_shape == two.target.image_shape == (8, 8, 3)
    np.testing.assert_array_equal(one.adv, two.adv)


def write_data():
    Path("page.h5").write_text("<!DOCTYPE html>\n<html>", encoding="utf-8")
    shutil.copy("net.keras", "net.h5")
    np.savez("other.npz", images=BYTES, y=DIGITS.y)
    np.savez("nan.npz", x=DIGITS.x * np.nan, y=DIGITS.y)
    np.savez("high.npz", x=BYTES, y=DIGITS.y + 1)
    np.savez("shape.npz", x=BYTES[:, :7], y=DIGITS.y)
    Path("empty").mkdir()


@pytest.mark.parametrize(
    ("model", "data", "options", "message"),
    [
        ("nothing", "d.npz", {}, "model: expected FOLDER/NAME with FOLDER .*, got 'nothing'"),
        ("none.keras", "d.npz", {}, "none.keras: no such file; expected a .keras file"),
        ("page.h5", "d.npz", {}, "page.h5: expected a .keras .*, got an HTML page; download"),
        ("net.h5", "d.npz", {}, r"net.h5: expected a .keras file \(load another file with keras"),
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
        ({"budget": float("nan")}, "budget: expected a finite number >= 1, or auto .*, got nan"),
        ({"minutes": 0}, "minutes: expected a finite number > 0, got 0"),
        ({"bounds": (0, 1, 2)}, "bounds: expected"),
        ({"data_format": "zz"}, "data_format: expected one of channels_last, .*, got 'zz'"),
        ({"norm": "L2"}, "norm: expected one of linf, l2, got 'L2'"),
        ({"norm": "l2", "eps": 0}, "eps: expected a number > 0, the L2 distance"),
        ({"buget": 5}, r"evaluate: no option 'buget'; did you mean budget\?"),
        ({"seed": -1}, "seed: expected a whole number >= 0, got -1"),
        ({"eps": "8"}, "eps: expected .* got 8.0; a radius of 8 pixel .* 8/255"),
        ({"eps": None}, "eps: is missing; a model of your own"),
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


def test_a_targeted_attack_reports_its_success_and_is_not_judged_by_untargeted_search(tmp_path):
    target, w = linear_target()
    options = {"method": "pgd", "budget": 20, "targeted": "least_likely", "progress": False}
    logits = X.reshape(20, -1) @ w
    right = logits.argmax(1)  # the labels: all images are classified correctly
    result = daa.evaluate(target, X, right, eps=0.15, out=tmp_path, **options)
    reached = (result.adv.reshape(20, -1) @ w).argmax(1) == logits.argmin(1)
    assert 0 < result.success_rate == reached.mean() < 1
    assert result.success_rate == result.verdict().success_rate
    assert "search-wins" not in result.warnings
    text, page = str(result), (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "PGD (targeted: least likely)" in text
    assert f"success rate     {100 * reached.mean():.2f} %" in text
    assert "robust accuracy" not in text
    assert f" {100 * reached.mean():.2f} % success rate of a targeted attack</title>" in page
    out = tmp_path / "more"
    more = daa.evaluate(target, X, right, eps=0.15, restarts=2, out=out, **options)
    assert f"success rate     at least {100 * more.success_rate:.2f} %" in str(more)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert f"at least {100 * more.success_rate:.2f} % success rate" in page
    daa.evaluate(target, X, right, eps=0.15, out=tmp_path, **options)  # its own page is replaced


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
