"""Inception-ResNet-v2 against slim's description, and ImageNet's preprocessing."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_networks import conv, count, listed
from toys import random_arrays

import imagenet_ens
from daa import InputError, memory
from daa.targets import checkpoints
from imagenet_ens import images, model


@pytest.fixture(scope="module")
def arrays():
    return random_arrays(model.VARIABLES)


@pytest.fixture(scope="module")
def keras():
    """Keras' network, which takes seconds to make."""
    return model.build()


@pytest.fixture(scope="module")
def target(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ens_adv")
    auxiliary = {"InceptionResnetV2/AuxLogits/Logits/biases": np.ones(1001, "f4")}
    checkpoints.write(folder / "ens_adv_inception_resnet_v2.ckpt", {**arrays, **auxiliary})
    return imagenet_ens.load_target("ens_adv", path=folder)


def test_variables_are_slims_without_the_auxiliary_head():
    slim = listed("inception_resnet_v2_slim")
    assert len(slim) == 908
    assert count(slim) == 59_244_594
    assert {k: v for k, v in slim.items() if "/AuxLogits/" not in k} == model.VARIABLES


def test_every_variable_of_keras_is_mapped_once(keras):
    mapped = model.mapping(keras)
    assert set(mapped) == set(model.VARIABLES)
    assert {id(v) for v in mapped.values()} == {id(v) for v in keras.variables}
    for name, variable in mapped.items():
        assert tuple(variable.shape) == model.VARIABLES[name]


def slim_conv(a, scope, h, stride=1, padding="SAME", activate=True):
    """Convolution, batch normalisation and ReLU, in float64 from slim's description."""
    h = conv(h, a[f"{scope}/weights"], stride, padding)
    if f"{scope}/biases" in a:
        h = h + a[f"{scope}/biases"]
    else:
        b = {k: a[f"{scope}/BatchNorm/{k}"] for k in ("beta", "moving_mean", "moving_variance")}
        h = (h - b["moving_mean"]) / tf.sqrt(b["moving_variance"] + 0.001) + b["beta"]
    return tf.maximum(h, 0) if activate else h


# {layer at the end of a block: (layer before the block, slim's scope, scale of the residual)}
BLOCKS = {
    "mixed_5b": ("max_pooling2d", "Mixed_5b", None),
    "block35_1_ac": ("mixed_5b", "Repeat/block35_1", 0.17),
    "mixed_6a": ("block35_10_ac", "Mixed_6a", None),
    "block17_3_ac": ("block17_2_ac", "Repeat_1/block17_3", 0.1),
    "mixed_7a": ("block17_20_ac", "Mixed_7a", None),
    "block8_2_ac": ("block8_1_ac", "Repeat_2/block8_2", 0.2),
    "block8_10": ("block8_9_ac", "Block8", 1.0),
    "conv_7b_ac": ("block8_10", "Conv2d_7b_1x1", None),
}


def block(a, scope, scale, h):
    """One block of slim's network, from its names: layers of a branch follow one another."""
    root = f"InceptionResnetV2/{scope}"
    if scope.startswith("Conv2d"):
        return slim_conv(a, root, h)
    branches = []
    for n in range(4):
        layers = [k for k in a if k.startswith(f"{root}/Branch_{n}/") and k.endswith("/weights")]
        out = h
        if scope == "Mixed_5b" and n == 3:
            ones = tf.ones([1, *h.shape[1:]], h.dtype)
            out = neighbours(h) / neighbours(ones)
        for name in sorted(layers, key=lambda k: ("1a_" in k, k)):
            reduces = scope in ("Mixed_6a", "Mixed_7a") and "1a_" in name
            stride, padding = (2, "VALID") if reduces else (1, "SAME")
            out = slim_conv(a, name.removesuffix("/weights"), out, stride, padding)
        if layers:
            branches.append(out)
    if scope in ("Mixed_6a", "Mixed_7a"):
        windows = [h[:, r : r - 2 or None, c : c - 2 or None] for r in range(3) for c in range(3)]
        branches.append(tf.reduce_max(tf.stack(windows), 0)[:, ::2, ::2])
    joined = tf.concat(branches, 3)
    if scale is None:
        return joined
    h = h + scale * slim_conv(a, f"{root}/Conv2d_1x1", joined, activate=False)
    return h if scope == "Block8" else tf.maximum(h, 0)


def neighbours(h):
    p = tf.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]])
    height, width = h.shape[1:3]
    return tf.add_n([p[:, r : r + height, c : c + width] for r in range(3) for c in range(3)])


@pytest.fixture(scope="module")
def assigned(keras, arrays):
    for name, variable in model.mapping(keras).items():
        variable.assign(arrays[name])
    return keras


def test_a_slim_checkpoint_gives_the_logits_of_the_keras_network(target, assigned):
    x = np.random.default_rng(0).random((1, 299, 299, 3), dtype=np.float32)
    assert target.classes == 1001
    np.testing.assert_array_equal(target(x), assigned(2 * x - 1, training=False))


def test_blocks_equal_slims_description(assigned, arrays):
    """The input of each block, as the network gives it, through an independent computation."""
    keras = assigned
    a = {name: tf.constant(value, tf.float64) for name, value in arrays.items()}
    inputs = [first_input(keras, before) for before, _, _ in BLOCKS.values()]
    outputs = [output(keras, name) for name in BLOCKS]
    probe = tf.keras.Model(keras.input, [*inputs, *outputs])
    actual = probe(np.random.default_rng(2).random((1, 299, 299, 3), dtype=np.float32) * 2 - 1)
    before, after = actual[: len(BLOCKS)], actual[len(BLOCKS) :]
    for h, ours, (name, (_, scope, scale)) in zip(before, after, BLOCKS.items(), strict=True):
        theirs = block(a, scope, scale, tf.cast(h, tf.float64))
        atol = 1e-5 * np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=atol, err_msg=name)


def first_input(keras, before):
    if before == "max_pooling2d":  # the second of the stem; its number depends on the session
        pools = [layer for layer in keras.layers if isinstance(layer, tf.keras.layers.MaxPool2D)]
        return pools[1].output
    return output(keras, before)


def output(keras, name):
    # The last block has no activation, and its layer no name of its own.
    layer = keras.get_layer("conv_7b" if name == "block8_10" else name)
    return layer.input if name == "block8_10" else layer.output


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "imagenet").mkdir()
    gradient = np.linspace(0, 255, 400 * 500).reshape(400, 500, 1).repeat(3, 2).astype(np.uint8)
    (tmp_path / "imagenet" / "a.JPEG").write_bytes(tf.io.encode_jpeg(gradient).numpy())
    write(tmp_path, "file,label\na.JPEG,999\n")
    return tmp_path


def write(folder: Path, labels: str) -> None:
    (folder / "imagenet" / "labels.csv").write_text(labels, encoding="utf-8")


def test_images_are_cropped_scaled_and_shifted_by_the_background(folder):
    data = imagenet_ens.load_dataset(data_dir=folder)
    assert data.y.tolist() == [1000]
    assert data.x.shape == (1, 299, 299, 3)
    # Brightness grows down the image; the crop takes away a sixteenth at each end.
    assert data.x[0, 0].mean() == pytest.approx(1 / 16, abs=0.01)
    assert data.x[0, -1].mean() == pytest.approx(15 / 16, abs=0.01)
    write(folder, "file,label\na.JPEG,998\n")
    assert imagenet_ens.load_dataset(data_dir=folder).sha256 != data.sha256


def legacy_resize(image: np.ndarray, size: int) -> np.ndarray:
    """TensorFlow 1's bilinear resize by its formula: source = target * scale, no half pixel."""
    for axis in (0, 1):
        n = image.shape[axis]
        line = partial(np.interp, np.arange(size) * n / size, np.arange(n))
        image = np.apply_along_axis(line, axis, image)
    return image


def test_images_are_resized_as_tensorflow_1_does_it(monkeypatch):
    """Against the formula, on noise, where half a pixel or aligned corners would show."""
    pixels = np.random.default_rng(0).integers(0, 256, (160, 240, 3)).astype(np.uint8)
    monkeypatch.setattr(tf.io, "decode_jpeg", lambda content, channels: tf.constant(pixels))
    actual = images.preprocess(tf.io.encode_jpeg(pixels).numpy(), "here")
    cropped = pixels[10:150, 15:225] / 255  # the central 87.5 %
    np.testing.assert_allclose(actual, legacy_resize(cropped, 299), atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("file,label\na.JPEG,1000\n", "labels.csv: expected classes from 0 to 999, got 1000"),
        ("file,label\n../a.JPEG,1\n", "expected file names without folders, got '../a.JPEG'"),
        ("file,label\nb.JPEG,1\n", "b.JPEG: no such file; expected an image"),
    ],
)
def test_labels_that_do_not_fit_are_named(folder, labels, message):
    write(folder, labels)
    with pytest.raises(InputError, match=message):
        imagenet_ens.load_dataset(data_dir=folder)


def test_other_files_than_jpeg_are_named(folder):
    path = folder / "imagenet" / "a.JPEG"
    whole = path.read_bytes()
    other = tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)).numpy()
    for content in (whole[: len(whole) // 20], other, b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a.JPEG: expected a complete JPEG file"):
            imagenet_ens.load_dataset(data_dir=folder)
    with pytest.raises(InputError, match="imagenet: split: expected test, got 'train'"):
        imagenet_ens.load_dataset("train", data_dir=folder)


def test_images_are_stored_on_disk_if_memory_is_too_small(folder, monkeypatch):
    expected = imagenet_ens.load_dataset(data_dir=folder)
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available", lambda: 0)
    data = imagenet_ens.load_dataset(data_dir=folder)
    assert data.sha256 == expected.sha256
    np.testing.assert_array_equal(data.x, expected.x)
