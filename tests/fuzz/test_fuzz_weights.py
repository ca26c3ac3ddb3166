"""Weights: .npz files, TF1 checkpoints, .keras files, and states of runs and of trainings."""

import io

import keras
import numpy as np
import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from world import ODD_TEXTS, mutated, place, refused_or, share

from daa import Target
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.runs import state
from daa.targets import checkpoints

WEIGHTS = tiny.FAMILY.own_weights("cnn").read_bytes()
with np.load(io.BytesIO(WEIGHTS)) as _file:
    ARRAYS = {name: _file[name] for name in _file.files}
IDENT = {"run": "pgd-xent", "images": 3, "restarts": 3, "seed": 0}
IDENT["attack"] = AttackConfig("pgd").settings()


def packed(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@st.composite
def others(draw, arrays):
    """The arrays with some of them replaced, renamed or left out."""
    found = dict(arrays)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(found) or ["none"]))
        how = draw(st.sampled_from(["type", "shape", "values", "remove", "add"]))
        array = found.get(name, np.zeros(2, np.float32))
        if how == "type":
            kind = draw(st.sampled_from(["f8", "f2", "i4", "b1", "U3", "c8", "O"]))
            found[name] = np.zeros(array.shape, kind)
        elif how == "shape":
            found[name] = array.reshape(-1)[: draw(st.integers(0, 5))]
        elif how == "values" and array.dtype.kind == "f":
            odd = draw(st.sampled_from([np.nan, np.inf, 1e300, -1.0]))
            found[name] = np.full(array.shape, odd)
        elif how == "remove":
            found.pop(name, None)
        else:
            plain = draw(ODD_TEXTS).encode("ascii", "ignore").decode().replace("\0", "")
            found[plain or "a"] = draw(hnp.arrays("f4", (2,)))
    return found


@share(4)
@given(st.one_of(mutated(WEIGHTS), others(ARRAYS).map(packed), st.binary(max_size=99)))
def test_weights_of_a_target(content):
    with place("weights") as folder:
        (folder / "cnn.npz").write_bytes(content)
        found = refused_or(tiny.load_target, "cnn", path=folder / "cnn.npz")
        assert found is None or found.classes == 10


_FILES: dict[str, bytes] = {}


def checkpoint(folder):
    """The files of a small TF1 checkpoint, which is written once."""
    if not _FILES:
        arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/c": np.ones(4, np.float32)}
        checkpoints.write(folder / "made" / "m", arrays)
        _FILES.update({path.name: path.read_bytes() for path in (folder / "made").iterdir()})
    return _FILES


@share(4)
@given(st.data())
def test_checkpoints(drawn):
    with place("weights") as folder:
        files = checkpoint(folder)
        (folder / "given").mkdir()
        hit = drawn.draw(st.sampled_from(sorted(files)))
        for name, content in files.items():
            if name == hit:
                content = drawn.draw(mutated(content))
            (folder / "given" / name).write_bytes(content)
        for path in ("given", "given/m", "given/m.index", "given/none"):
            refused_or(checkpoints.read, folder / path)
            refused_or(checkpoints.sha256, folder / path)


def keras_file():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    return model


@share(0.5)
@given(st.data())
def test_keras_files(drawn):
    with place("weights") as folder:
        if "keras" not in _KERAS:
            keras_file().save(folder / "made.keras")
            _KERAS["keras"] = (folder / "made.keras").read_bytes()
        (folder / "m.keras").write_bytes(drawn.draw(mutated(_KERAS["keras"])))
        refused_or(Target.from_keras, folder / "m.keras")


_KERAS: dict[str, bytes] = {}
_REPORT = Report(
    np.zeros((3, 8, 8, 1), np.float32),
    np.ones(3, np.float32),
    np.ones(3, np.float32),
    (Outcome(None, np.ones(3, np.float32), 5.0), Outcome(np.arange(2), np.zeros(2, "f4"), 2.0)),
)


@share(3)
@given(st.data())
def test_states_of_runs(drawn):
    with place("states") as folder:
        path = folder / "s.npz"
        state.save(path, IDENT, state.State(_REPORT, 1.0, {"device": ["d"], "git_commit": ["c"]}))
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        damaged = mutated(path.read_bytes())
        path.write_bytes(drawn.draw(st.one_of(damaged, others(arrays).map(packed))))
        found = refused_or(state.load, path, IDENT)
        if found is not None and found.report is not None:
            assert len(found.report.robust_accuracy) == len(found.report.history)
