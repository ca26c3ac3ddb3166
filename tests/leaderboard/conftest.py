import numpy as np
import pytest
import tensorflow as tf
import tiny

from daa import Bounds, Dataset, Target
from daa.leaderboard.arrays import Challenge


@pytest.fixture(scope="session")
def gray() -> Challenge:
    """Like MadryLab's MNIST: rows of pixels in [0, 1]."""
    return Challenge(tiny.load_target("cnn"), tiny.load_dataset("test").first(100), 0.15)


@pytest.fixture(scope="session")
def color() -> Challenge:
    """Like MadryLab's CIFAR10: bytes."""
    rng = np.random.default_rng(0)
    weights = tf.constant(rng.standard_normal((6 * 6 * 3, 10)), tf.float32)

    def network(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x / 255, [-1, 108]) @ weights

    target = Target("madry_cifar10/test", network, (6, 6, 3), 10, Bounds(0, 255))
    x = rng.integers(0, 256, (40, 6, 6, 3)).astype(np.float32) / np.float32(255)
    return Challenge(target, Dataset("cifar10/test", x, rng.integers(0, 10, 40), ""), 8 / 255)
