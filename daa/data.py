"""Data sets: images in [0, 1] with labels, and readers of the idx and CIFAR-10 binary formats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daa.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """Images with labels, in the official order of their source.

    Args:
        name: as in `mnist/test`.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        sha256: of the source, so that a record says which data it used.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    sha256: str

    def __len__(self) -> int:
        return len(self.y)

    def first(self, images: int | None) -> Dataset:
        """The first `images` of the data set; all of them for None.

        Raises:
            InputError: fewer than 1, or more than there are.
        """
        if images is None:
            return self
        if not 1 <= images <= len(self):
            raise InputError(f"{self.name}: images: expected 1 to {len(self)}, got {images}")
        return Dataset(self.name, self.x[:images], self.y[:images], self.sha256)
