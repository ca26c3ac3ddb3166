"""Readers of the idx format of MNIST and of the binary version of CIFAR-10."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from daa.errors import InputError, require
from daa.target import Dataset
from daa.targets import files

_IDX_FILES = {
    split: (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    for split, prefix in {"train": "train", "test": "t10k"}.items()
}
# A record has the label, then the red, green and blue planes of 32 x 32 pixels.
_CIFAR_RECORD = 1 + 3 * 32 * 32
_CIFAR_FILES = {
    "train": [f"data_batch_{k}.bin" for k in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR_IMAGES = {"train": 50_000, "test": 10_000}


def idx_images(folder: Path, split: str, name: str, hashes: Mapping[str, str]) -> Dataset:
    """Grey images from two idx files, compressed with gzip or not.

    Args:
        folder: folder of the files.
        split: "train" or "test".
        name: name of the data set.
        hashes: {file name: sha256 of the official file}; other contents cause a warning.

    Returns:
        Images [N, H, W, 1].

    Raises:
        InputError: missing, truncated or other files; labels beyond 0..9.

    Source: yann.lecun.com/exdb/mnist.
    """
    arrays, digest = [], hashlib.sha256()
    for rank, file in zip((3, 1), _IDX_FILES[split], strict=True):
        path = folder / file
        if path.exists():
            content = files.read_bytes(path, "an idx file")
        else:
            path = path.with_name(f"{file}.gz")
            if not path.exists():
                raise InputError(missing(path, name))
            content = files.gunzip(path)
        digest.update(content)
        if hashlib.sha256(content).hexdigest() != hashes[file]:
            warnings.warn(f"{path}: not the official file of {name}", stacklevel=2)
        arrays.append(read_idx(content, path, rank))
    images, labels = arrays
    if len(images) != len(labels):
        raise InputError(f"{folder}: expected one label per image, got {len(images)} images and "
                         f"{len(labels)} labels")  # fmt: skip
    _check_labels(labels, folder)
    x = images[..., None].astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", x, labels.astype(np.int64), digest.hexdigest())


def idx_exists(folder: Path, split: str) -> bool:
    """Whether any idx file of a split exists, compressed or not."""
    names = [file + end for file in _IDX_FILES[split] for end in ("", ".gz")]
    return any((folder / name).exists() for name in names)


def missing(path: Path, name: str) -> str:
    """Message about a missing file of a data set."""
    return (
        f"{path}: expected the file, got none; set DAA_DATA to the folder that holds "
        f"{path.parent.name}, or download the data set: daa fetch {name}"
    )


def _check_labels(labels: np.ndarray, folder: Path) -> None:
    highest = int(labels.max(initial=0))
    require(highest <= 9, f"{folder}: labels", "0 to 9", highest)


def read_idx(content: bytes, path: str | Path, rank: int) -> np.ndarray:
    """The uint8 array with `rank` dimensions in the content of the idx file `path`."""
    magic, header = bytes([0, 0, 8, rank]), 4 + 4 * rank
    if content[:4] != magic:
        raise InputError(f"{path}: expected idx magic {magic.hex()}, got {content[:4].hex()}")
    if len(content) < header:
        raise InputError(f"{path}: expected a header of {header} bytes, got {len(content)}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    expected = header + math.prod(shape)
    require(len(content) == expected, str(path), f"{expected} bytes for {shape}", len(content))
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def cifar10_images(folder: Path, split: str, name: str) -> Dataset:
    """CIFAR-10 from its binary version.

    Args:
        folder: folder of the files.
        split: "train" (50,000 images in five files) or "test" (10,000).
        name: name of the data set.

    Returns:
        Images [N, 32, 32, 3]. An incomplete copy gives the images in it, and a warning with their
        number.

    Raises:
        InputError: no file at all, a size that is no multiple of 3,073 bytes, a label beyond 0..9.

    Source: www.cs.toronto.edu/~kriz/cifar.html.
    """
    paths = [folder / file for file in _CIFAR_FILES[split]]
    if not any(path.exists() for path in paths):
        raise InputError(missing(paths[0], name))
    digest, arrays = hashlib.sha256(), []
    for path in filter(Path.exists, paths):
        content = files.read_bytes(path, "a file of images")
        digest.update(content)
        if len(content) % _CIFAR_RECORD or not content:
            raise InputError(
                f"{path}: expected records of {_CIFAR_RECORD} bytes, got {len(content)} bytes"
            )
        arrays.append(np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD))
    records = np.concatenate(arrays)
    labels = records[:, 0].astype(np.int64)
    _check_labels(labels, folder)
    if len(records) != _CIFAR_IMAGES[split]:
        expected = f"{_CIFAR_IMAGES[split]:,}"
        warnings.warn(
            f"{folder}: an incomplete copy, {len(records):,} of {expected} {split} images",
            stacklevel=2,
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    x = planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", np.ascontiguousarray(x), labels, digest.hexdigest())
