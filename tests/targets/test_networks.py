"""Every architecture against an independent float64 computation from its description."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from toys import random_arrays

import fmnist
import locuslab
import madry_cifar10
import madry_mnist
from daa.target import in_precision
from daa.targets import checkpoints
from madry_cifar10.model import NARROW, WIDE, training_network

LISTS = Path(__file__).parent / "variables"


def listed(name: str) -> dict[str, tuple[int, ...]]:
    with (LISTS / f"{name}.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {name: tuple(map(int, shape.split("x"))) for name, shape in rows}


def count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


# float64 references. Convolutions as sums over kernel offsets, independent of tf.nn.conv2d.


def conv(h, kernel, stride=1, padding="SAME"):
    """SAME padding as TensorFlow defines it: the odd pixel goes to the end."""
    sizes = list(zip(h.shape[1:3], kernel.shape[:2], strict=True))
    if padding == "SAME":
        needed = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in sizes]
        h = tf.pad(h, [[0, 0], *([n // 2, n - n // 2] for n in needed), [0, 0]])
        sizes = [(n + more, k) for (n, k), more in zip(sizes, needed, strict=True)]
    bottom, right = ((n - k) // stride * stride + 1 for n, k in sizes)
    return tf.add_n(
        [
            tf.einsum(
                "nhwi,io->nhwo", h[:, r : r + bottom : stride, c : c + right : stride], kernel[r, c]
            )
            for r in range(kernel.shape[0])
            for c in range(kernel.shape[1])
        ]
    )


def pool(h):
    n, height, width, channels = h.shape
    return tf.reduce_max(tf.reshape(h, [n, height // 2, 2, width // 2, 2, channels]), [2, 4])


def relu(h):
    return tf.maximum(h, 0)


def reference_mnist(a, x):
    h = pool(relu(conv(x, a["Variable"]) + a["Variable_1"]))
    h = pool(relu(conv(h, a["Variable_2"]) + a["Variable_3"]))
    h = relu(tf.reshape(h, [len(x), -1]) @ a["Variable_4"] + a["Variable_5"])
    return h @ a["Variable_6"] + a["Variable_7"]


def reference_fmnist(a, x):
    h = relu(conv(x, a["Variable"]) + a["Variable_1"])
    h = pool(relu(conv(h, a["Variable_2"]) + a["Variable_3"]))
    h = relu(conv(h, a["Variable_4"]) + a["Variable_5"])
    h = pool(relu(conv(h, a["Variable_6"]) + a["Variable_7"]))
    h = relu(tf.reshape(h, [len(x), -1]) @ a["Variable_8"] + a["Variable_9"])
    bn = {k: a[f"batch_normalization/{k}"] for k in ("gamma", "beta")}
    mean, var = (a[f"batch_normalization/moving_{k}"] for k in ("mean", "variance"))
    h = bn["gamma"] * (h - mean) / tf.sqrt(var + 0.001) + bn["beta"]
    return h @ a["Variable_10"] + a["Variable_11"]


def reference_cifar10(a, x):
    def norm(scope, h):
        b = {k: a[f"{scope}/BatchNorm/{k}"] for k in ("gamma", "beta")}
        mean, var = (a[f"{scope}/BatchNorm/moving_{k}"] for k in ("mean", "variance"))
        h = b["gamma"] * (h - mean) / tf.sqrt(var + 0.001) + b["beta"]
        return tf.where(h < 0, 0.1 * h, h)

    mean = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
    deviation = tf.sqrt(tf.reduce_mean((x - mean) ** 2, [1, 2, 3], keepdims=True))
    h = (x - mean) / tf.maximum(deviation, 1 / np.sqrt(32 * 32 * 3))
    h = conv(h, a["input/init_conv/DW"])
    for group in (1, 2, 3):
        for u in range(5):
            scope = f"unit_{group}_{u}"
            stride = 2 if group > 1 and u == 0 else 1
            if scope == "unit_1_0":
                h = norm(f"{scope}/shared_activation", h)
                inner = h
            else:
                inner = norm(f"{scope}/residual_only_activation", h)
            inner = conv(inner, a[f"{scope}/sub1/conv1/DW"], stride)
            inner = conv(norm(f"{scope}/sub2", inner), a[f"{scope}/sub2/conv2/DW"])
            if stride == 2:
                n, s, _, c = h.shape
                h = tf.reduce_mean(tf.reshape(h, [n, s // 2, 2, s // 2, 2, c]), [2, 4])
            side = (inner.shape[-1] - h.shape[-1]) // 2
            h = inner + tf.pad(h, [[0, 0], [0, 0], [0, 0], [side, side]])
    h = tf.reduce_mean(norm("unit_last", h), [1, 2])
    return h @ a["logit/DW"] + a["logit/biases"]


def reference_locuslab(a, x):
    for layer in ("0", "2"):
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        kernel = tf.transpose(a[f"{layer}.weight"], [2, 3, 1, 0])
        x = relu(conv(x, kernel, 2, "VALID") + a[f"{layer}.bias"])
    h = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [len(x), -1])
    h = relu(h @ tf.transpose(a["5.weight"]) + a["5.bias"])
    return h @ tf.transpose(a["7.weight"]) + a["7.bias"]


PARITY = [
    (locuslab, "wk_mnist", locuslab.model.VARIABLES, reference_locuslab, 1),
    (madry_mnist, "secret", madry_mnist.model.VARIABLES, reference_mnist, 1),
    (fmnist, "authors", fmnist.model.VARIABLES, reference_fmnist, 1),
    (madry_cifar10, "surrogate", NARROW.variables, reference_cifar10, 255),
]


@pytest.mark.parametrize(
    ("folder", "name", "shapes", "reference", "scale"),
    PARITY,
    ids=[row[0].__name__ for row in PARITY],
)
def test_logits_and_gradients_equal_the_description(
    folder, name, shapes, reference, scale, tmp_path
):
    arrays = random_arrays(shapes)
    checkpoints.write(tmp_path / "model", arrays)
    target = folder.load_target(name, path=tmp_path)
    rng = np.random.default_rng(1)
    x = tf.constant(rng.random((3, *target.image_shape)), tf.float32)
    weight = tf.constant(rng.standard_normal((3, 10)))
    exact = {key: tf.constant(value, tf.float64) for key, value in arrays.items()}
    x64 = tf.cast(x, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([x, x64])
        ours, theirs = target(x), reference(exact, scale * x64)
        sums = [tf.reduce_sum(tf.cast(z, tf.float64) * weight) for z in (ours, theirs)]
    gradient = tape.gradient(sums, [x, x64])
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    np.testing.assert_allclose(gradient[0], gradient[1], atol=1e-3 * np.abs(gradient[1]).max())
    assert np.abs(gradient[1]).max() > 0
    half = in_precision(target, "bfloat16")(x)
    assert half.dtype == tf.float32
    assert 1e-5 < np.abs(half - ours).max() / np.abs(ours).max() < 0.1


@pytest.mark.parametrize(
    ("name", "shapes", "values"),
    [
        ("madry_mnist", madry_mnist.model.VARIABLES, 3_274_634),
        ("fmnist", fmnist.model.VARIABLES, 3_308_522),
        ("madry_cifar10_w32_10", WIDE.variables, 45_924_346),
    ],
)
def test_variables_are_those_of_the_original_graph(name, shapes, values):
    assert dict(shapes) == listed(name)
    assert count(shapes) == values


def test_cifar10_follows_its_variables():
    arrays = random_arrays(NARROW.variables)
    x = tf.constant(np.random.default_rng(0).random((4, 32, 32, 3)) * 255, tf.float32)
    exact = madry_cifar10.model.network({k: tf.constant(v) for k, v in arrays.items()})(x)
    variables = {k: tf.Variable(v + 0.1) for k, v in arrays.items()}
    logits = madry_cifar10.model.network(variables)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    np.testing.assert_array_equal(logits(x), exact)


def test_training_mode_normalises_with_the_moments_of_the_batch():
    arrays = {k: tf.constant(v) for k, v in random_arrays(NARROW.variables).items()}
    seen = {}
    logits = training_network(arrays, lambda scope, *moments: seen.update({scope: moments}))
    x = tf.constant(np.random.default_rng(0).random((6, 32, 32, 3)) * 255, tf.float32)
    trained = logits(x)
    assert len(seen) == 31
    # The first of them follows the first convolution, whose moments are those of all places.
    first = conv(tf.image.per_image_standardization(x), arrays["input/init_conv/DW"]).numpy()
    mean, variance = seen["unit_1_0/shared_activation/BatchNorm"]
    np.testing.assert_allclose(mean, first.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(variance, first.var(axis=(0, 1, 2)), rtol=1e-3)
    frozen = dict(arrays)
    for scope, (mean, variance) in seen.items():
        frozen[f"{scope}/moving_mean"], frozen[f"{scope}/moving_variance"] = mean, variance
    np.testing.assert_allclose(madry_cifar10.model.network(frozen)(x), trained, atol=1e-3)
