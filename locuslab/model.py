"""The small MNIST network of convex_adversarial and fast_adversarial."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from daa.targets import checkpoints
from daa.targets.family import Model, Network, Variables, he_normal
from daa.tensorflow import tf

# PyTorch's names and layout: convolutions OIHW, dense [out, in].
VARIABLES = {
    "0.weight": (16, 1, 4, 4),
    "0.bias": (16,),
    "2.weight": (32, 16, 4, 4),
    "2.bias": (32,),
    "5.weight": (100, 1568),
    "5.bias": (100,),
    "7.weight": (10, 100),
    "7.bias": (10,),
}
# In TensorFlow's layout, the layout of `network`: convolutions HWIO, dense [in, out].
TRANSPOSED = {
    name: (*shape[:1:-1], *shape[1::-1]) if len(shape) == 4 else shape[::-1]
    for name, shape in VARIABLES.items()
}
_PADDING = [[0, 0], [1, 1], [1, 1], [0, 0]]


def to_tensorflow(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's arrays in TensorFlow's layout, under the same names.

    The inputs of the first dense layer change their order from flattened NCHW to flattened NHWC.
    """
    fc = arrays["5.weight"].reshape(100, 32, 7, 7).transpose(0, 2, 3, 1)
    arrays = {**arrays, "5.weight": fc.reshape(100, 1568)}
    order = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}
    return {name: array.transpose(order[array.ndim]) for name, array in arrays.items()}


def network(variables: Variables) -> Network:
    """conv 4x4 stride 2 to 16, conv 4x4 stride 2 to 32, dense 100, dense 10, with ReLU.

    Each layer computes in the type of its variables.

    Source: locuslab/convex_adversarial, examples/problems.py, mnist_model.
    """
    v = variables

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.nn.relu(convolve(x, v["0.weight"]) + v["0.bias"])
        h = tf.nn.relu(convolve(h, v["2.weight"]) + v["2.bias"])
        h = tf.cast(tf.reshape(h, [-1, 1568]), v["5.weight"].dtype)
        h = tf.nn.relu(tf.matmul(h, v["5.weight"]) + v["5.bias"])
        return tf.cast(tf.matmul(h, v["7.weight"]) + v["7.bias"], tf.float32)

    return logits


def half(variables: Variables) -> Variables:
    """The variables in bfloat16, except for the first layer.

    A first layer in bfloat16 would round the images, which moves pixels with vanishing gradients.
    PGD would reduce the accuracy of `fast_pgd_mnist` by 0.4 points more than in float32.
    """
    rest = {name: value for name, value in variables.items() if not name.startswith("0.")}
    return {**variables, **checkpoints.cast(rest, "bfloat16")}


def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A 4x4 convolution with stride 2 and padding 1, in the type of the kernel.

    In bfloat16 on a CPU, `blockwise` computes the gradient ten times as fast.
    """
    x = tf.cast(x, kernel.dtype)
    if kernel.dtype == tf.bfloat16:
        return blockwise(x, kernel)
    return tf.nn.conv2d(x, kernel, 2, _PADDING)


def blockwise(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The same sums as a 2x2 convolution with stride 1 over blocks of 2x2 pixels."""
    channels, filters = kernel.shape[2:]
    blocks = tf.reshape(kernel, [2, 2, 2, 2, channels, filters])
    blocks = tf.reshape(tf.transpose(blocks, [0, 2, 1, 3, 4, 5]), [2, 2, 4 * channels, filters])
    return tf.nn.conv2d(tf.nn.space_to_depth(tf.pad(x, _PADDING), 2), blocks, 1, "VALID")


MODEL = Model(network, VARIABLES, image_shape=(28, 28, 1), convert=to_tensorflow, half=half)
# For the network of this project, whose file has TensorFlow's layout.
OWN = Model(
    network,
    TRANSPOSED,
    image_shape=(28, 28, 1),
    initialize=lambda rng: he_normal(rng, TRANSPOSED),
    half=half,
)
