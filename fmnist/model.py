"""The authors' Fashion-MNIST network."""

from __future__ import annotations

import numpy as np

from daa.targets.family import Model, Network, Variables
from daa.tensorflow import tf

VARIABLES = {
    "Variable": (5, 5, 1, 32),
    "Variable_1": (32,),
    "Variable_2": (5, 5, 32, 32),
    "Variable_3": (32,),
    "Variable_4": (3, 3, 32, 64),
    "Variable_5": (64,),
    "Variable_6": (3, 3, 64, 64),
    "Variable_7": (64,),
    "Variable_8": (3136, 1024),
    "Variable_9": (1024,),
    "batch_normalization/gamma": (1024,),
    "batch_normalization/beta": (1024,),
    "batch_normalization/moving_mean": (1024,),
    "batch_normalization/moving_variance": (1024,),
    "Variable_10": (1024, 10),
    "Variable_11": (10,),
}
_EPSILON = 0.001


def network(variables: Variables) -> Network:
    """conv, conv, pool, conv, conv, pool, dense 1024, batch norm, dense 10.

    ReLU follows each convolution and the dense layer of 1024, before the batch normalisation. The
    original always uses the stored statistics. Source: its fashion-mnist-master/model.py.
    """
    v = variables

    def conv(h: tf.Tensor, kernel: str, bias: str) -> tf.Tensor:
        return tf.nn.relu(tf.nn.conv2d(h, v[kernel], 1, "SAME") + v[bias])

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.cast(x, v["Variable"].dtype)
        h = conv(conv(h, "Variable", "Variable_1"), "Variable_2", "Variable_3")
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
        h = conv(conv(h, "Variable_4", "Variable_5"), "Variable_6", "Variable_7")
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
        h = tf.reshape(h, [-1, 3136])
        h = tf.nn.relu(tf.matmul(h, v["Variable_8"]) + v["Variable_9"])
        kinds = ("moving_mean", "moving_variance", "beta", "gamma")
        moments = (v[f"batch_normalization/{kind}"] for kind in kinds)
        h = tf.nn.batch_normalization(h, *moments, _EPSILON)
        return tf.cast(tf.matmul(h, v["Variable_10"]) + v["Variable_11"], tf.float32)

    return logits


def initialize(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """He-normal kernels of standard deviation 0.1 at most, biases 0.1, batch norm as identity."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in VARIABLES.items():
        if len(shape) == 1:
            kind = name.rpartition("/")[2]
            value = {"gamma": 1.0, "moving_variance": 1.0, "beta": 0.0, "moving_mean": 0.0}
            arrays[name] = np.full(shape, value.get(kind, 0.1), np.float32)
            continue
        scale = min(0.1, np.sqrt(2 / np.prod(shape[:-1])))
        arrays[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
    return arrays


MODEL = Model(network, VARIABLES, image_shape=(28, 28, 1), initialize=initialize)
