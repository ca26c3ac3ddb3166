"""A small convolutional network on handwritten digits, for comparisons with other libraries."""

from __future__ import annotations

import tiny

from daa import Dataset, Target

EPS = 0.15


def digits_network(images: int) -> tuple[Target, Dataset]:
    return tiny.load_target("cnn"), tiny.load_dataset("test").first(images)
