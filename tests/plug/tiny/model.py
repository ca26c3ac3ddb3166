"""A small convolutional network for 8 x 8 digits."""

from __future__ import annotations

from daa.targets.family import Model, Network, Variables, he_normal
from daa.tensorflow import tf

VARIABLES = {
    "conv1/kernel": (3, 3, 1, 16),
    "conv1/bias": (16,),
    "conv2/kernel": (3, 3, 16, 32),
    "conv2/bias": (32,),
    "fc1/kernel": (512, 64),
    "fc1/bias": (64,),
    "fc2/kernel": (64, 10),
    "fc2/bias": (10,),
}


def network(variables: Variables) -> Network:
    """conv 3x3, conv 3x3 stride 2, dense 64, dense 10, with ReLU."""
    v = variables

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.cast(x, v["conv1/kernel"].dtype)
        h = tf.nn.relu(tf.nn.conv2d(h, v["conv1/kernel"], 1, "SAME") + v["conv1/bias"])
        h = tf.nn.relu(tf.nn.conv2d(h, v["conv2/kernel"], 2, "SAME") + v["conv2/bias"])
        h = tf.reshape(h, [-1, 512])
        h = tf.nn.relu(tf.matmul(h, v["fc1/kernel"]) + v["fc1/bias"])
        return tf.cast(tf.matmul(h, v["fc2/kernel"]) + v["fc2/bias"], tf.float32)

    return logits


MODEL = Model(
    network, VARIABLES, image_shape=(8, 8, 1), initialize=lambda rng: he_normal(rng, VARIABLES)
)
