"""From finished runs to a verified array: build, verify, merge, compare."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from daa import Attack, AttackConfig, InputError, targets
from daa.attacks.plans import Outcome, Report
from daa.cli import reproduce, submit
from daa.leaderboard import arrays, submission
from daa.runs import records, state
from daa.runs.config import Experiment, Row
from daa.runs.state import State

CONFIG = """
name: runs
title: Runs
target: tiny/cnn
attack: {eps: 0.15, step_size: 0.03, steps: 10, batch_size: 50, steps_per_shuffle: 5}
rows:
  - {method: pgd}
  - {method: blob}
"""


def test_from_runs_to_a_merged_array(tmp_path, capsys):
    config, runs = tmp_path / "runs.yaml", tmp_path / "runs"
    config.write_text(CONFIG, encoding="utf-8")
    out = ["--images", "100", "--restarts", "2", "--out", str(tmp_path)]
    reproduce.main([str(config), *out])
    challenge = ["--target", "tiny/cnn", "--images", "100"]
    a, b, both, merged = (str(tmp_path / f"{name}.npy") for name in ("a", "b", "both", "merged"))
    for built, array in ((runs / "pgd-xent.json", a), (runs / "blob-xent.json", b), (runs, both)):
        submit.main(["build", str(built), "-o", array])
    submit.main(["merge", a, b, "-o", merged, *challenge])
    np.testing.assert_array_equal(np.load(merged), np.load(both))
    capsys.readouterr()
    accuracy = {}
    for path in (a, b, merged):
        submit.main(["verify", path, *challenge])
        out = capsys.readouterr().out
        assert "exact ball and range: satisfied" in out
        accuracy[path] = float(out.rpartition(" images: ")[2].partition(" %")[0])
    assert accuracy[merged] <= min(accuracy[a], accuracy[b])
    assert np.load(tmp_path / "pred.npy").shape == (100,)
    submit.main(["compare", a, b, *challenge])
    lines = capsys.readouterr().out.splitlines()[:4]
    counts = [int(line.rpartition(" ")[2]) for line in lines]
    assert sum(counts) == 100
    assert accuracy[a] == counts[2] + counts[3]
    assert Image.open(tmp_path / "compare.png").size[0] > 500


@pytest.fixture(scope="module")
def data():
    return targets.load_dataset("tiny/cnn", images=4)


@pytest.fixture
def finish(tmp_path, data):
    """Writes record and state of a finished run."""

    def finish(name, adv, margin=(1, 1, 1, 1), restarts=1, clip_range=True, eps=0.15, **changes):
        attack = AttackConfig("pgd", eps=eps, clip_range=clip_range)
        row = Row(name=name, attack=attack)
        about = {"name": "t", "title": "T", "target": "tiny/cnn", "restarts": restarts}
        experiment = Experiment(**about, rows=(row,))
        identity = records.identity(experiment, row, targets.load_target("tiny/cnn"), data)
        identity |= changes
        margin = np.array(margin, np.float32)
        outcomes = (Outcome(None, margin, 1.0),) * restarts
        report = Report(adv, margin, np.ones(4, np.float32), outcomes)
        record = records.finished_run(
            identity, experiment, row, report=report, seconds=1, origin={"device": ["A"]}
        )
        records.save(tmp_path / f"{name}.json", record)
        state.save(tmp_path / f"{name}.npz", identity, State(report, 1.0, {}))
        return tmp_path / f"{name}.json"

    return finish


def test_an_array_has_the_worst_version_of_each_image(tmp_path, data, finish):
    """One run stays at the clean images, the other breaks some of them."""
    target = targets.load_target("tiny/cnn")
    attack = AttackConfig("pgd", "cw", eps=0.15, step_size=0.05, steps=20)
    adv = Attack(target, attack)(data.x, data.y)
    strong = (target(adv).numpy().argmax(1) == data.y).astype(float)
    weak = (target(data.x).numpy().argmax(1) == data.y).astype(float)
    assert weak.sum() > strong.sum()
    runs = [finish("weak", data.x, 2 * weak - 1), finish("strong", adv, 2 * strong - 1)]
    text = submission.build(runs, tmp_path / "a.npy")
    percent = f"{100 * strong.mean():.2f} %"
    assert text.endswith(f"runs: 2, accuracy {percent} (strongest single run {percent})")
    assert len(text.splitlines()) == 1
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), adv.reshape(4, 64), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_sha256": "other"}, "weights_sha256: expected '.*', got 'other'"),
        ({"data_sha256": "other"}, "data_sha256: expected '.*', got 'other'"),
        ({"images": 3}, "images: expected 4, got 3"),
        ({"target": "tiny/other"}, "target: expected 'tiny/cnn', got 'tiny/other'"),
        ({"eps": 0.1}, r"attack\.eps: expected 0.15, got 0.1"),
        ({"clip_range": False}, "clip_range: expected true for a submission, got False"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(tmp_path, data, finish, changes, message):
    runs = [finish("first", data.x), finish("other", data.x, **changes)]
    with pytest.raises(InputError, match=rf"other.json: {message}"):
        submission.build(runs, tmp_path / "a.npy")
    assert not (tmp_path / "a.npy").exists()


def test_the_network_judges_anew_and_images_outside_the_ball_are_named(tmp_path, data, finish):
    path = finish("lies", data.x, margin=[-1, -1, -1, -1])
    note, result = submission.build([path], tmp_path / "a.npy").splitlines()
    assert note.startswith(f"{path}: 4 images that the network judges differently than in the run")
    assert "accuracy 100.00 % (strongest single run 100.00 %)" in result
    path = finish("far", np.clip(data.x + np.float32(0.3), 0, 1))
    note = submission.build([path], tmp_path / "a.npy").splitlines()[0]
    expected = "4 images outside the ball or range; moved to its edge, by up to 0.15"
    assert note == f"{path}: {expected}"


def test_an_image_on_the_boundary_is_misclassified(tmp_path, data, finish, monkeypatch):
    margins = np.array([0.5, -0.5, 0.0, 1.0], np.float32)
    monkeypatch.setattr(submission, "margin", lambda *_: tf.constant(margins))
    (result,) = submission.build([finish("run", data.x, margins)], tmp_path / "a.npy").splitlines()
    assert result.endswith("accuracy 50.00 % (strongest single run 50.00 %)")


@pytest.mark.parametrize("key", ["weights", "data"])
def test_a_run_on_other_weights_or_data_is_refused(tmp_path, data, finish, key):
    path = finish("run", data.x, **{f"{key}_sha256": "other"})
    with pytest.raises(InputError, match=rf"run.json: expected {key} with sha256 other, got"):
        submission.build([path], tmp_path / "a.npy")


def test_a_run_without_its_images_is_refused(tmp_path, data, finish):
    path = finish("run", data.x, restarts=2)
    content = json.loads(path.read_text())
    content |= {"robust_accuracy": [1.0], "accuracy_per_restart": [1.0], "restarts": 1}
    path.write_text(json.dumps(content))
    for _ in ("a state of two restarts", "no state"):
        with pytest.raises(InputError, match=r"run.npz: must hold the images of 1 restarts"):
            submission.build([path], tmp_path / "a.npy")
        path.with_suffix(".npz").unlink(missing_ok=True)
    with pytest.raises(InputError, match="no finished runs with images"):
        submission.build([tmp_path], tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_build_overwrites_no_run(data, finish, suffix):
    path = finish("run", data.x)
    out = path.with_suffix(suffix)
    before = out.read_bytes()
    with pytest.raises(InputError, match=f"{out.name}: expected another file than the input"):
        submission.build([path], out)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        lambda challenge, array, link, _: submission.verify(challenge, array),
        lambda challenge, array, link, _: submission.verify(challenge, array, link),
        lambda challenge, array, link, _: submission.verify(challenge, link, array),
        lambda challenge, array, link, _: submission.merge(challenge, [link, array], array),
        lambda challenge, array, _, picture: submission.compare(challenge, [array, array], picture),
    ],
)
def test_no_array_is_overwritten_even_through_links(tmp_path, gray, command):
    array, link, picture = (tmp_path / name for name in ("pred.npy", "link.npy", "array.png"))
    arrays.save(array, gray.clean_images())
    link.symlink_to(array)
    picture.symlink_to(array)
    before = array.read_bytes()
    with pytest.raises(InputError, match="expected another file than the input"):
        command(gray, array, link, picture)
    assert array.read_bytes() == before
    assert link.is_symlink()


@pytest.fixture
def checks(monkeypatch):
    """Predictions of two arrays for five images of class 0, with margins."""
    checks = [
        arrays.Verified(np.zeros((5, 64), np.float32), np.array(labels), margins, 0.0, 0.0, 0)
        for labels, margins in [
            ([1, 1, 0, 0, 1], np.array([-1, -1, 1, 1, -1])),
            ([1, 0, 2, 0, 0], np.array([-2, 1, -1, 2, 1])),
        ]
    ]
    result = iter(checks)
    monkeypatch.setattr(arrays, "verify", lambda *_: next(result))


@pytest.fixture
def five(gray):
    data = gray.data.first(5)
    return replace(gray, data=replace(data, x=0 * data.x, y=0 * data.y))


def test_a_merged_array_has_the_accuracy_of_the_versions_taken(tmp_path, five, checks):
    text = submission.merge(five, [tmp_path / "a", tmp_path / "b"], tmp_path / "m.npy")
    first, second, last = text.splitlines()
    assert "3 images misclassified, 2 of them only by this array; 3 images taken" in first
    assert "2 images misclassified, 1 of them only by this array; 2 images taken" in second
    expected = "exact ball and range: satisfied; largest |adv - x| 0.0, eps 0.15; accuracy 20.00 %"
    assert last == f"{tmp_path / 'm.npy'}: float32, {expected}"


def test_two_arrays_divide_the_images_into_four_kinds(tmp_path, five, checks):
    text = submission.compare(five, [tmp_path / "a", tmp_path / "b"], tmp_path / "c.png")
    assert text.splitlines()[:5] == [
        "misclassified by both: 1",
        "misclassified by only the first: 2",
        "misclassified by only the second: 1",
        "misclassified by none: 1",
        "McNemar p: 1",
    ]


def test_the_radius_of_a_challenge_is_the_targets_or_an_option():
    assert submission.load_challenge("tiny/cnn", images=3).eps == 0.15
    challenge = submission.load_challenge("tiny/cnn", images=3, eps=0.2)
    assert (challenge.eps, len(challenge.data)) == (0.2, 3)
    for wrong in (0, np.nan, 8):
        with pytest.raises(InputError, match="eps: expected 0 < eps <= 1, "):
            submission.load_challenge("tiny/cnn", images=3, eps=wrong)
    with pytest.raises(InputError, match="norm: expected linf for a submission, got 'l2'"):
        submission.load_challenge("locuslab/own_mnist_l2", images=3)
