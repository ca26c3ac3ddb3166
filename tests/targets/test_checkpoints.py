"""TF1 checkpoints, .npz and .pth files."""

import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

from daa import InputError
from daa.targets import checkpoints
from madry_mnist.model import VARIABLES, initialize

SHAPES = {"Variable": (3, 2), "unit/BatchNorm/beta": (4,)}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype("f4") for name, shape in SHAPES.items()}


@pytest.fixture
def prefix(tmp_path, arrays):
    return checkpoints.write(tmp_path / "model" / "checkpoint-7", arrays)


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


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
    message = "checkpoint: names gone-1, which is not in .* one of checkpoint-7, checkpoint-9"
    with pytest.raises(InputError, match=message):
        checkpoints.read(prefix.parent)
    record.unlink()
    with pytest.raises(InputError, match="with one TF1 checkpoint, got checkpoint-7, checkpoint-9"):
        checkpoints.read(prefix.parent)


def test_missing_files_are_named(tmp_path, prefix):
    with pytest.raises(InputError, match=r"none: expected a TF1 checkpoint, got no file none.ind"):
        checkpoints.read(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a folder with one TF1 checkpoint, got none"):
        checkpoints.read(tmp_path / "empty")
    checkpoints.data_files(prefix)[0].unlink()
    with pytest.raises(InputError, match=r"got \S*checkpoint-7.data-00000-of-00001; No such file"):
        checkpoints.read(prefix)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_truncated_files_are_named(prefix, suffix, share):
    path = prefix.with_name(prefix.name + suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"^\S*checkpoint-7.*: expected a complete TF1 [^\n]*$"):
        checkpoints.read(prefix)


def test_select_takes_the_variables_of_a_network(arrays):
    assert_same(checkpoints.select({**arrays, "more": np.zeros(2)}, SHAPES, "w"), arrays)


LARGE = [np.full((3, 2), value) for value in (1e300, -1e39, np.inf, np.nan)]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("Variable_1", np.zeros((3, 2)), r"expected shape \[3, 2\], got no such variable"),
        ("Variable", np.zeros((2, 3)), r"expected shape \[3, 2\], got \[2, 3\]"),
        ("Variable", np.full((3, 2), "a"), "expected finite numbers, got <U1"),
        *(("Variable", array, "expected finite numbers of float32, got") for array in LARGE),
    ],
)
def test_select_names_wrong_variables(name, array, message):
    with pytest.raises(InputError, match=f"w: Variable: {message}"):
        checkpoints.select({name: array}, SHAPES, "w")


def test_the_hash_is_of_the_numbers_wherever_they_lie(prefix, tmp_path):
    shutil.copytree(prefix.parent, tmp_path / "moved")
    assert checkpoints.sha256(prefix) == checkpoints.sha256(tmp_path / "moved")


def test_a_pth_file_without_pytorch_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"weights.pth: expected PyTorch .* pip install torch"):
        checkpoints.read(tmp_path / "weights.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorchs_own_files_in_both_formats(tmp_path, arrays, zipped):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path / "weights.pth"

    def save(state):
        torch.save(state, path, _use_new_zipfile_serialization=zipped)

    tensors = {name: torch.nn.Parameter(torch.from_numpy(a)) for name, a in arrays.items()}
    keys = ("state_dict", "model", "model_state_dict")
    for state in (tensors, [tensors], *({key: tensors, "epoch": 3} for key in keys)):
        save(state)
        assert_same(checkpoints.read(path), arrays)
    save({"half": torch.ones(2, dtype=torch.bfloat16)})
    assert checkpoints.read(path)["half"].tolist() == [1, 1]
    save({"net": tensors})
    with pytest.raises(InputError, match="weights by name, got no tensor under 'net'"):
        checkpoints.read(path)
    for state in ({"sparse": torch.eye(3).to_sparse()}, {"code": print}, {"a": 3}, [], None):
        save(state) if state is not None else path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(InputError, match=r"expected PyTorch weights by name, got [^\n]+$"):
            checkpoints.read(path)
