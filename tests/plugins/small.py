"""A small convolutional network on handwritten digits, for comparisons with other libraries."""

from __future__ import annotations

import digits
from daa import Dataset, Target

EPS = 0.15


def digits_network(images: int) -> tuple[Target, Dataset]:
    return digits.load_target("cnn"), digits.load_dataset("test").first(images)
