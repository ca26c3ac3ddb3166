import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

import madry_mnist
from daa.cli import reproduce, submit
from daa.errors import InputError
from daa.leaderboard import arrays
from daa.leaderboard.boards import Board, Entry
from daa.target import Bounds, Dataset, Target
from daa.targets import checkpoints, model_of

EPS = 0.15


@pytest.fixture(scope="module")
def grey():
    return tiny.load_target("cnn"), tiny.load_dataset("test").first(100)


@pytest.fixture(scope="module")
def colour():
    """As MadryLab's CIFAR10: bytes, colours, [0, 255]."""
    rng = np.random.default_rng(0)
    weights = tf.constant(rng.standard_normal((6 * 6 * 3, 10)), tf.float32)
    target = Target(
        "madry_cifar10/test",
        lambda x: tf.reshape(x / 255, [-1, 108]) @ weights,
        (6, 6, 3),
        10,
        Bounds(0, 255),
    )
    pixels = rng.integers(0, 256, (40, 6, 6, 3))
    x = pixels.astype(np.float32) / np.float32(255)
    return target, Dataset("cifar10/test", x, rng.integers(0, 10, 40), "")


def moved(target, data, eps):
    """A valid array: every pixel eps away where the range allows it."""
    signs = np.where(np.random.default_rng(1).random(data.x.shape) < 0.5, -1, 1)
    adv = np.clip(data.x + np.float32(eps) * signs, 0, 1).astype(np.float32)
    return arrays.build(target, adv, data, eps)[0]


def check(tmp_path, array, target, data, eps):
    path = tmp_path / "attack.npy"
    np.save(path, array)
    return arrays.verify(path, arrays.load(path, target, len(data)), target, data, eps)


def test_valid_arrays_pass_in_any_type_and_order(tmp_path, grey):
    target, data = grey
    array = moved(target, data, EPS)
    assert (array.shape, array.dtype) == ((100, 64), np.float32)
    expected = target(data.x * 0 + array.reshape(data.x.shape)).numpy().argmax(1)
    for version in (array, array.astype(np.float64), np.asfortranarray(array)):
        found = check(tmp_path, version, target, data, EPS)
        np.testing.assert_array_equal(found.predictions, expected)
        assert found.accuracy == (expected == data.y).mean()


def test_the_challenges_tolerance_and_the_exact_ball_are_told_apart(tmp_path, grey):
    target, data = grey
    images = arrays.natural(target, data).astype(np.float64)
    images = np.where(images > 0.5, images - EPS, images + EPS)  # float64, exact to its rounding
    assert check(tmp_path, images, target, data, EPS + 1e-9).beyond == 0
    ulp = images.copy()
    ulp[3, 5] += 1e-7 * (1 if arrays.natural(target, data)[3, 5] <= 0.5 else -1)
    assert check(tmp_path, ulp, target, data, EPS + 1e-9).beyond == 1
    far = images.copy()
    far[3, 5] += 2.1e-4 * (1 if arrays.natural(target, data)[3, 5] <= 0.5 else -1)
    with pytest.raises(InputError, match=r"image 3, pixel 5: expected \|adv - x\| <= 0.15 \+ 0.0"):
        check(tmp_path, far, target, data, EPS)


def accepted_by_madrylab(images, array, eps, upper, refuses_nan):
    """The conditions of both run_attack.py, in NumPy."""
    if np.amax(array) > upper + 0.0001 or np.amin(array) < -0.0001:
        return False
    if refuses_nan and np.isnan(np.amax(array)):
        return False
    return not float(np.amax(np.abs(images - array))) > eps + 0.0001


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_accepts_what_run_attack_accepts(tmp_path, kind, request):
    """Random arrays around the limits, of several types."""
    target, data = request.getfixturevalue(kind)
    scale = target.bounds.upper
    eps = 0.15 if kind == "grey" else 8 / 255
    radius = arrays.native_eps(target, eps)
    images = arrays.natural(target, data)
    rng, verdicts = np.random.default_rng(2), []
    for k in range(60):
        dtype = [np.float32, np.float64, np.int16, np.float16][k % 4]
        reach = radius + rng.choice([-1e-3, 0, 0.9e-4, 1e-4, 1.1e-4, 1e-3])
        low, high = rng.choice([0, -0.9e-4, -1.1e-4]), scale + rng.choice([0, 0.9e-4, 1.1e-4])
        noise = rng.choice([-reach, 0.0, reach], images.shape, p=[0.01, 0.98, 0.01])
        array = np.clip(images.astype(np.float64) + noise, low, high).astype(dtype)
        expected = accepted_by_madrylab(images, array, radius, scale, kind == "grey")
        try:
            check(tmp_path, array, target, data, eps)
            verdicts.append(True)
        except InputError:
            verdicts.append(False)
        assert verdicts[-1] == expected, (k, dtype)
    assert any(verdicts)
    assert not all(verdicts)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64, bool])
def test_arrays_in_which_differences_wrap_around_are_refused(tmp_path, colour, grey, kind):
    """In bytes 0 - 248 is 8, and the challenge would accept an image that is far away."""
    target, data = colour
    images = arrays.natural(target, data)
    far = np.where(images < 8, images + np.uint8(248), images).astype(np.uint8)
    assert accepted_by_madrylab(images, far, 8, 255, False)
    with pytest.raises(InputError, match=r"attack.npy: expected numbers with a sign, got u?[bi]"):
        check(tmp_path, far.astype(kind), target, data, 8 / 255)
    found = check(tmp_path, images.astype(np.int16), target, data, 8 / 255)
    assert (found.distance, found.beyond) == (0, 0)
    target, data = grey  # floats, from which bytes can be subtracted
    check(tmp_path, arrays.natural(target, data).astype(kind), target, data, 1.0)


@pytest.mark.parametrize("kind", ["grey", "colour"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_named(tmp_path, kind, value, request):
    target, data = request.getfixturevalue(kind)
    array = moved(target, data, 0.01)
    array.reshape(len(array), -1)[7, 3] = value
    with pytest.raises(InputError, match=r"image 7, pixel .*: expected \[0, .* finite number"):
        check(tmp_path, array, target, data, 0.01)


def test_a_permuted_array_is_recognised(tmp_path, grey):
    target, data = grey
    array = moved(target, data, 0.05)
    order = np.random.default_rng(0).permutation(len(array))
    with pytest.raises(InputError, match=r"not in the official order: .* fit another natural"):
        check(tmp_path, array[order], target, data, 0.05)
    swapped = array.copy()
    swapped[[10, 20]] = swapped[[20, 10]]
    with pytest.raises(InputError, match="such as image 10 that of 20"):
        check(tmp_path, swapped, target, data, 0.05)


def test_an_array_in_another_unit_is_recognised(tmp_path, colour):
    target, data = colour
    array = moved(target, data, 8 / 255) / 255
    with pytest.raises(InputError, match=r"seems to be in \[0, 1\], expected \[0, 255\]"):
        check(tmp_path, array, target, data, 8 / 255)


def test_bytes_and_a_whole_eps_are_kept_exactly(tmp_path, colour):
    target, data = colour
    found = check(tmp_path, moved(target, data, 8 / 255), target, data, 8 / 255)
    assert (found.distance, found.beyond) == (8.0, 0)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda p: np.save(p, np.zeros((100, 8, 8, 1))),
            r"shape \[100, 64\] .* got \[100",
        ),
        (lambda p: np.save(p, np.zeros((99, 64))), r"got \[99, 64\]"),
        (lambda p: np.save(p, np.array([None]), allow_pickle=True), "whole .npy file of numbers"),
        (lambda p: np.save(p, np.zeros((100, 64), "U3")), "expected numbers, got <U3"),
        (lambda p: p.write_bytes(b""), "expected a whole .npy file of numbers"),
        (lambda p: p.write_bytes(b"x" * 999), "expected a whole .npy file of numbers"),
        (lambda p: None, "expected a whole .npy file of numbers, got none"),
    ],
)
def test_files_that_are_no_array_are_named(tmp_path, grey, write, message):
    path = tmp_path / "attack.npy"
    write(path)
    with pytest.raises(InputError, match=message):
        arrays.load(path, grey[0], 100)


def test_truncated_files_and_archives_are_named(tmp_path, grey):
    path = tmp_path / "attack.npy"
    np.save(path, np.zeros((100, 64), np.float32))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"attack.npy: expected a whole .npy file of numbers"):
        arrays.load(path, grey[0], 100)
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(InputError, match=r"got an .npz archive"):
        arrays.load(tmp_path / "a.npz", grey[0], 100)


CONFIG = """
name: runs
title: Runs
target: TARGET
attack: {eps: EPS, step_size: 0.03, steps: 20, batch_size: 50, steps_per_shuffle: 5}
rows:
  - {method: pgd}
  - {method: blob}
"""


def finished_runs(tmp_path: Path, target: str, eps: float, images: int) -> Path:
    tmp_path.mkdir(exist_ok=True)
    config = tmp_path / "runs.yaml"
    text = CONFIG.replace("TARGET", target).replace("EPS", str(eps))
    config.write_text(text, encoding="utf-8")
    out = ["--images", str(images), "--restarts", "2", "--out", str(tmp_path)]
    reproduce.main([str(config), *out])
    return tmp_path / "runs"


def end_to_end(tmp_path, capsys, target, eps, images):
    """Build from runs, verify, merge, compare; returns the printed accuracies."""
    runs = finished_runs(tmp_path, target, eps, images)
    about = ["--target", target, "--images", str(images)]
    a, b, both, merged = (tmp_path / f"{name}.npy" for name in ("a", "b", "both", "merged"))
    submit.main(["build", str(runs / "pgd-xent.json"), "-o", str(a)])
    submit.main(["build", str(runs / "blob-xent.json"), "-o", str(b)])
    submit.main(["build", str(runs), "-o", str(both)])
    submit.main(["merge", str(a), str(b), "-o", str(merged), *about])
    np.testing.assert_array_equal(np.load(merged), np.load(both))
    capsys.readouterr()
    accuracy = {}
    for path in (a, b, merged):
        submit.main(["verify", str(path), *about])
        out = capsys.readouterr().out
        assert "exact ball and range" in out
        accuracy[path.stem] = float(out.rpartition(" images: ")[2].partition(" %")[0])
    assert accuracy["merged"] <= min(accuracy["a"], accuracy["b"])
    assert np.load(tmp_path / "pred.npy").shape == (images,)
    submit.main(["compare", str(a), str(b), *about])
    out = capsys.readouterr().out
    counts = [int(line.rpartition(" ")[2].replace(",", "")) for line in out.splitlines()[:4]]
    assert sum(counts) == images
    assert Image.open(tmp_path / "compare.png").size[0] > 500
    return accuracy, counts


def test_end_to_end_on_digits(tmp_path, capsys):
    accuracy, counts = end_to_end(tmp_path, capsys, "tiny/cnn", 0.15, 100)
    assert accuracy["a"] == pytest.approx(100 - counts[0] - counts[1])


@pytest.mark.real
@pytest.mark.skipif(
    not {"DAA_DATA", "DAA_MODELS"} <= set(os.environ), reason="DAA_DATA or DAA_MODELS is not set"
)
def test_end_to_end_on_real_mnist(tmp_path, capsys):
    end_to_end(tmp_path, capsys, "locuslab/fast_pgd_mnist", 0.3, 300)


def test_runs_that_do_not_go_together_are_named(tmp_path):
    runs = finished_runs(tmp_path, "tiny/cnn", 0.15, 50)
    out = ["-o", str(tmp_path / "a.npy")]
    other = finished_runs(tmp_path / "other", "tiny/cnn", 0.1, 50)
    both = [str(runs / "pgd-xent.json"), str(other / "pgd-xent.json")]
    with pytest.raises(InputError, match=r"pgd-xent.json: eps: expected 0.15, got 0.1"):
        submit.main.__wrapped__(["build", *both, *out])
    (runs / "pgd-xent.npz").unlink()
    with pytest.raises(InputError, match=r"pgd-xent.npz: expected the images of 2 restarts"):
        submit.main.__wrapped__(["build", str(runs / "pgd-xent.json"), *out])
    assert not (tmp_path / "a.npy").exists()


def test_a_verified_array_is_ranked_on_the_board(tmp_path, capsys, monkeypatch):
    board = Board("madry_mnist/secret", "MNIST", "here", (("A", 88.0), ("B", 89.0)))
    assert [row[:2] for row in board.ranked([Entry("madry_mnist/secret", "own", 88.001)])] == [
        (1, "A"),
        (1, "own"),
        (3, "B"),
    ]
    submit.main(["board"])
    out = capsys.readouterr().out
    assert "|    1 | Guided Local Attack" in out
    assert "EWR-PGD" in out
    with pytest.raises(InputError, match="board: expected an array together with its target"):
        submit.main.__wrapped__(["board", "--target", "madry_mnist/secret"])


@pytest.mark.real
@pytest.mark.skipif("DAA_DATA" not in os.environ, reason="DAA_DATA is not set")
def test_an_array_for_the_boards_network_is_inserted(tmp_path, capsys):
    """Random weights under the secret network's name: some accuracy, at its place, in bold."""
    weights = model_of("madry_mnist/secret").initialize(np.random.default_rng(0))
    checkpoints.write(tmp_path / "models" / "madry_mnist" / "secret" / "model", weights)
    target = madry_mnist.load_target("secret", model_dir=tmp_path / "models")
    data = madry_mnist.load_dataset("test")
    path = tmp_path / "attack.npy"
    arrays.save(path, arrays.build(target, data.x, data, 0.3)[0])
    models = ["--model-dir", str(tmp_path / "models")]
    submit.main(["board", str(path), "--target", "madry_mnist/secret", *models])
    out = capsys.readouterr().out
    inserted = next(line for line in out.splitlines() if "**" in line)
    assert "attack.npy (verified here)" in inserted
    assert inserted.startswith("|    1 |")  # random weights are right by chance only
    assert "|    2 | Guided Local Attack" in out
