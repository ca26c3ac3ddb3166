import pickle
import shutil
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from daa import InputError
from daa.targets import checkpoints, files
from madry_mnist.model import VARIABLES, initialize

SHAPES = {"Variable": (3, 2), "unit/BatchNorm/beta": (4,)}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype("f4") for name, shape in SHAPES.items()}


@pytest.fixture
def prefix(tmp_path, arrays):
    return checkpoints.write(tmp_path / "model" / "checkpoint-7", arrays)


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_what_is_written_is_read(prefix, arrays):
    for path in (prefix, prefix.parent, prefix.with_name("checkpoint-7.index")):
        assert_same(checkpoints.read(path), arrays)
    names = sorted(path.name for path in prefix.parent.iterdir())
    assert names == ["checkpoint", "checkpoint-7.data-00000-of-00001", "checkpoint-7.index"]


def test_the_original_saver_restores_it(tmp_path):
    """A TF1 graph with the variables of MadryLab's code, restored as that code does it."""
    arrays = initialize(np.random.default_rng(0))
    checkpoints.write(tmp_path / "checkpoint-1", arrays)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.get_variable(name, shape) for name, shape in VARIABLES.items()]
        latest = tf.train.latest_checkpoint(str(tmp_path))
        tf.compat.v1.train.Saver(variables).restore(session, latest)
        assert_same(dict(zip(VARIABLES, session.run(variables), strict=True)), arrays)


def test_one_that_tf1_wrote_is_read_without_its_slots(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = tf.compat.v1.get_variable("Variable", [3, 2], use_resource=False)
        tf.compat.v1.train.get_or_create_global_step()
        loss = tf.reduce_sum(weights**2)
        tf.compat.v1.train.AdamOptimizer().minimize(loss)
        tf.compat.v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"), global_step=3)
        expected = session.run(weights)
    with_slots = {name for name, _ in tf.train.list_variables(str(tmp_path / "model-3"))}
    assert {"Variable/Adam", "Variable/Momentum", "beta1_power", "global_step"} <= with_slots
    assert_same(checkpoints.read(tmp_path), {"Variable": expected})


def test_a_stale_path_in_the_folder_is_no_obstacle(prefix, arrays):
    checkpoints.write(prefix.parent / "checkpoint-9", {"other": np.zeros(1, "f4")})
    record = prefix.parent / "checkpoint"
    for recorded in ("/home/them/models/secret/checkpoint-7", r"C:\\models\\checkpoint-7"):
        record.write_text(f'model_checkpoint_path: "{recorded}"\n', encoding="utf-8")
        assert_same(checkpoints.read(prefix.parent), arrays)
    record.write_text('model_checkpoint_path: "gone-1"\n', encoding="utf-8")
    with pytest.raises(InputError, match="with one TF1 checkpoint, got checkpoint-7, checkpoint-9"):
        checkpoints.read(prefix.parent)


def test_npz(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    assert_same(checkpoints.read(tmp_path / "a.npz"), arrays)


def test_missing_files_are_named(tmp_path, prefix):
    with pytest.raises(InputError, match=r"none: expected a TF1 checkpoint, got no file none.ind"):
        checkpoints.read(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a folder with one TF1 checkpoint, got none"):
        checkpoints.read(tmp_path / "empty")
    checkpoints.data_files(prefix)[0].unlink()
    with pytest.raises(InputError, match=r"got no checkpoint-7.data-00000-of-00001"):
        checkpoints.read(prefix)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.95])
def test_truncated_files_are_named(prefix, suffix, kept):
    path = prefix.with_name(prefix.name + suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"^\S*checkpoint-7.*: expected a whole TF1 [^\n]*$"):
        checkpoints.read(prefix)


def test_altered_numbers_are_noticed(prefix):
    path = checkpoints.data_files(prefix)[0]
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"expected a whole TF1 checkpoint, got .*hecksum"):
        checkpoints.read(prefix)


def test_select_names_what_does_not_fit(arrays):
    assert_same(checkpoints.select({**arrays, "more": np.zeros(2)}, SHAPES, "w"), arrays)
    with pytest.raises(InputError, match=r"w: Variable: expected shape \[3, 2\], got no such vari"):
        checkpoints.select({"Variable_1": arrays["Variable"]}, SHAPES, "w")
    with pytest.raises(InputError, match=r"w: Variable: expected shape \[3, 2\], got \[2, 3\]"):
        checkpoints.select({**arrays, "Variable": arrays["Variable"].T}, SHAPES, "w")
    with pytest.raises(InputError, match="w: Variable: expected finite numbers"):
        checkpoints.select({**arrays, "Variable": np.full((3, 2), np.nan)}, SHAPES, "w")


@pytest.mark.parametrize("value", [1e300, -1e39, np.inf, np.nan])
def test_weights_that_float32_can_not_hold_are_refused(arrays, value):
    large = np.full((3, 2), 0.5)
    large[1, 1] = value
    with pytest.raises(InputError, match="w: Variable: expected finite numbers of float32, got"):
        checkpoints.select({**arrays, "Variable": large}, SHAPES, "w")


def test_the_hash_is_of_the_numbers_wherever_they_lie(prefix, tmp_path):
    shutil.copytree(prefix.parent, tmp_path / "moved")
    assert checkpoints.sha256(prefix) == checkpoints.sha256(tmp_path / "moved")


def test_a_pth_file_without_pytorch_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"weights.pth: expected PyTorch .* pip install torch"):
        checkpoints.read(path)


class Tensor:
    """As much of a PyTorch tensor as a reader needs."""

    def __init__(self, array):
        self.array = array
        self.dtype = array.dtype

    def detach(self):
        return self

    def numpy(self):
        return self.array


def played(monkeypatch, state):
    """A module torch that loads `state`, and the options with which it was asked to."""
    seen = {}

    def load(path, **options):
        seen.update(options, content=path.read_bytes())
        if isinstance(state, Exception):
            raise state
        return state

    torch = SimpleNamespace(load=load, is_tensor=lambda value: isinstance(value, Tensor))
    monkeypatch.setitem(sys.modules, "torch", torch)
    return seen


@pytest.mark.parametrize("held", ["alone", "state_dict", "list"])
def test_a_pth_file_is_read_without_running_what_it_holds(tmp_path, arrays, monkeypatch, held):
    """PyTorch is played, so that its reader is tested where it is not installed."""
    tensors = {name: Tensor(array) for name, array in arrays.items()}
    state = {"alone": tensors, "state_dict": {"state_dict": tensors, "epoch": 3}, "list": [tensors]}
    seen = played(monkeypatch, state[held])
    path = tmp_path / "weights.pth"
    path.write_bytes(b"a file")
    assert_same(checkpoints.read(path), arrays)
    assert seen == {"map_location": "cpu", "weights_only": True, "content": b"a file"}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([], "expected a mapping of arrays, got 'list'"),
        ({"a": 3}, "expected a mapping of arrays, got 'dict'"),
        ({1: Tensor(np.zeros(3))}, "expected a mapping of arrays, got 'dict'"),
        (KeyError("anything"), "weights.pth: expected PyTorch weights, got 'anything'"),
        (RuntimeError("bad\nfile"), "weights.pth: expected PyTorch weights, got bad file"),
        (pickle.UnpicklingError("code"), "weights.pth: expected PyTorch weights, got code"),
    ],
)
def test_a_pth_file_that_holds_something_else_is_named(tmp_path, monkeypatch, state, message):
    played(monkeypatch, state)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"a file")
    with pytest.raises(InputError, match=message):
        checkpoints.read(path)


def test_a_pth_file_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    seen = played(monkeypatch, {})
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10**6))
    monkeypatch.setattr(files, "_UNPACKED", 10**5)
    monkeypatch.setattr(files, "_RATIO", 1)
    with pytest.raises(InputError, match=r"weights.pth: expected at most .* unpacked, got 1,0"):
        checkpoints.read(path)
    assert not seen
    played(monkeypatch, {"a": Tensor(np.broadcast_to(np.float32(1), (10**6, 10**6)))})
    path.write_bytes(b"one number, a million times a million times")
    with pytest.raises(InputError, match=r"weights.pth: expected at most 100,000 bytes of numbers"):
        checkpoints.read(path)


def test_tensors_of_pytorch_of_all_kinds(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path / "weights.pth"
    torch.save(
        {
            "half": torch.ones(2, dtype=torch.bfloat16),
            "trained": torch.nn.Parameter(torch.ones(2)),
            "whole": torch.ones(2, dtype=torch.int64),
        },
        path,
    )
    for array in checkpoints.read(path).values():
        assert array.tolist() == [1, 1]
    torch.save({"sparse": torch.eye(3).to_sparse()}, path)
    with pytest.raises(InputError, match=r"weights.pth: sparse: expected a plain array, got can't"):
        checkpoints.read(path)
    torch.save({1: torch.ones(2)}, path)
    with pytest.raises(InputError, match="expected a mapping of arrays"):
        checkpoints.read(path)
    for seed in range(200):
        path.write_bytes(np.random.default_rng(seed).bytes(seed))
        with pytest.raises(InputError, match="expected PyTorch weights, got"):
            checkpoints.read(path)


def test_a_pth_file_is_read(tmp_path, arrays):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for held in (tensors, {"state_dict": tensors, "epoch": 3}, [tensors]):
        torch.save(held, tmp_path / "weights.pth")
        assert_same(checkpoints.read(tmp_path / "weights.pth"), arrays)
    torch.save([1, 2], tmp_path / "weights.pth")
    with pytest.raises(InputError, match="expected a mapping of arrays, got 'int'"):
        checkpoints.read(tmp_path / "weights.pth")
