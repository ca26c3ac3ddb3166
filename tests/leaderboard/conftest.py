import numpy as np
import pytest
import tiny
from toys import images, linear_target

from daa import Bounds, Dataset
from daa.leaderboard.arrays import Challenge


@pytest.fixture(scope="session")
def gray() -> Challenge:
    """Like MadryLab's MNIST: rows of pixels in [0, 1]."""
    return Challenge(tiny.load_target("cnn"), tiny.load_dataset("test").first(100), 0.15)


@pytest.fixture(scope="session")
def color() -> Challenge:
    """Like MadryLab's CIFAR10: bytes."""
    target, _ = linear_target(10, (6, 6, 3), Bounds(0, 255))
    x, y = images(40, (6, 6, 3), 10)
    return Challenge(target, Dataset("cifar10/test", np.rint(255 * x) / 255, y, ""), 8 / 255)
