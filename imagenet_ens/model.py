"""Inception-ResNet-v2 of `tf.keras.applications` under the names of TF-Slim's checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from daa import Bounds
from daa.targets.family import Model, Network, Variables
from daa.tensorflow import tf

SIZE = 299
CLASSES = 1001
_ROOT = "InceptionResnetV2"


def _branches(inputs: int, *branches: dict[str, int]) -> list[tuple[str, int, int]]:
    """(scope, input channels, output channels) of parallel branches of convolutions."""
    layers = []
    for number, branch in enumerate(branches):
        channels = pairwise([inputs, *branch.values()])
        for name, pair in zip(branch, channels, strict=True):
            layers.append((f"Branch_{number}/Conv2d_{name}", *pair))
    return layers


_BLOCK35 = _branches(
    320, {"1x1": 32}, {"0a_1x1": 32, "0b_3x3": 32}, {"0a_1x1": 32, "0b_3x3": 48, "0c_3x3": 64}
)
_BLOCK17 = _branches(1088, {"1x1": 192}, {"0a_1x1": 128, "0b_1x7": 160, "0c_7x1": 192})
_BLOCK8 = _branches(2080, {"1x1": 192}, {"0a_1x1": 192, "0b_1x3": 224, "0c_3x1": 256})
_STEM = [
    ("Conv2d_1a_3x3", 3, 32),
    ("Conv2d_2a_3x3", 32, 32),
    ("Conv2d_2b_3x3", 32, 64),
    ("Conv2d_3b_1x1", 64, 80),
    ("Conv2d_4a_3x3", 80, 192),
]
_MIXED_5B = _branches(
    192,
    {"1x1": 96},
    {"0a_1x1": 48, "0b_5x5": 64},
    {"0a_1x1": 64, "0b_3x3": 96, "0c_3x3": 96},
    {"0b_1x1": 64},
)
_MIXED_6A = _branches(320, {"1a_3x3": 384}, {"0a_1x1": 256, "0b_3x3": 256, "1a_3x3": 384})
_MIXED_7A = _branches(
    1088,
    {"0a_1x1": 256, "1a_3x3": 384},
    {"0a_1x1": 256, "1a_3x3": 288},
    {"0a_1x1": 256, "0b_3x3": 288, "1a_3x3": 320},
)
# Residual blocks end in a 1x1 convolution with biases and without batch norm: scope, Keras' name,
# branches, concatenated channels of the branches, channels of the block.
_BLOCKS = [
    *((f"Repeat/block35_{n}", f"block35_{n}_conv", _BLOCK35, 128, 320) for n in range(1, 11)),
    *((f"Repeat_1/block17_{n}", f"block17_{n}_conv", _BLOCK17, 384, 1088) for n in range(1, 21)),
    *((f"Repeat_2/block8_{n}", f"block8_{n}_conv", _BLOCK8, 448, 2080) for n in range(1, 10)),
    ("Block8", "block8_10_conv", _BLOCK8, 448, 2080),
]


def _convolutions() -> list:
    """All convolutions with batch norm; the last has a name in Keras, the others are in order."""
    blocks = {"Mixed_5b": _MIXED_5B}
    for scope, _, layers, _, _ in _BLOCKS:
        if scope == "Repeat_1/block17_1":
            blocks["Mixed_6a"] = _MIXED_6A
        if scope == "Repeat_2/block8_1":
            blocks["Mixed_7a"] = _MIXED_7A
        blocks[scope] = layers
    inside = [(f"{scope}/{name}", *rest) for scope in blocks for name, *rest in blocks[scope]]
    return [*_STEM, *inside, ("Conv2d_7b_1x1", 2080, 1536)]


def _variables() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for scope, inputs, outputs in _convolutions():
        kernel = map(int, scope[-3:].split("x"))  # as in Conv2d_0b_1x7
        shapes[f"{_ROOT}/{scope}/weights"] = (*kernel, inputs, outputs)
        for kind in ("beta", "moving_mean", "moving_variance"):
            shapes[f"{_ROOT}/{scope}/BatchNorm/{kind}"] = (outputs,)
    for scope, _, _, inputs, outputs in _BLOCKS:
        shapes[f"{_ROOT}/{scope}/Conv2d_1x1/weights"] = (1, 1, inputs, outputs)
        shapes[f"{_ROOT}/{scope}/Conv2d_1x1/biases"] = (outputs,)
    shapes[f"{_ROOT}/Logits/Logits/weights"] = (1536, CLASSES)
    shapes[f"{_ROOT}/Logits/Logits/biases"] = (CLASSES,)
    return shapes


# Without the checkpoint's AuxLogits, which only served the training.
VARIABLES = _variables()


def network(variables: Variables) -> Network:
    """Keras' Inception-ResNet-v2 with all 1,001 classes of the checkpoint; 0 is the background.

    Source: tensorflow/models, slim/nets/inception_resnet_v2.py.
    """
    dtype = tf.as_dtype(next(iter(variables.values())).dtype)
    keras = build("mixed_bfloat16" if dtype == tf.bfloat16 else "float32")
    for name, variable in mapping(keras).items():
        variable.assign(tf.cast(variables[name], variable.dtype))

    def logits(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(keras(x, training=False), tf.float32)

    return logits


def build(policy: str = "float32") -> tf.keras.Model:
    """The Keras network with random weights and logits as output."""
    before = tf.keras.config.dtype_policy()
    tf.keras.config.set_dtype_policy(policy)
    try:
        return tf.keras.applications.InceptionResNetV2(
            weights=None, classes=CLASSES, classifier_activation=None
        )
    finally:
        tf.keras.config.set_dtype_policy(before)


def mapping(keras: tf.keras.Model) -> dict[str, tf.Variable]:
    """{slim name: variable of the Keras network}, for all of `VARIABLES`.

    Keras numbers unnamed layers in the order of slim's scopes; the first number may be any.
    """
    layers = {layer.name: layer for layer in keras.layers}
    variables: dict[str, tf.Variable] = {}
    convolutions = [*_numbered(layers, "conv2d"), layers["conv_7b"]]
    norms = [*_numbered(layers, "batch_normalization"), layers["conv_7b_bn"]]
    for (scope, *_), conv, norm in zip(_convolutions(), convolutions, norms, strict=True):
        variables[f"{_ROOT}/{scope}/weights"] = conv.kernel
        for kind in ("beta", "moving_mean", "moving_variance"):
            variables[f"{_ROOT}/{scope}/BatchNorm/{kind}"] = getattr(norm, kind)
    ends = [(f"{scope}/Conv2d_1x1", layers[name]) for scope, name, *_ in _BLOCKS]
    for scope, layer in [*ends, ("Logits/Logits", layers["predictions"])]:
        variables[f"{_ROOT}/{scope}/weights"] = layer.kernel
        variables[f"{_ROOT}/{scope}/biases"] = layer.bias
    return variables


def _numbered(layers: Mapping[str, tf.keras.Layer], kind: str) -> list[tf.keras.Layer]:
    names = [name for name in layers if re.fullmatch(rf"{kind}(_\d+)?", name)]
    return [layers[name] for name in sorted(names, key=lambda name: (len(name), name))]


MODEL = Model(
    network, VARIABLES, image_shape=(SIZE, SIZE, 3), classes=CLASSES, bounds=Bounds(-1.0, 1.0)
)
