"""States of interrupted runs, and the lock of a folder."""

import errno
import json
import shutil
from dataclasses import asdict
from unittest.mock import Mock

import numpy as np
import pytest

from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.errors import InputError
from daa.runs import state
from daa.runs.state import State
from daa.targets.files import save_npz

SETTINGS = AttackConfig("pgd").settings()
IDENT = {"experiment": "e", "run": "p", "attack": SETTINGS, "images": 5, "restarts": 3, "seed": 0}
ALL = Outcome(None, np.arange(5, dtype=np.float32), 20.0)
SOME = Outcome(np.array([3, 1]), np.array([-1.0, 0.5], np.float32), 7.5)
OTHERS = Outcome(np.array([4, 0, 2]), np.array([1.0, 2.0, 3.0], np.float32), 1.0)


def example(*outcomes):
    rng = np.random.default_rng(0)
    adv = rng.random((5, 2, 2, 1)).astype(np.float32)
    margin, natural = rng.random((2, 5)).astype(np.float32)
    return State().after(Report(adv, margin, natural, outcomes), 2.5, "CPU A", "abc")


@pytest.mark.parametrize("outcomes", [(ALL,), (ALL, SOME, ALL, OTHERS), (SOME, OTHERS)])
def test_a_state_is_read_as_it_was_written(tmp_path, outcomes):
    path, before = tmp_path / "pgd.npz", example(*outcomes)
    assert state.load(path, IDENT) == State()
    assert (State().units, State().gradients, State().seconds) == (0, 0, 0)
    state.save(path, IDENT, before)
    after = state.load(path, {**IDENT, "restarts": 9, "experiment": "other", "run": "q"})
    assert (after.seconds, after.origin) == (2.5, {"device": ["CPU A"], "git_commit": ["abc"]})
    assert (after.units, after.gradients) == (len(outcomes), before.report.gradients.sum() // 1)
    assert after.report.adv.dtype == after.report.history[0].margin.dtype == np.float32
    np.testing.assert_equal(asdict(after.report), asdict(before.report))


def test_a_state_names_every_device_and_commit():
    first = example(ALL)
    second = first.after(first.report, 1.0, "GPU B", "abd").after(first.report, 1.0, "CPU A", None)
    assert second.origin == {"device": ["CPU A", "GPU B"], "git_commit": ["abc", "abd"]}
    assert second.seconds == 4.5


def test_states_of_earlier_versions_are_read(tmp_path):
    path = tmp_path / "a.npz"
    state.save(path, IDENT, example(ALL))
    settings = {name: value for name, value in SETTINGS.items() if name != "clip_start"}
    old = {key: value for key, value in IDENT.items() if key != "restarts"}
    with np.load(path) as arrays:
        save_npz(path, {**arrays, "ident": np.array(json.dumps({**old, "attack": settings}))})
    assert state.load(path, IDENT).units == 1


def test_the_state_of_a_different_run_is_refused(tmp_path):
    state.save(tmp_path / "a.npz", IDENT, example(ALL))
    others = [AttackConfig("pgd", eps=0.1), AttackConfig("blob")]
    for change in ({"seed": 1}, *({"attack": attack.settings()} for attack in others)):
        with pytest.raises(InputError, match=r"a.npz: is the state of a different run; choose"):
            state.load(tmp_path / "a.npz", {**IDENT, **change})


def test_the_type_of_a_number_makes_no_different_run(tmp_path):
    whole, decimal = (
        {**IDENT, "attack": AttackConfig("dgf", c=c).settings(), "model_options": {"mean": [c]}}
        for c in (2, 2.0)
    )
    state.save(tmp_path / "a.npz", whole, example(ALL))
    assert state.load(tmp_path / "a.npz", decimal).units == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"adv": np.zeros((4, 2, 2, 1), "f4")},
        {"margin": np.zeros((5, 1), "f4")},
        {"natural": np.zeros(4, "f4")},
        {"unit_size": np.array([5, 3])},
        {"unit_size": np.array([4, 3])},
        {"unit_size": np.array([7])},
        {"unit_on_all": np.array([True, True])},
        {"unit_images": np.array([3, -1])},
        {"unit_images": np.array([3, 5])},
        {"unit_images": np.array([3])},
        {"unit_gradients": np.zeros(3)},
        {"origin": np.array("{")},
        {"x": np.zeros(3)},
        {"ident": np.array("{}")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_arrays_that_are_no_state_are_refused(tmp_path, changes):
    path = tmp_path / "a.npz"
    state.save(path, IDENT, example(ALL, SOME))
    with np.load(path) as arrays:
        save_npz(path, changes if "x" in changes else {**arrays, **changes})
    with pytest.raises(InputError, match=r"a.npz: not the state of a run, or damaged: "):
        state.load(path, IDENT)


def test_one_process_at_a_time_locks_a_folder(tmp_path):
    folder = tmp_path / "new" / "results"
    with state.sole(folder):
        for owner in ("process ", "another process; wait until it ends"):
            message = f"{folder}: is in use by {owner}"
            with pytest.raises(InputError, match=message), state.sole(folder):
                pytest.fail("the folder is locked")
            (folder / state.OWNER).unlink(missing_ok=True)
    assert [path.name for path in folder.iterdir()] == [state.LOCK]


@pytest.mark.parametrize(
    ("error", "folder", "text"),
    [
        (NotImplementedError("no flock"), "a", "no flock"),
        (OSError(errno.ENOLCK, "No locks available"), "a", "No locks"),
        (None, "file/a", "Not a directory"),
    ],
)
def test_a_folder_that_cannot_be_locked(error, folder, text, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(state.FileLock, "acquire", Mock(side_effect=error))
    message = f"{folder}: can't be written to or locked: {text}.*; choose another"
    with pytest.raises(InputError, match=message), state.sole(tmp_path / folder):
        pytest.fail("the folder is locked")


def test_somebody_may_delete_a_locked_folder(tmp_path):
    with state.sole(tmp_path / "results"):
        shutil.rmtree(tmp_path / "results")
