"""Any classifier in, an honest verdict out: the function, the command, what it reads and writes."""

import json
import os
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import daa
from daa import InputError, Target, targets
from daa.cli import main as console
from daa.evaluation import report as verdict
from daa.evaluation.evaluate import evaluate
from daa.reports import schema
from daa.reports.publish import publish
from daa.runs import config
from daa.runs.prepare import prepare
from daa.runs.run import run
from daa.targets import user_data as data
from daa.targets import user_models as models
from daa.targets.files import sha256

REFERENCE = "tiny/cnn"
DIGITS = targets.load_dataset(REFERENCE).first(60)
NETWORK = targets.load_target(REFERENCE).network
BYTES = np.rint(255 * DIGITS.x).astype(np.uint8)
SHORT = {"eps": "0.1", "budget": 6, "progress": False}

MODULE = """
import numpy as np, tensorflow as tf
w = tf.Variable(np.random.default_rng(0).normal(size=(64, 10)).astype("float32"))
def function():
    return lambda x: tf.reshape(x, [-1, 64]) @ w
def broken():
    return 1 / 0
def whole():
    return lambda x: tf.cast(tf.reshape(x, [-1, 64]) @ w, tf.int32)
def flat():
    return lambda x: tf.round(tf.reshape(x, [-1, 64])) @ w
number = 3
def answer():
    return 42
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a module, a Keras model and some data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("warnings.showwarning", warnings.showwarning)  # the command sets it
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setitem(sys.modules, "mine", None)
    del sys.modules["mine"]
    Path("mine.py").write_text(MODULE, encoding="utf-8")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    model.save("net.keras")
    np.savez("d.npz", x=BYTES, y=DIGITS.y)
    return model


def command(*arguments):
    return console.main(["evaluate", *map(str, arguments)])


def test_the_function_says_what_the_command_writes(place, capsys):
    report = daa.evaluate(place, BYTES, DIGITS.y, bounds=(0, 255), **SHORT)
    arguments = ["net.keras", "--data", "d.npz", "--eps", "0.1", "--bounds", "0", "255"]
    assert command(*arguments, "--budget", 6, "--out", "out") == 0
    text = capsys.readouterr().out
    assert f"robust accuracy  {100 * report.robust_accuracy:.2f} %" in text
    found = json.loads(Path("out/evaluation.json").read_text())
    assert found["robust_accuracy"] == report.robust_accuracy
    assert found["clean_accuracy"] == report.clean_accuracy
    assert found["interval"] == list(report.interval)
    assert found["gradients_per_image"] == pytest.approx(report.gradients_per_image, abs=1e-3)
    assert found["warnings"] == report.warnings == [f["code"] for f in found["findings"]]
    assert (found["eps"], found["method"], found["seed"], found["images"]) == (
        0.1,
        "adaptive",
        0,
        60,
    )
    assert found["model_sha256"] == sha256(Path("net.keras"))
    assert found["data_sha256"] == sha256(Path("d.npz"))
    assert {"python", "tensorflow", "numpy"} <= set(found["versions"])
    assert found["device"]
    written = {path.name for path in Path("out").iterdir()}
    assert {"adaptive.json", "table.md", "table.csv", "table.tex", "accuracy.png"} <= written
    page = Path("out/index.html").read_text(encoding="utf-8")
    assert f"{100 * report.robust_accuracy:.2f} %" in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is loaded from elsewhere
    assert page.count("data:image/png;base64") >= 1
    verdict.Verdict.model_validate_json(Path("out/evaluation.json").read_text())


def test_a_result_of_another_run_is_refused_before_the_attack_and_the_same_replaced(place, capsys):
    same = ["net.keras", "--data", "d.npz", "--eps", "0.1", "--budget", 5, "--bounds", 0, 255]
    assert command(*same, "--out", "out") == 0
    assert command(*same, "--out", "out") == 0
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    capsys.readouterr()
    assert command(*same, "--seed", 1, "--out", "out") == 2
    assert "seed: the record has 0, but this run has 1" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in Path("out").iterdir()}


@pytest.mark.parametrize("method", ["pgd", "blob", "fgsm", "square", "apgd"])
def test_other_methods_take_the_budget_as_steps(place, method):
    report = evaluate(place, DIGITS.x, DIGITS.y, eps=0.1, budget=12, method=method, progress=False)
    assert report.gradients_per_image <= 13
    assert 0 <= report.robust_accuracy <= report.clean_accuracy


def test_a_saved_model_a_function_and_a_module_are_the_same_model(place):
    place.export("saved", verbose=False)
    expected = evaluate("net.keras", "d.npz", bounds=(0, 255), **SHORT).report.margin
    for model in ("saved", lambda x: place(x)):
        report = evaluate(model, "d.npz", bounds=(0, 255), **SHORT).report
        np.testing.assert_allclose(report.margin, expected, atol=2e-3)
    found = models.load("mine:function", image_shape=(8, 8, 1))
    again = models.load("mine:function", image_shape=(8, 8, 1))
    assert (found.name, found.classes) == ("mine:function", 10)
    assert found.weights_sha256 == again.weights_sha256 is not None
    assert models.target_of(found) is found


def test_the_hash_of_a_function_is_that_of_its_weights():
    one, two = (Target.from_keras(keras.Sequential([keras.Input((8, 8, 1)),
        keras.layers.Flatten(), keras.layers.Dense(10)])).network for _ in range(2))  # fmt: skip
    hashes = [models.target_of(f, image_shape=(8, 8, 1)).weights_sha256 for f in (one, two, one)]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_channels_first_model_and_channels_first_images(place):
    turned = keras.Sequential(
        [keras.Input((3, 8, 8)), keras.layers.Permute((2, 3, 1)), keras.layers.Flatten(),
         keras.layers.Dense(10)]
    )  # fmt: skip
    x = np.repeat(BYTES, 3, axis=3)
    one = evaluate(turned, x, DIGITS.y, **SHORT)
    two = evaluate(turned, x.transpose(0, 3, 1, 2), DIGITS.y, data_format="channels_first", **SHORT)
    assert one.target.image_shape == two.target.image_shape == (8, 8, 3)
    np.testing.assert_array_equal(one.adv, two.adv)


def test_images_of_a_folder_and_of_arrays_of_all_kinds(tmp_path):
    lines = ["file,label"]
    for k, image in enumerate(BYTES[:5]):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png,{DIGITS.y[k]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found, notes = data.load(str(tmp_path))
    np.testing.assert_allclose(found.x, BYTES[:5] / 255, atol=1e-6)
    np.testing.assert_array_equal(found.y, DIGITS.y[:5])
    assert notes == []
    whole = np.rint(255 * DIGITS.x)
    for x, y, options in [
        (BYTES, DIGITS.y, {}),
        (BYTES[..., 0], DIGITS.y[:, None], {}),
        (BYTES.transpose(0, 3, 1, 2), np.eye(10)[DIGITS.y], {"data_format": "channels_first"}),
        (whole, DIGITS.y, {"bounds": (0, 255)}),
        (BYTES / 127.5 - 1, DIGITS.y, {"bounds": (-1, 1)}),
    ]:
        found, notes = data.dataset(x, y, **options)
        np.testing.assert_allclose(found.x, BYTES / 255, atol=1e-6)
        np.testing.assert_array_equal(found.y, DIGITS.y)
        assert found.x.dtype == np.float32
        assert found.y.dtype == np.int64
        assert notes == []


def test_images_that_are_damaged_or_vast_are_named(tmp_path):
    picture = tmp_path / "a.png"
    Image.fromarray(BYTES[0, ..., 0]).save(picture)
    whole = picture.read_bytes()
    (tmp_path / "labels.csv").write_text("a.png,0\n")
    vast = bytearray(whole)
    vast[16:24] = b"\x00\x01\x00\x00" * 2  # 65,536 x 65,536 pixels
    vast[29:33] = zlib.crc32(vast[12:29]).to_bytes(4, "big")
    for content in (vast, whole[:40], whole[:-30], b"", b"\x89PNG\r\n\x1a\n" + bytes(99)):
        picture.write_bytes(content)
        with pytest.raises(InputError, match=r"a.png: expected an image, got"):
            data.load(str(tmp_path))
    picture.unlink()
    os.mkfifo(picture)
    with pytest.raises(InputError, match=r"a.png: expected an image, got a pipe or a device"):
        data.load(str(tmp_path))
    for label in ("9" * 5000, "9" * 200_000, "-1", "1.5", "\u00b2"):
        (tmp_path / "labels.csv").write_text(f"file,label\na.png,{label}\n")
        with pytest.raises(InputError, match=r"labels.csv: expected lines file,label"):
            data.load(str(tmp_path))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 0, 0, 1)), [0], r"x: expected images \[N >= 1, H, W, C\], got"),
        (np.full((1, 2, 2, 1), 1e300), [0], "x: expected values from 0 to 1"),
        (np.full((1, 2, 2, 1), "a"), [0], "x: expected uint8 or floats, got <U1"),
        (np.zeros((1, 2, 2, 1)), np.array([2**63], np.uint64), "y: expected labels below"),
        (np.zeros((1, 2, 2, 1)), ["a"], "y: expected 1 whole numbers"),
        (np.zeros((1, 2, 2, 1)), [["a", "b"]], "y: expected 1 whole numbers"),
        (np.zeros((1, 2, 2, 1)), [2**70], "y: expected 1 whole numbers"),
        (np.zeros((1, 2, 2, 1)), [[]], "y: expected 1 whole numbers"),
        (np.zeros((1, 2, 2, 1)), [[0.5, 0.5]], "y: expected 1 whole numbers"),
    ],
)
def test_arrays_that_are_no_data_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        data.dataset(x, y)


def data_files():
    np.savez("other.npz", images=BYTES, y=DIGITS.y)
    np.savez("nan.npz", x=DIGITS.x * np.nan, y=DIGITS.y)
    np.savez("few.npz", x=BYTES, y=DIGITS.y[:-1])
    np.savez("high.npz", x=BYTES, y=DIGITS.y + 1)
    np.savez("negative.npz", x=DIGITS.x, y=DIGITS.y - 1)
    np.savez("pickled.npz", x=np.array([{}]), y=DIGITS.y)
    np.savez("shape.npz", x=BYTES[:, :7], y=DIGITS.y)
    np.savez("standard.npz", x=5 * (DIGITS.x - 0.5), y=DIGITS.y)
    Path("torn.npz").write_bytes(Path("d.npz").read_bytes()[:500])
    Path("empty").mkdir()
    Path("pictures").mkdir()
    Path("pictures/labels.csv").write_text("a.png,0\nb.png,x\n")
    Path("text.keras").write_text("no model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "nothing --data d.npz",
            "model: expected FOLDER/NAME with FOLDER .*, got 'nothing'",
        ),
        ("none.keras --data d.npz", "none.keras: expected a .keras file, got 'none.keras'"),
        ("text.keras --data d.npz", "text.keras: expected a .keras file, got File is not a zip"),
        ("empty --data d.npz", "model: expected FOLDER/NAME"),
        ("none:f --data d.npz", "none:f: expected a module that can be imported, got ModuleNot"),
        ("mine:none --data d.npz", "mine:none: mine: expected one of function, .*got 'none'"),
        ("mine:broken --data d.npz", "mine:broken: .* got ZeroDivisionError: division by zero"),
        ("mine:number --data d.npz", "mine:number: expected a Target, .*got 3"),
        ("mine:answer --data d.npz", "mine:answer: expected a Target, .*got 42"),
        ("mine:whole --data d.npz", "mine:whole: output: expected logits, got int32"),
        ("mine:flat --data d.npz", "mine:flat: expected logits with a gradient"),
        ("mine:function --data shape.npz", "mine:function: expected a model that takes images of"),
        ("net.keras --data shape.npz", r"x: expected shape .* for net, got \[60, 7, 8, 1\]"),
        ("net.keras", "data: expected images and labels for a model of your own, got None"),
        ("net.keras --data none", "data: expected one of mnist, .*labels.csv, got 'none'"),
        ("net.keras --data none.npz", "none.npz: expected an .npz file of arrays, got none"),
        ("net.keras --data torn.npz", "torn.npz: expected an .npz file of arrays"),
        ("net.keras --data pickled.npz", "pickled.npz: expected an .npz file of arrays"),
        ("net.keras --data other.npz", "other.npz: expected an array x, got 'images, y'"),
        ("net.keras --data nan.npz", "nan.npz: x: image 0: expected finite numbers, got nan"),
        ("net.keras --data few.npz", "few.npz: y: expected 60 whole numbers"),
        ("net.keras --data high.npz", "y: image .*: expected a class from 0 to 9, got 10"),
        ("net.keras --data negative.npz", "negative.npz: y: expected labels from 0 on, got -1"),
        ("net.keras --data standard.npz", r"standard.npz: x: expected values from 0 to 1 \(bounds"),
        ("net.keras --data empty", "data: expected one of"),
        ("net.keras --data pictures", "pictures/a.png: expected an image, got"),
        ("net.keras --data d.npz --images 61", "d: images: expected 1 to 60, got 61"),
        ("net.keras --data d.npz --bounds 1 0", "net: bounds: expected the lowest and the highest"),
        ("net.keras --data d.npz --signature s", "signature: expected one for a SavedModel alone"),
        (
            "net.keras --data d.npz --minutes 1 --method pgd",
            "minutes: expected them for adaptive alone, got them for pgd, .* a budget sets its",
        ),
        ("net.keras --data d.npz --budget 0.5", "budget: expected a finite number >= 1, got 0.5"),
        (f"{REFERENCE} --bounds 0 255", "bounds: expected no such option for"),
    ],
)
def test_a_mistake_ends_in_one_line_and_writes_nothing(place, capsys, arguments, message):
    data_files()
    assert command(*arguments.split(), "--eps", "0.1", "--out", "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    with pytest.raises(InputError, match=message):
        raise InputError(error)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("eps", "message"),
    [("8", "eps: expected 0 < eps <= 1, .* got '8'; a radius of 8 pixel values is 8/255"),
     ("x", "eps: expected 0 < eps <= 1, .*got 'x'")],
)  # fmt: skip
def test_a_radius_of_another_unit(place, capsys, eps, message):
    assert command("net.keras", "--data", "d.npz", "--eps", eps) == 2
    with pytest.raises(InputError, match=message):
        raise InputError(capsys.readouterr().err)


def test_a_model_that_gets_nothing_right(place):
    wrong = (np.argmax(NETWORK(DIGITS.x), axis=1) - 1) % 10
    with pytest.raises(InputError, match=r"expected a model that gets some .*labels-shifted"):
        evaluate(NETWORK, DIGITS.x, wrong, **SHORT)


def test_a_config_names_a_model_of_the_users_own(place, capsys):
    head = "name: own\ntitle: Mine\ntarget: net.keras\n"
    rows = "rows: [{method: pgd, steps: 3, step_size: 0.05}, {method: adaptive, budget: 4}]\n"
    rest = f"data: d.npz\nimages: 50\nattack: {{eps: 0.1}}\n{rows}"
    for target, bounds in ((None, "bounds: [0, 255]\n"), ("mine:function", "")):
        Path("own.yaml").write_text(head + bounds + rest)
        ready = prepare(Path("own.yaml"), Path("results"), target=target)
        list(run(ready.experiment, ready.target, ready.data, folder=ready.folder))
        publish(ready.folder)
        record = json.loads((ready.folder / "pgd-xent.json").read_text())
        assert record["weights_sha256"] == ready.load().weights_sha256
        assert record["data_sha256"] == sha256(Path("d.npz"))
        assert record["images"] == 50
        assert (ready.folder / "table.md").exists()
    Path("own.yaml").write_text(head + rows)
    with pytest.raises(InputError, match="own: data: is missing"):
        prepare(Path("own.yaml"), Path("results"))
    Path("own.yaml").write_text(f"{head}bounds: 3\n{rows}")
    with pytest.raises(InputError, match=r"own\.yaml: bounds"):
        config.load("own.yaml")


@pytest.mark.parametrize("end", ["sigmoid", "softmax"])
def test_the_model_of_a_config_loses_its_end(place, end):
    last = keras.layers.Dense(10, activation=end)
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), last]).save("end.keras")
    head = "name: own\ntitle: Mine\ntarget: end.keras\ndata: d.npz\nattack: {eps: 0.1}\n"
    Path("own.yaml").write_text(f"{head}rows: [{{method: pgd, steps: 3, step_size: 0.05}}]\n")
    with pytest.warns(UserWarning, match=f"final {end} of the model is taken off"):
        ready = prepare(Path("own.yaml"), Path("results"))
    assert [note.code for note in ready.target.notes] == [f"{end}-removed"]


def test_the_keys_of_the_file_are_documented():
    assert "evaluation.json" in schema.markdown()
    for name, field in verdict.Verdict.model_fields.items():
        assert field.description, name
        assert f"`{name}`" in schema.markdown()


def test_importing_the_function_loads_no_tensorflow():
    code = "import daa, sys; daa.evaluate; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
