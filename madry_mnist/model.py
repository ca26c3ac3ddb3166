"""MadryLab's MNIST network."""

from __future__ import annotations

import numpy as np

from daa.targets.family import Model, Network, Variables
from daa.tensorflow import tf

VARIABLES = {
    "Variable": (5, 5, 1, 32),
    "Variable_1": (32,),
    "Variable_2": (5, 5, 32, 64),
    "Variable_3": (64,),
    "Variable_4": (3136, 1024),
    "Variable_5": (1024,),
    "Variable_6": (1024, 10),
    "Variable_7": (10,),
}


def network(variables: Variables) -> Network:
    """conv 5x5 to 32, pool, conv 5x5 to 64, pool, dense 1024, dense 10, with ReLU.

    Source: MadryLab/mnist_challenge, model.py.
    """
    v = [variables[name] for name in VARIABLES]

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.cast(x, v[0].dtype)
        h = tf.nn.relu(tf.nn.conv2d(h, v[0], 1, "SAME") + v[1])
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
        h = tf.nn.relu(tf.nn.conv2d(h, v[2], 1, "SAME") + v[3])
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
        h = tf.reshape(h, [-1, 3136])
        h = tf.nn.relu(tf.matmul(h, v[4]) + v[5])
        return tf.cast(tf.matmul(h, v[6]) + v[7], tf.float32)

    return logits


def initialize(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Truncated normal kernels of standard deviation 0.1 and biases 0.1, as in the original."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in VARIABLES.items():
        if len(shape) == 1:
            arrays[name] = np.full(shape, 0.1, np.float32)
            continue
        values = rng.standard_normal(shape)
        while (outside := np.abs(values) > 2).any():
            values[outside] = rng.standard_normal(outside.sum())
        arrays[name] = (0.1 * values).astype(np.float32)
    return arrays


MODEL = Model(network, VARIABLES, image_shape=(28, 28, 1), initialize=initialize)
