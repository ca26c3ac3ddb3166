"""Arrays for the challenges: what is kept exactly, what is refused, whose break is whose."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from daa import AttackConfig, Bounds, Dataset, InputError, Target, targets
from daa.attacks.plans import Outcome, Report
from daa.leaderboard import arrays, boards, submission
from daa.leaderboard.arrays import Check
from daa.runs import records, state
from daa.runs.config import Experiment, Row
from daa.runs.state import State

BYTES = np.arange(256, dtype=np.float32).reshape(4, 8, 8, 1)
GREY = Target("madry_mnist/test", lambda x: tf.reshape(x, [-1, 64])[:, :10], (8, 8, 1), 10)
COLOUR = replace(GREY, bounds=Bounds(0, 255))


def data(x):
    return Dataset("test", x, np.arange(len(x)), "data hash")


def test_natural_images_are_those_that_the_challenge_reads():
    """TensorFlow's MNIST reader multiplies bytes with float32(1 / 255), which is no division."""
    divided = BYTES / np.float32(255)
    multiplied = BYTES * np.float32(1 / 255)
    assert (divided != multiplied).any()
    found = arrays.natural(GREY, data(divided))
    np.testing.assert_array_equal(found, multiplied.reshape(4, 64))
    assert found.dtype == np.float32
    found = arrays.natural(COLOUR, data(divided))
    np.testing.assert_array_equal(found, BYTES.reshape(4, 64))
    assert found.dtype == np.uint8


def test_a_radius_is_in_the_unit_of_the_network():
    assert arrays.native_eps(GREY, 0.3) == 0.3
    assert arrays.native_eps(COLOUR, 8 / 255) == 8


def test_a_built_array_is_exactly_inside_the_ball_of_the_challenge():
    x = BYTES / np.float32(255)
    adv = np.clip(x + np.float32(0.3), 0, 1)
    built, moved = arrays.build(GREY, adv, data(x), 0.3)
    natural = arrays.natural(GREY, data(x)).astype(np.float64)
    assert np.abs(built - natural).max() <= 0.3
    assert (built >= 0).all()
    assert (built <= 1).all()
    np.testing.assert_allclose(built, adv.reshape(4, 64), atol=1e-6)
    assert moved.max() < 1e-6
    adv[2, 0, 0] = 0
    _, moved = arrays.build(GREY, adv, data(x), 0.3)
    assert moved.round(2).tolist() == [0, 0, pytest.approx(0.2, abs=0.05), 0]


def judged(tmp_path, array, target=GREY, eps=0.1):
    x = np.full((600, 8, 8, 1), 0.5, np.float32)
    x[:, 0, 0] = np.linspace(0.2, 0.8, 600)[:, None]
    return arrays.verify(tmp_path / "a.npy", array(x.reshape(600, 64)), target, data(x), eps)


def moved(k, pixel, by):
    def array(x):
        x = x.astype(np.float64)
        x[k, pixel] += by
        return x

    return array


def test_the_largest_distance_is_that_of_all_chunks_and_values_beyond_are_counted(tmp_path):
    assert judged(tmp_path, moved(3, 5, 0.09)).distance == pytest.approx(0.09)
    assert judged(tmp_path, moved(599, 5, 0.09)).distance == pytest.approx(0.09)
    assert judged(tmp_path, moved(3, 5, 0.09)).beyond == 0
    assert judged(tmp_path, moved(3, 5, 0.10005)).beyond == 1
    above = judged(tmp_path, moved(3, 5, 0.50005), eps=0.6)
    assert (above.beyond, len(above.predictions)) == (1, 600)
    with pytest.raises(InputError, match=r"image 3, pixel 5: expected \|adv - x\|"):
        judged(tmp_path, moved(3, 5, 0.1005))


def test_a_bad_image_beyond_the_first_chunk_has_its_own_number(tmp_path):
    with pytest.raises(InputError, match=r"a.npy: image 577, pixel 5: expected \|adv - x\|"):
        judged(tmp_path, moved(577, 5, 0.2))
    with pytest.raises(InputError, match=r"a.npy: image 577, pixel 5: expected \[0, 1\]"):
        judged(tmp_path, moved(577, 5, 0.7))


def check(*predictions, margin=None):
    margin = np.zeros(len(predictions)) if margin is None else np.array(margin, np.float32)
    return Check(np.array(predictions), margin, 0.0, 0.0, 0)


def test_whose_images_are_broken_by_one_array_alone():
    y = np.array([0, 0, 0, 0])
    checks = [check(1, 1, 0, 0), check(1, 0, 2, 0), check(1, 0, 0, 0)]
    assert arrays.contributions(checks, y) == [(2, 1), (2, 1), (1, 0)]


def test_two_arrays_share_images_out_into_four_kinds():
    y = np.array([0, 0, 0, 0, 0])
    found, p = arrays.contrast(check(1, 1, 0, 0, 1), check(1, 0, 2, 0, 0), y)
    assert {name: images.tolist() for name, images in found.items()} == {
        "both": [0],
        "only the first": [1, 4],
        "only the second": [2],
        "none": [3],
    }
    assert p == 1.0


def test_the_version_with_the_lowest_margin_is_taken():
    a, b = np.full((3, 2), 1.0, np.float32), np.full((3, 2), 2.0, np.float32)
    checks = [check(0, 0, 0, margin=[1, -1, 0]), check(0, 0, 0, margin=[0, 2, 1])]
    merged, source = arrays.merge([a, b], checks)
    assert source.tolist() == [1, 0, 0]
    assert merged.tolist() == [[2, 2], [1, 1], [1, 1]]
    assert merged.dtype == np.float32


def test_a_merged_array_has_the_very_values_of_the_versions():
    exact = np.nextafter(np.full((1, 2), 0.3), 1)
    checks = [check(0, margin=[1]), check(0, margin=[0])]
    merged, _ = arrays.merge([np.zeros((1, 2), np.float32), exact], checks)
    assert (merged == exact).all()
    assert merged.dtype == np.float64


def test_an_accuracy_on_the_board_is_in_percent(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(boards, "markdown", lambda found, entries: seen.extend(entries) or "")
    about = SimpleNamespace(
        target=GREY, check=lambda paths: (None, [replace(check(0), accuracy=0.8812)])
    )
    submission.board(about, tmp_path / "a.npy")
    assert seen[0].target == GREY.name
    assert seen[0].accuracy == pytest.approx(88.12)


def test_a_merged_array_has_the_accuracy_of_the_versions_taken(tmp_path, monkeypatch):
    checks = [check(1, 0, 0, margin=[-1, 1, 1]), check(0, 0, 1, margin=[1, 1, -1])]
    zeros = np.zeros((3, 8, 8, 1), np.float32)
    about = SimpleNamespace(
        target=GREY,
        data=Dataset("test", zeros, np.zeros(3, int), "data hash"),
        eps=0.1,
        check=lambda paths: ([zeros.reshape(3, 64)] * 2, checks),
    )
    text = submission.merge(about, [tmp_path / "a", tmp_path / "b"], tmp_path / "m.npy")
    assert "accuracy 33.33 %" in text.splitlines()[-1]
    assert "breaks 1, 1 of them alone" in text
    assert "m.npy: float32, exact ball and range: kept; largest |adv - x| 0.0, eps 0.1" in text


def test_the_radius_of_a_setting_may_be_given():
    assert submission.setting("tiny/cnn", images=3).eps == 0.15
    about = submission.setting("tiny/cnn", images=3, eps=0.2)
    assert (about.eps, len(about.data)) == (0.2, 3)


@pytest.mark.parametrize("eps", [0, 0.0, -0.1, np.inf, np.nan, 8])
def test_a_radius_that_is_none_is_refused(eps):
    with pytest.raises(InputError, match="eps: expected 0 < eps <= 1, got"):
        submission.setting("tiny/cnn", images=3, eps=eps)


@pytest.fixture(scope="module")
def digits_data():
    return targets.load_dataset("tiny/cnn", images=4)


def finished(folder, digits_data, margin, shift, name="pgd-xent", restarts=1, **changes):
    """A finished run with its images, as `reproduce` leaves it."""
    attack = AttackConfig("pgd", eps=0.15, clip_range=changes.pop("clip_range", True))
    row = Row(name=name, attack=attack)
    experiment = Experiment(name="t", title="T", target="tiny/cnn", rows=(row,))
    sha256 = changes.pop("weights_sha256", targets.load_target("tiny/cnn").weights_sha256)
    ident = records.identity(experiment, row, "tiny/cnn", "own", sha256, digits_data, restarts, 0)
    ident |= changes
    natural = np.ones(4, np.float32)
    margin = np.array(margin, np.float32)
    adv = np.clip(digits_data.x + np.float32(shift), 0, 1)
    if changes.pop("keep_range", False):
        adv = digits_data.x + np.float32(shift)
    report = Report(adv, margin, natural, (Outcome(None, margin, 1.0),) * restarts)
    record = records.finished_run(
        ident, experiment, row, clean=1.0, report=report, seconds=1, origin={"device": ["A"]}
    )
    records.save(folder / f"{name}.json", record)
    state.save(folder / f"{name}.npz", ident, State(report, 1.0, {}))
    return folder / f"{name}.json"


def test_an_array_has_the_worst_version_of_each_image(tmp_path, digits_data, monkeypatch):
    first = finished(tmp_path, digits_data, [1, -1, 0.5, 2], 0.05)
    other = finished(tmp_path, digits_data, [2, 1, -0.5, 1], 0.1, name="other")
    margins = iter([np.array([1, -1, 0.5, 2]), np.array([2, 1, -0.5, 1])])
    monkeypatch.setattr(arrays, "margins_of", lambda *_: next(margins))
    said = submission.build([first, other], tmp_path / "a.npy")
    assert len(said.splitlines()) == 1
    found = np.load(tmp_path / "a.npy").reshape(digits_data.x.shape) - digits_data.x
    assert np.round(found.max(axis=(1, 2, 3)), 3).tolist() == [
        pytest.approx(0.05),
        pytest.approx(0.05),
        pytest.approx(0.1),
        pytest.approx(0.1),
    ]
    assert "accuracy 50.00 % (the strongest run alone 75.00 %)" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_sha256": "other"}, "weights_sha256: expected '.*', got 'other'"),
        ({"data_sha256": "other"}, "data_sha256: expected '.*', got 'other'"),
        ({"images": 3}, "images: expected 4, got 3"),
        ({"target": "tiny/other"}, "target: expected 'tiny/cnn', got 'tiny/other'"),
        ({"clip_range": False}, "clip_range: expected true for a submission, got False"),
    ],
)
def test_runs_that_do_not_go_together_or_left_the_range_are_refused(
    tmp_path, digits_data, changes, message
):
    first = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.05)
    other = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.05, name="other", **changes)
    with pytest.raises(InputError, match=rf"other.json: {message}"):
        submission.build([first, other], tmp_path / "a.npy")
    assert not (tmp_path / "a.npy").exists()


def test_the_network_is_asked_anew_and_images_outside_the_ball_are_told(tmp_path, digits_data):
    """A file that says of natural images that they are all broken."""
    path = finished(tmp_path, digits_data, [-1, -1, -1, -1], 0)
    said = submission.build([path], tmp_path / "a.npy").splitlines()
    assert "accuracy 100.00 % (the strongest run alone 100.00 %)" in said[1]
    assert said[0].startswith(f"{path}: images that the network now judges otherwise than in the")
    assert "run: 4; its verdict" in said[0]
    path = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.3, name="far")
    said = submission.build([path], tmp_path / "a.npy").splitlines()
    assert said[0] == f"{path}: images outside ball or range: 4; they were moved to its edge, by " \
        "up to 0.15"  # fmt: skip


def test_a_run_on_other_weights_than_those_here_is_refused(tmp_path, digits_data):
    path = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.05, weights_sha256="other")
    with pytest.raises(InputError, match=r"pgd-xent.json: expected weights with sha256 other, got"):
        submission.build([path], tmp_path / "a.npy")


def test_nothing_is_written_over_an_input(tmp_path, digits_data, monkeypatch):
    path = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.05)
    for out in (path, path.with_suffix(".npz")):
        before = out.read_bytes()
        with pytest.raises(InputError, match=f"{out.name}: expected another file than the input"):
            submission.build([path], out)
        assert out.read_bytes() == before
    array, link = tmp_path / "pred.npy", tmp_path / "link.npy"
    submission.build([path], array)
    link.symlink_to(array)
    before = array.read_bytes()
    about = submission.setting("tiny/cnn", images=4)
    picture = tmp_path / "array.png"
    picture.symlink_to(array)
    for write in (
        lambda: submission.verify(about, array),
        lambda: submission.verify(about, array, link),
        lambda: submission.verify(about, link, array),
        lambda: submission.merge(about, [link, array], array),
        lambda: submission.compare(about, [array, array], picture),
    ):
        with pytest.raises(InputError, match="expected another file than the input"):
            write()
    assert array.read_bytes() == before
    assert link.is_symlink()


def test_images_of_other_restarts_are_refused(tmp_path, digits_data):
    path = finished(tmp_path, digits_data, [1, 1, 1, 1], 0.05, restarts=2)
    content = json.loads(path.read_text())
    content |= {"robust_accuracy": [1.0], "accuracy_per_restart": [1.0], "restarts": 1}
    path.write_text(json.dumps(content))
    message = re.escape("pgd-xent.npz: expected the images of 1 restarts, got none of them or oth")
    with pytest.raises(InputError, match=message):
        submission.build([path], tmp_path / "a.npy")
