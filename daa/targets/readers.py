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
        folder, split, name: the data set; the split is "train" or "test".
        hashes: {file name: sha256 of the official file}; other contents cause a warning.

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
                raise _missing(path, name)
            content = files.gunzip(path)
        digest.update(content)
        if hashlib.sha256(content).hexdigest() != hashes[file]:
            warnings.warn(f"{path}: not the official file of {name}", stacklevel=2)
        arrays.append(_read_idx(content, path, rank))
    images, labels = arrays
    if len(images) != len(labels):
        got = f"{len(images)} images and {len(labels)} labels"
        raise InputError(f"{folder}: expected one label per image, got {got}")
    labels = _labels(labels, folder)
    x = images[..., None].astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", x, labels, digest.hexdigest())


def _missing(path: Path, name: str) -> InputError:
    return InputError(
        f"{path}: expected the file, got none; set DAA_DATA to the folder that holds "
        f"{path.parent.name}, or download the data set: daa fetch {name}"
    )


def _labels(labels: np.ndarray, folder: Path) -> np.ndarray:
    highest = int(labels.max(initial=0))
    require(highest <= 9, f"{folder}: labels", "0 to 9", highest)
    return labels.astype(np.int64)


def _read_idx(content: bytes, path: str | Path, rank: int) -> np.ndarray:
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
    """CIFAR-10 from its binary version; an incomplete copy gives its images and a warning.

    Source: www.cs.toronto.edu/~kriz/cifar.html.
    """
    paths = [folder / file for file in _CIFAR_FILES[split]]
    if not any(path.exists() for path in paths):
        raise _missing(paths[0], name)
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
    labels = _labels(records[:, 0], folder)
    if len(records) != _CIFAR_IMAGES[split]:
        got = f"{len(records):,} of {_CIFAR_IMAGES[split]:,} {split} images"
        warnings.warn(f"{folder}: an incomplete copy, {got}", stacklevel=2)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    x = planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", np.ascontiguousarray(x), labels, digest.hexdigest())
