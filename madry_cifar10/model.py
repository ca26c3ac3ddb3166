"""MadryLab's CIFAR10 network, a residual network of any width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from daa import Bounds
from daa.targets.family import Model, Network, OnMoments, Variables
from daa.tensorflow import tf

UNITS = 5
_EPSILON = 0.001
_LEAK = 0.1


def variables_of(filters: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """{name: shape} of the network with these filters, as in the original checkpoint."""
    shapes: dict[str, tuple[int, ...]] = {"input/init_conv/DW": (3, 3, 3, filters[0])}

    def batch_norm(scope: str, channels: int) -> None:
        for kind in ("beta", "gamma", "moving_mean", "moving_variance"):
            shapes[f"{scope}/BatchNorm/{kind}"] = (channels,)

    for scope, inputs, outputs, _ in _units(filters):
        batch_norm(f"{scope}/{_first_activation(scope)}", inputs)
        shapes[f"{scope}/sub1/conv1/DW"] = (3, 3, inputs, outputs)
        batch_norm(f"{scope}/sub2", outputs)
        shapes[f"{scope}/sub2/conv2/DW"] = (3, 3, outputs, outputs)
    batch_norm("unit_last", filters[3])
    return {**shapes, "logit/DW": (filters[3], 10), "logit/biases": (10,)}


def _units(filters: tuple[int, ...]) -> list[tuple[str, int, int, int]]:
    """(scope, input channels, output channels, stride) of each residual unit."""
    units = []
    for group, (inputs, outputs) in enumerate(pairwise(filters), start=1):
        units.append((f"unit_{group}_0", inputs, outputs, 1 if group == 1 else 2))
        units += [(f"unit_{group}_{unit}", outputs, outputs, 1) for unit in range(1, UNITS)]
    return units


def _first_activation(scope: str) -> str:
    return "shared_activation" if scope == "unit_1_0" else "residual_only_activation"


def network(variables: Variables) -> Network:
    """Per-image standardization, three groups of five pre-activation residual units, dense 10.

    The standardization is always in float32. Source: MadryLab/cifar10_challenge, model.py.
    """

    def logits(x: tf.Tensor) -> tf.Tensor:
        # In each call, as training changes the variables.
        v, shifts = _folded(variables)

        def normalize(scope: str, h: tf.Tensor) -> tf.Tensor:
            if scope in shifts:
                return h + shifts[scope]
            mean, variance = v[f"{scope}/moving_mean"], v[f"{scope}/moving_variance"]
            return _batch_norm(v, scope, h, mean, variance)

        return _build(v, normalize)(x)

    return logits


def training_network(variables: Variables, on_moments: OnMoments) -> Network:
    """The network in training mode: batch normalisation with the moments of the minibatch."""

    def normalize(scope: str, h: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(h, [0, 1, 2])
        on_moments(scope, mean, variance)
        return _batch_norm(variables, scope, h, mean, variance)

    return _build(variables, normalize)


def _folded(v: Variables) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Folds the second normalisation of each unit into the convolution before it.

    Returns the variables with scaled convolutions, and {scope: shift after the convolution}. With
    `_leaky_relu`, this makes a gradient in bfloat16 on a CPU a quarter faster.
    """
    folded, shifts = dict(v), {}
    for name in v:
        if name.endswith("/sub1/conv1/DW"):
            scope = name.replace("/sub1/conv1/DW", "/sub2/BatchNorm")
            kinds = ("gamma", "beta", "moving_mean", "moving_variance")
            # The constants are computed in float32, also from bfloat16 variables.
            gamma, beta, mean, variance = (tf.cast(v[f"{scope}/{k}"], tf.float32) for k in kinds)
            scale = gamma * tf.math.rsqrt(variance + _EPSILON)
            folded[name] = tf.cast(tf.cast(v[name], tf.float32) * scale, v[name].dtype)
            shifts[scope] = tf.cast(beta - mean * scale, v[name].dtype)
    return folded, shifts


def _batch_norm(
    v: Variables, scope: str, h: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
) -> tf.Tensor:
    beta, gamma = v[f"{scope}/beta"], v[f"{scope}/gamma"]
    return tf.nn.batch_normalization(h, mean, variance, beta, gamma, _EPSILON)


def _leaky_relu(h: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU whose gradient needs only the output, so TensorFlow can fuse it."""

    @tf.custom_gradient
    def activate(h: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = tf.nn.leaky_relu(h, _LEAK)
        return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=_LEAK)

    return activate(h)


def _build(v: Variables, normalize: Callable[[str, tf.Tensor], tf.Tensor]) -> Network:
    init = v["input/init_conv/DW"]
    filters = (init.shape[3], *(v[f"unit_{g}_0/sub1/conv1/DW"].shape[3] for g in (1, 2, 3)))

    def activate(scope: str, h: tf.Tensor) -> tf.Tensor:
        return _leaky_relu(normalize(f"{scope}/BatchNorm", h))

    def unit(h: tf.Tensor, scope: str, inputs: int, outputs: int, stride: int) -> tf.Tensor:
        activated = activate(f"{scope}/{_first_activation(scope)}", h)
        skip = activated if scope == "unit_1_0" else h
        h = tf.nn.conv2d(activated, v[f"{scope}/sub1/conv1/DW"], stride, "SAME")
        h = activate(f"{scope}/sub2", h)
        h = tf.nn.conv2d(h, v[f"{scope}/sub2/conv2/DW"], 1, "SAME")
        if inputs != outputs:
            skip = tf.nn.avg_pool2d(skip, stride, stride, "VALID")
            side = (outputs - inputs) // 2
            skip = tf.pad(skip, [[0, 0], [0, 0], [0, 0], [side, side]])
        return h + skip

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.cast(tf.image.per_image_standardization(x), init.dtype)
        h = tf.nn.conv2d(h, init, 1, "SAME")
        for scope, inputs, outputs, stride in _units(filters):
            h = unit(h, scope, inputs, outputs, stride)
        h = tf.reduce_mean(activate("unit_last", h), [1, 2])
        return tf.cast(tf.matmul(h, v["logit/DW"]) + v["logit/biases"], tf.float32)

    return logits


def initialize(
    rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Random weights with the distributions of the original."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            scale = np.sqrt(2 / (shape[0] * shape[1] * shape[3]))
            arrays[name] = scale * rng.standard_normal(shape)
        elif len(shape) == 2:
            arrays[name] = np.sqrt(3 / shape[0]) * rng.uniform(-1, 1, shape)
        else:
            arrays[name] = np.full(shape, name.endswith(("gamma", "moving_variance")))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _model(*filters: int) -> Model:
    shapes = variables_of(filters)
    return Model(
        network,
        shapes,
        image_shape=(32, 32, 3),
        bounds=Bounds(0.0, 255.0),
        initialize=lambda rng: initialize(rng, shapes),
        training_network=training_network,
    )


WIDE = _model(16, 160, 320, 640)  # w32-10
NARROW = _model(16, 16, 32, 64)
