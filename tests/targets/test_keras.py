"""Targets from Keras models and SavedModels: equal logits, a gradient, no final softmax."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from daa import Bounds, InputError, Target
from daa.attacks.losses import xent
from daa.target import NoteWarning, input_gradient, predict
from daa.targets.adapters import saved_model
from daa.targets.files import sha256

pytestmark = pytest.mark.filterwarnings("ignore::daa.target.NoteWarning")
layers = keras.layers
SHAPE, CLASSES = (6, 6, 3), 4
X = np.random.default_rng(0).random((8, *SHAPE), dtype=np.float32)
Y = np.arange(8) % CLASSES
ENDS = {
    "none": [layers.Dense(CLASSES)],
    "dense": [layers.Dense(CLASSES, activation="softmax")],
    "layer": [layers.Dense(CLASSES), layers.Softmax()],
    "twice": [layers.Dense(CLASSES), layers.Softmax(), layers.Softmax()],
    "activation": [layers.Dense(CLASSES), layers.Activation("softmax")],
    "operation": [layers.Dense(CLASSES), keras.ops.softmax],
    "nested": [keras.Sequential([layers.Dense(5), layers.Dense(CLASSES, activation="softmax")])],
    "sigmoid": [layers.Dense(CLASSES, activation="sigmoid")],
    "reshaped": [layers.Dense(CLASSES, activation="softmax"), layers.Reshape([CLASSES])],
}


def network(end="none", dtype="float32", seed=0):
    """Preprocessing, batch normalisation and dropout inside, with moments that matter."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE, dtype=dtype)
    hidden = layers.Rescaling(1 / 255)(inputs)
    hidden = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])(hidden)
    hidden = layers.Conv2D(4, 3, activation="relu")(hidden)
    norm = layers.BatchNormalization()
    hidden = layers.Dropout(0.5)(norm(hidden))
    norm.moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    hidden = layers.Flatten()(hidden)
    for layer in ENDS[end]:
        hidden = layer(hidden)
    return keras.Model(inputs, hidden)


def codes(target):
    return [note.code for note in target.notes]


def native(model, x=X):
    return model(255 * x, training=False).numpy()


def test_a_model_with_logits_stays_as_it_is_in_inference_mode(recwarn):
    model = network()
    target = Target.from_keras(model, bounds=(0, 255))
    assert target.notes == () and not recwarn
    assert (target.image_shape, target.classes, target.bounds) == (SHAPE, CLASSES, Bounds(0, 255))
    for x in (X, X[:3]):  # no dropout, no moments of the batch
        np.testing.assert_allclose(predict(target, x), native(model, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("end", [end for end in ENDS if end != "none"])
def test_a_final_softmax_or_sigmoid_is_removed(end):
    model = network(end)
    before = native(model)
    kind = "sigmoid" if end == "sigmoid" else "softmax"
    message = rf"^mine: The final {kind} of the model was removed. \[{kind}-removed\]$"
    with pytest.warns(NoteWarning, match=message) as warnings:
        target = Target.from_keras(model, bounds=(0, 255), name="mine")
    assert codes(target) == [f"{kind}-removed"] and len(warnings) == 1
    logits = predict(target, X)
    assert (logits < 0).any()
    activation = tf.sigmoid if end == "sigmoid" else tf.nn.softmax
    after = activation(activation(logits) if end == "twice" else logits)
    np.testing.assert_allclose(after, before, atol=1e-6)
    np.testing.assert_array_equal(native(model), before)  # the model still has its end


def test_the_attack_uses_the_logarithm_of_an_average_of_softmaxes(tmp_path):
    inputs = keras.Input(SHAPE)
    heads = [layers.Dense(CLASSES, activation="softmax") for _ in range(2)]
    flat = layers.Flatten()(inputs)
    model = keras.Model(inputs, layers.Average()([head(flat) for head in heads]))
    model.export(tmp_path)
    expected = np.log(model(X).numpy())
    for target in (Target.from_keras(model), Target.from_saved_model(tmp_path)):
        assert codes(target) == ["softmax-logarithm"]
        np.testing.assert_allclose(predict(target, X), expected, rtol=1e-4, atol=1e-5)


def test_a_file_gives_the_model_with_the_hash_of_the_file(tmp_path):
    model = network("dense")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "net.keras")
    target = Target.from_keras(tmp_path / "net.keras", bounds=(0, 255))
    assert target.name == "net"
    assert target.weights_sha256 == sha256(tmp_path / "net.keras")
    np.testing.assert_allclose(tf.nn.softmax(predict(target, X)), native(model), atol=1e-6)


def test_the_hash_of_a_model_in_memory_depends_on_its_weights():
    first, same, other = (network(seed=seed) for seed in (0, 0, 1))
    hashes = [Target.from_keras(model).weights_sha256 for model in (first, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    first.layers[-1].bias.assign_add(np.ones(CLASSES))
    assert Target.from_keras(first).weights_sha256 != hashes[0]


@pytest.mark.parametrize("shape", [(6, 5), (30,), (3, 6, 5)], ids=str)
def test_inputs_of_another_layout(shape):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(CLASSES)])
    options = {"data_format": "channels_first"} if len(shape) == 3 else {}
    options |= {"image_shape": (6, 5, 1)} if len(shape) == 1 else {}
    target = Target.from_keras(model, **options)
    x = X[:, :, :5, : 3 if len(shape) == 3 else 1]
    assert target.image_shape == x.shape[1:]
    expected = model(np.moveaxis(x, -1, 1).reshape(8, *shape)).numpy()
    np.testing.assert_allclose(predict(target, x), expected, rtol=1e-5, atol=1e-6)
    assert Target.from_keras(any_size(), image_shape=(9, 7, 3)).image_shape == (9, 7, 3)


def test_several_outputs():
    inputs = keras.Input(SHAPE)
    flat = layers.Flatten()(inputs)
    heads = {"logits": layers.Dense(CLASSES)(flat), "box": layers.Dense(7)(flat)}
    model = keras.Model(inputs, heads)
    assert Target.from_keras(model).classes == CLASSES
    assert Target.from_keras(model, output="box").classes == 7
    with pytest.raises(InputError, match="output: expected one of logits, box, got 'other'"):
        Target.from_keras(model, output="other", name="mine")


@pytest.mark.parametrize("end", ["none", "dense", "twice"])
def test_integer_inputs_have_a_gradient(end, tmp_path):
    model = network(end, dtype="uint8")
    model.export(tmp_path)
    floats = network(end)  # the same weights, for floats
    reference = Target.from_keras(floats, bounds=(0, 255))
    whole = (np.round(255 * X) / 255).astype(np.float32)
    removed = [] if end == "none" else ["softmax-removed"]
    with pytest.warns(NoteWarning) as warnings:
        warned = Target.from_keras(model)
    assert len(warnings) == len(warned.notes)
    served = Target.from_saved_model(tmp_path, signature="serve")
    for target in (warned, Target.from_saved_model(tmp_path), served):
        assert codes(target) == ["whole-pixels", *removed]
        assert target.bounds == Bounds(0, 255)
        for x in (X, whole):  # it rounds
            expected = predict(reference, whole)
            assert end == "none" or (expected < 0).any()
            np.testing.assert_allclose(predict(target, x), expected, rtol=1e-3, atol=1e-4)
            expected = input_gradient(reference, whole, Y, xent)
            np.testing.assert_allclose(input_gradient(target, x, Y, xent), expected, atol=1e-4)


class Module(tf.Module):
    """Two signatures with several outputs, the second with channels first."""

    def __init__(self):
        self.w = tf.Variable(np.random.default_rng(0).normal(size=(108, CLASSES)), dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, name="image")])
    def plain(self, image):
        logits = tf.reshape(image, [-1, 108]) @ self.w
        return {"classes": tf.argmax(logits, axis=1), "logits": logits}

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 6, 6], tf.float32, name="x")])
    def first(self, x):
        return self.plain(tf.transpose(x, [0, 2, 3, 1]))


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_model_of_a_fixed_number_of_images_has_any_number(batch, tmp_path):
    inputs = keras.Input(batch_shape=(batch, *SHAPE), dtype="uint8")
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    keras.utils.set_random_seed(0)
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(flat))
    spec = tf.TensorSpec((batch, *SHAPE), tf.uint8)
    tf.saved_model.save(model, tmp_path, signatures=tf.function(model).get_concrete_function(spec))
    kernel, bias = model.get_weights()
    x = (np.round(255 * X) / 255).astype(np.float32)
    for target in (Target.from_keras(model), Target.from_saved_model(tmp_path)):
        assert codes(target) == ["whole-pixels", "softmax-removed"]
        np.testing.assert_allclose(predict(target, x), x.reshape(8, -1) @ kernel + bias, atol=1e-4)
        grad = input_gradient(target, x, Y, lambda z, y: tf.gather(z, y, batch_dims=1))
        np.testing.assert_allclose(grad.reshape(8, -1), kernel.T[Y], atol=1e-5)


def test_signatures_with_several_outputs(tmp_path):
    module = Module()
    tf.saved_model.save(module, tmp_path, signatures={"a": module.plain, "b": module.first})
    expected = module.plain(X)["logits"].numpy()
    plain = Target.from_saved_model(tmp_path, signature="a")
    first = Target.from_saved_model(
        tmp_path, signature="b", data_format="channels_first", output="logits"
    )
    for target in (plain, first, Target.from_saved_model(tmp_path, signature="plain")):
        assert target.image_shape == SHAPE
        np.testing.assert_allclose(predict(target, X), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="signature: expected one of first, plain, a, b, got None"):
        Target.from_saved_model(tmp_path)
    message = "output: expected logits with a gradient, got 'int64'"
    with pytest.raises(InputError, match=message):
        Target.from_saved_model(tmp_path, signature="a", output="classes")


def test_the_hash_of_a_folder_depends_on_the_file_names(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"1")
    (tmp_path / "variables" / "data").write_bytes(b"2")
    before = saved_model.folder_sha256(tmp_path)
    (tmp_path / "variables" / "data").rename(tmp_path / "variables" / "other")
    assert saved_model.folder_sha256(tmp_path) != before


class Integers(keras.Model):
    def call(self, x, training=None):
        return tf.cast(tf.reshape(x, [-1, 108])[:, :CLASSES] * 100, tf.int32)


class Lookup(Integers):
    def call(self, x, training=None):
        return tf.cast(super().call(x), tf.float32)


class Fixed(keras.Model):
    def call(self, x, training=None):
        return tf.reshape(x, [2, 108])[:, :CLASSES]


def two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, layers.Dense(3)(layers.Add()(inputs)))


def any_size():
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(inputs)))


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (Integers, {}, "output: expected logits with a gradient, got 'int32'"),
        (Lookup, {}, "expected logits with a gradient at the images, got none; something"),
        (Fixed, {}, r"expected a model that takes images of shape \[N, 6, 6, 3\], got .*reshape"),
        (object, {}, "model: expected a Keras model or the path of a .keras file, got <object"),
        (lambda: "no.keras", {}, "no.keras: no such file; expected a .keras file"),
        (lambda: "net.h5", {}, r"net.h5: no such file; expected a .keras file \(load another"),
        (two_inputs, {}, "inputs: expected 1, got"),
        (any_size, {"image_shape": None}, r"image_shape: expected \(H, W, C\), .*; the input of"),
        (network, {"bounds": (255, 0)}, "bounds: expected the lowest and the highest value"),
        (network, {"bounds": 255}, "bounds: expected the lowest and the highest value .* got 255"),
        (network, {"data_format": "NCHW"}, "data_format: expected one of channels_last, channels"),
        (network, {"image_shape": (6, 6)}, r"image_shape: expected \(H, W, C\), .* got \(6, 6\)"),
        (network, {"output": "logits"}, "output: expected none, because the model has one"),
    ],
)
def test_errors_are_one_line(make, options, message):
    with pytest.raises(InputError, match=message) as error:
        Target.from_keras(make(), **{"image_shape": SHAPE, **options})
    assert "\n" not in str(error.value)


def test_files_that_are_no_model_or_have_code_inside_are_refused(tmp_path, monkeypatch):
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), layers.Lambda(lambda x: x[:, :4])]
    )
    model.save(tmp_path / "net.keras")
    with pytest.raises(InputError, match="expected a model that Keras loads without code"):
        Target.from_keras(tmp_path / "net.keras")
    with pytest.raises(InputError, match=r"expected a SavedModel folder with saved_model.pb"):
        Target.from_saved_model(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(InputError, match="expected a SavedModel that loads, got"):
        Target.from_saved_model(tmp_path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"Keras backend: expected tensorflow .*, got 'jax'"):
        Target.from_keras(model)
