"""A small CIFAR10 network of this project, without normalisation layers."""

from __future__ import annotations

from daa.targets.family import Model, Network, Variables, he_normal
from daa.tensorflow import tf

VARIABLES = {
    "conv1/kernel": (4, 4, 3, 16),
    "conv1/bias": (16,),
    "conv2/kernel": (4, 4, 16, 32),
    "conv2/bias": (32,),
    "conv3/kernel": (3, 3, 32, 64),
    "conv3/bias": (64,),
    "dense1/kernel": (1024, 96),
    "dense1/bias": (96,),
    "dense2/kernel": (96, 10),
    "dense2/bias": (10,),
}


def network(variables: Variables) -> Network:
    """conv 4x4 stride 2 to 16 and to 32, conv 3x3 to 64, average pool, dense 96, dense 10."""
    v = variables

    def logits(x: tf.Tensor) -> tf.Tensor:
        h = tf.cast(4.0 * x - 2.0, v["conv1/kernel"].dtype)
        for name, stride in (("conv1", 2), ("conv2", 2), ("conv3", 1)):
            h = tf.nn.conv2d(h, v[f"{name}/kernel"], stride, "SAME") + v[f"{name}/bias"]
            h = tf.nn.relu(h)
        h = tf.reshape(tf.nn.avg_pool2d(h, 2, 2, "VALID"), [-1, 1024])
        h = tf.nn.relu(tf.matmul(h, v["dense1/kernel"]) + v["dense1/bias"])
        return tf.cast(tf.matmul(h, v["dense2/kernel"]) + v["dense2/bias"], tf.float32)

    return logits


SMALL = Model(
    network,
    VARIABLES,
    image_shape=(32, 32, 3),
    initialize=lambda rng: he_normal(rng, VARIABLES),
)
