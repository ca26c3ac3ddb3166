"""Models of a user as targets: a final softmax or sigmoid is removed or inverted."""

from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny

from daa import AttackConfig, InputError, Target, worst_case
from daa.attacks.losses import xent
from daa.target import input_gradient, predict
from daa.targets import user_models as models
from daa.targets.adapters import logits

pytestmark = pytest.mark.filterwarnings("ignore::daa.target.NoteWarning")
DATA = tiny.load_dataset("test").first(200)
NETWORK = tiny.load_target("cnn").network
Z = NETWORK(DATA.x).numpy()


def target_of(network):
    return models.load(network, image_shape=(8, 8, 1))


def opaque_sigmoid(z):
    """A sigmoid without a sigmoid operation."""
    return 1 / (1 + tf.exp(-z))


def opaque_softmax(z):
    e = tf.exp(z - tf.reduce_max(z, axis=1, keepdims=True))
    return e / tf.reduce_sum(e, axis=1, keepdims=True)


def after(end):
    return lambda x: end(NETWORK(x))


ENDS = {
    "sigmoid": after(tf.sigmoid),
    "softmax": after(tf.nn.softmax),
    "softmax twice": lambda x: tf.nn.softmax(after(tf.nn.softmax)(x)),
    "softmax twice, graph": lambda x: tf.nn.softmax(tf.function(after(tf.nn.softmax))(x)),
    "sigmoid, graph": tf.function(after(tf.sigmoid)),
    "softmax, graph": tf.function(after(tf.nn.softmax)),
    "sigmoid, reshaped": lambda x: tf.identity(tf.reshape(after(tf.sigmoid)(x), [-1, 10])),
    "softmax, cast": lambda x: tf.cast(after(tf.nn.softmax)(x), tf.float64),
    "logits, cast": lambda x: tf.cast(NETWORK(x), tf.float64),
    "sigmoid, target": Target("own", after(tf.sigmoid), (8, 8, 1), 10),
}


@pytest.mark.parametrize("kind", ENDS)
def test_the_end_is_removed(kind):
    target = target_of(ENDS[kind])
    codes = ["output-cast"] * kind.endswith("cast")
    codes += [f"{kind[:7]}-removed"] * (not kind.startswith("logits"))
    assert [note.code for note in target.notes] == codes
    np.testing.assert_allclose(predict(target, DATA.x), Z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("end", "code"),
    [(opaque_sigmoid, "sigmoid-inverted"), (opaque_softmax, "softmax-logarithm")],
)
def test_an_end_that_cannot_be_removed_is_inverted(end, code):
    target = target_of(after(end))
    assert [note.code for note in target.notes] == [code]
    logits = predict(target, DATA.x)
    small = np.abs(Z).max(axis=1) < 10  # float32 has few numbers next to 1
    expected = Z - (tf.reduce_logsumexp(Z, axis=1, keepdims=True) if end is opaque_softmax else 0)
    np.testing.assert_allclose(logits[small], expected[small], rtol=1e-2, atol=1e-2)
    assert small.sum() > 10


@pytest.mark.parametrize("end", [tf.identity, tf.sigmoid, opaque_sigmoid, tf.squeeze])
def test_one_output_is_two_classes(end):
    """Class 1 where the logit is above 0; the sum of all logits is not in [0, 1]."""
    z = 0.1 * Z.sum(axis=1, keepdims=True)
    target = target_of(lambda x: end(0.1 * tf.reduce_sum(NETWORK(x), axis=1, keepdims=True)))
    assert target.notes[-1].code == "one-output" and target.classes == 2
    small = np.abs(z[:, 0]) < 8
    logits = predict(target, DATA.x)[small]
    np.testing.assert_allclose(logits, np.hstack([-z, z])[small], rtol=1e-2, atol=1e-2)
    assert small.sum() > 20 and 0 < (z > 0).mean() < 1


@pytest.mark.parametrize(
    ("outputs", "output"),
    [
        (lambda z: {"logits": z, "features": 0 * z}, None),
        (lambda z: {"other": 0 * z, "b": z}, "b"),
        (lambda z: (0 * z, z), "1"),
        (lambda z: [z], None),
        (lambda z: namedtuple("Outputs", "logits aux")(z, 0 * z), None),
        (lambda z: SimpleNamespace(loss=None, logits=z), None),
        (lambda z: SimpleNamespace(head=z, logits=0 * z), "head"),
    ],
)
def test_one_of_several_outputs(outputs, output):
    def network(x):
        assert tf.is_tensor(x)
        return outputs(NETWORK(x))

    target = models.load(network, image_shape=(8, 8, 1), output=output)
    np.testing.assert_allclose(predict(target, DATA.x), Z, rtol=1e-4, atol=1e-4)
    assert target(DATA.x).shape == Z.shape  # images as a NumPy array
    with pytest.raises(InputError, match=r"output: expected one of .*, got 'none'"):
        models.load(network, image_shape=(8, 8, 1), output="none")


def test_several_outputs_need_a_choice():
    with pytest.raises(InputError, match="<lambda>: output: expected one of 0, 1, got None"):
        target_of(lambda x: (NETWORK(x), NETWORK(x)))


def test_mean_and_std_of_each_channel():
    x = np.random.default_rng(0).random((5, 4, 4, 3), dtype=np.float32)
    mean, std = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)
    options = {"image_shape": (4, 4, 3), "bounds": (0, 255), "mean": mean, "std": std}
    target = models.load(lambda x: tf.reshape(x, [-1, 48]), **options)
    expected = ((255 * x - mean) / std).reshape(5, -1)
    np.testing.assert_allclose(predict(target, x), expected, rtol=1e-4, atol=1e-5)
    for name, wrong in {"mean": (1.0, 2.0), "std": (0.0,)}.items():
        with pytest.raises(InputError, match=f"{name}: expected one number or 3, one for each"):
            models.load(lambda x: tf.reshape(x, [-1, 48]), **{**options, name: wrong})


def test_custom_gradients_stay():
    @tf.custom_gradient
    def rounded(x):
        return tf.round(4 * x) / 4, lambda upstream: 3 * upstream

    x, y = DATA.x[:5], DATA.y[:5]
    plain = target_of(lambda x: NETWORK(rounded(x)))
    ended = target_of(lambda x: tf.nn.softmax(NETWORK(rounded(x))))
    assert ended.notes and not plain.notes
    expected = input_gradient(plain, x, y, xent)
    np.testing.assert_allclose(input_gradient(ended, x, y, xent), expected, atol=1e-5)


def test_weights_stay_variables():
    weight = tf.Variable(1.0)
    target = target_of(lambda x: tf.sigmoid(weight * NETWORK(x)))
    weight.assign(2.0)
    np.testing.assert_allclose(target(DATA.x[:3]).numpy(), 2 * Z[:3], rtol=1e-4, atol=1e-4)


def test_outputs_that_leave_the_range_are_logits():
    z = tf.constant(np.linspace(0, 1, 200, dtype=np.float32).reshape(-1, 10))
    network, notes = logits.of(lambda x: z + 0.01, z, z + 0.01)
    assert notes == [] and network(None) is not None
    few = z[:1, :2]
    assert logits.of(lambda x: few, few, few)[1] == []  # few logits may lie in [0, 1] by chance


def test_the_inverse_of_the_sigmoid_rises_and_is_exact():
    z = np.linspace(-40, 12, 400, dtype=np.float32).reshape(-1, 10)
    s = tf.sigmoid(z)
    network, notes = logits.of(lambda x: s, s, s)
    assert [note.code for note in notes] == ["sigmoid-inverted"]
    np.testing.assert_allclose(network(None), z, rtol=1e-3, atol=0.02)
    wide = tf.constant([[-1e9, -2.0, 0.0, 1e-20, 0.5, 1 - 2.0**-24, 1.0, 3.0, 1e9]])
    network, _ = logits.of(lambda x: wide, s, s)
    inverse = network(None).numpy()
    assert np.isfinite(inverse).all() and (np.diff(inverse) > 0).all()


SATURATED = {
    "times 1000": lambda z: 1000 * z,
    "sigmoid of times 100": lambda z: tf.sigmoid(100 * z),
    "softmax of times 1000": lambda z: tf.nn.softmax(1000 * z),
    "opaque": opaque_sigmoid,
}


@pytest.mark.parametrize("kind", SATURATED)
def test_saturated_ends_do_not_weaken_the_attack(kind, plain_accuracy):
    """Within one point of the network's own robust accuracy."""
    report = worst_case(target_of(after(SATURATED[kind])), ADAPTIVE, DATA.x, DATA.y)
    assert abs(report.robust_accuracy[-1] - plain_accuracy) <= 0.01 + 1e-9


ADAPTIVE = AttackConfig("adaptive", eps=0.15, budget=60.0)


@pytest.fixture(scope="module")
def plain_accuracy():
    return worst_case(target_of(NETWORK), ADAPTIVE, DATA.x, DATA.y).robust_accuracy[-1]


def test_the_hash_of_a_function_is_the_hash_of_its_weights():
    w = tf.Variable(tf.random.stateless_normal((64, 10), (0, 0)))
    hashes = []
    for factor in (1, 2, 0.5):  # times 1, 2, 1
        w.assign(factor * w)
        hashes.append(target_of(lambda x: tf.reshape(x, [-1, 64]) @ w).weights_sha256)
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_module_is_loaded_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_user.py").write_text(
        "import tensorflow as tf\n"
        "def f():\n"
        "    return lambda x: tf.reshape(x, [-1, 64])[:, :10] * 9 - 2\n"
    )
    target = models.load("of_user:f", image_shape=(8, 8, 1))
    assert (target.name, target.classes) == ("of_user:f", 10)
    assert models.load(target) is target


def test_the_error_is_of_the_layout_that_the_model_accepts():
    def model(x):
        if x.shape[1] != 3:
            raise ValueError("expected 3 channels, but got 8")
        return tf.zeros([len(x), 2, 2])

    for layouts in (None, "channels_last", "channels_first"):
        with pytest.raises(InputError, match=r"mine: output: expected logits .* got \[10, 2, 2\]"):
            models.load(model, image_shape=(8, 8, 3), data_format=layouts, name="mine")
