import errno
import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.errors import InputError
from daa.runs import state
from daa.runs.state import State
from daa.targets.files import save_npz

SETTINGS = AttackConfig("pgd").settings()
IDENT = {"run": "pgd-xent", "attack": SETTINGS, "images": 5, "restarts": 3, "seed": 0}


def reached(*outcomes):
    rng = np.random.default_rng(0)
    adv = rng.random((5, 2, 2, 1)).astype(np.float32)
    margin, natural = rng.random((2, 5)).astype(np.float32)
    return State().after(Report(adv, margin, natural, outcomes), 2.5, "CPU A", "abc")


ALL = Outcome(None, np.arange(5, dtype=np.float32), 20.0)
SOME = Outcome(np.array([3, 1]), np.array([-1.0, 0.5], np.float32), 7.5)
OTHERS = Outcome(np.array([4, 0, 2]), np.array([1.0, 2.0, 3.0], np.float32), 1.0)


@pytest.mark.parametrize("outcomes", [(ALL,), (ALL, SOME, ALL, OTHERS), (SOME, OTHERS)])
def test_a_state_comes_back_as_it_was(tmp_path, outcomes):
    path, before = tmp_path / "pgd.npz", reached(*outcomes)
    state.save(path, IDENT, before)
    after = state.load(path, {**IDENT, "restarts": 9})
    assert (after.seconds, after.origin) == (2.5, {"device": ["CPU A"], "git_commit": ["abc"]})
    for name in ("adv", "margin", "natural", "gradients", "correct_per_restart"):
        a, b = getattr(before.report, name), getattr(after.report, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(before.report.history, after.report.history, strict=True):
        assert (a.images is None) == (b.images is None)
        assert a.images is None or a.images.tolist() == b.images.tolist()
        assert (a.margin.tolist(), a.gradients) == (b.margin.tolist(), b.gradients)


def test_nothing_was_reached_without_a_file(tmp_path):
    assert state.load(tmp_path / "none.npz", IDENT) == State()


def test_a_state_names_every_device_and_commit():
    first = reached(ALL)
    second = first.after(first.report, 1.0, "GPU B", "abd").after(first.report, 1.0, "CPU A", None)
    assert second.origin == {"device": ["CPU A", "GPU B"], "git_commit": ["abc", "abd"]}
    assert second.seconds == 4.5


def test_a_state_from_before_an_option_existed_has_its_default(tmp_path):
    settings = dict(IDENT["attack"])
    state.save(tmp_path / "a.npz", {**IDENT, "attack": settings}, reached(ALL))
    del settings["clip_start"]
    assert state.load(tmp_path / "a.npz", {**IDENT, "attack": settings}).report is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"a.npz: expected the state of the run asked for now, got that of another; "),
        ({"attack": AttackConfig("pgd", eps=0.1).settings()}, "got that of another"),
        ({"attack": AttackConfig("blob").settings()}, "got that of another"),
    ],
)
def test_the_state_of_another_run_is_refused(tmp_path, change, message):
    state.save(tmp_path / "a.npz", IDENT, reached(ALL))
    with pytest.raises(InputError, match=message):
        state.load(tmp_path / "a.npz", {**IDENT, **change})


def test_files_that_are_no_state_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"a.npz: expected an .npz file"):
        state.load(path, IDENT)
    save_npz(path, {"adv": np.zeros(3), "correct": np.zeros(3)})
    with pytest.raises(InputError, match=r"a.npz: .* got that of an earlier version, .*; remove"):
        state.load(path, IDENT)
    save_npz(path, {"adv": np.zeros(3)})
    with pytest.raises(InputError, match=r"a.npz: expected the array margin, got none"):
        state.load(path, IDENT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adv": np.zeros((4, 2, 2, 1), "f4")}, r"adv: expected numbers of shape \[5, None, None"),
        ({"adv": np.zeros(5, "f4")}, "adv: expected numbers of shape"),
        ({"adv": np.zeros((5, 2, 2, 1), "c8")}, "adv: .*, got 'complex64 of shape"),
        ({"adv": np.full((5, 2, 2, 1), np.inf, "f4")}, "adv: expected finite numbers, got inf"),
        ({"margin": np.zeros((5, 1), "f4")}, r"margin: expected numbers of shape \[5\]"),
        ({"margin": np.array("a")}, "a.npz: expected|margin: expected"),
        ({"natural": np.full(5, np.nan, "f4")}, "natural: expected numbers, got nan"),
        ({"seconds": np.zeros(3)}, r"seconds: expected numbers of shape \[\], got"),
        ({"seconds": np.array(np.inf)}, "seconds: expected finite numbers, got inf"),
        ({"unit_size": np.array([5, 3])}, "unit_margin: expected numbers of shape"),
        ({"unit_size": np.array([5, -2])}, r"unit_size: expected 0 to 5, got \[5, -2\]"),
        ({"unit_size": np.array([5, 2**40])}, "unit_size: expected 0 to 5"),
        ({"unit_size": np.array([4, 3])}, "unit_size: expected 0 to 5"),
        ({"unit_size": np.array(7)}, "unit_on_all: expected whole numbers of shape"),
        ({"unit_on_all": np.array([1, 0])}, "unit_on_all: expected whole numbers of shape"),
        ({"unit_on_all": np.array([True, True])}, "unit_size: expected 0 to 5"),
        ({"unit_images": np.array([3, -1])}, "unit_images: expected 0 to 4"),
        ({"unit_images": np.array([3, 5])}, "unit_images: expected 0 to 4"),
        ({"unit_images": np.array([3])}, r"unit_images: expected whole numbers of shape \[2\]"),
        ({"unit_gradients": np.array(["a", "b"])}, "unit_gradients: expected numbers of shape"),
        ({"origin": np.array("[" * 9000)}, "expected the state of a run, got too many levels"),
        ({"origin": np.array('{"device": 3}')}, "origin: expected lists of texts"),
        ({"origin": np.array("[1]")}, "origin: expected lists of texts"),
        ({"ident": np.array("[]")}, "expected the state of a run, got 'list' object"),
        ({"ident": np.array("{}")}, "expected the state of a run, got"),
        ({"ident": np.array('{"attack": {"method": []}}')}, "expected the state of a run, got"),
        ({"ident": np.array('{"attack": {"eps": NaN}}')}, "got the number NaN"),
        ({"ident": np.frombuffer(b"\xff" * 8, "<U2")[0:1]}, "expected the state of a run, got"),
    ],
)
def test_arrays_that_are_no_state_are_refused(tmp_path, changes, message):
    path = tmp_path / "a.npz"
    state.save(path, IDENT, reached(ALL, SOME))
    with np.load(path) as whole:
        save_npz(path, {**whole, **changes})
    with pytest.raises(InputError, match=message) as error:
        state.load(path, IDENT)
    assert "\n" not in str(error.value)


def test_a_folder_is_held_by_one_process(tmp_path):
    folder = tmp_path / "new" / "results"
    code = f"""
from pathlib import Path
from daa.errors import InputError
from daa.runs import state
try:
    with state.sole(Path({str(folder)!r})):
        print("held")
except InputError as error:
    print(error)
"""

    def other():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.strip()

    with state.sole(folder):
        assert other().startswith(f"{folder}: expected no other process at work here, got process")
        (folder / ".owner").unlink()
        assert other().endswith("got one that has just begun")
    assert other() == "held"
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_clock_that_jumps_makes_no_negative_minutes(tmp_path, monkeypatch):
    for since in (time.time() + 7200, time.time() - 7200):
        (tmp_path / ".owner").write_text(json.dumps({"pid": 1, "host": "h", "since": since}))
        minutes = 0 if since > time.time() else 120
        assert state._named(tmp_path / ".owner") == f"process 1 on h, for {minutes} min"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotImplementedError("no flock"), "expected a file system with locks, got one without; ch"),
        (OSError(errno.ENOLCK, "No locks available"), "expected to write there, got No locks avai"),
    ],
)
def test_a_network_folder_without_locks_is_said(error, message, tmp_path, monkeypatch):
    def acquire(*_):
        raise error

    monkeypatch.setattr(state.FileLock, "acquire", acquire)
    with pytest.raises(InputError, match=message), state.sole(tmp_path / "results"):
        pytest.fail("it holds the folder")


def test_a_folder_that_is_deleted_meanwhile_is_let_go(tmp_path):
    with state.sole(tmp_path / "results"):
        shutil.rmtree(tmp_path / "results")
