"""Readers of data sets' files: the idx format of MNIST, the binary version of CIFAR-10."""

from __future__ import annotations

import gzip
import hashlib
import math
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from daa.errors import InputError, require
from daa.target import Dataset

_PREFIX = {"train": "train", "test": "t10k"}
# Bytes of a record: the label, then the planes red, green, blue of 32 x 32 pixels.
_CIFAR_RECORD = 1 + 3 * 32 * 32
_CIFAR_FILES = {
    "train": [f"data_batch_{k}.bin" for k in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR_IMAGES = {"train": 50_000, "test": 10_000}


def idx_images(folder: Path, split: str, name: str, hashes: Mapping[str, str]) -> Dataset:
    """Grey images from two idx files, packed with gzip or not.

    Args:
        folder: of the files.
        split: "train" or "test".
        name: of the data set.
        hashes: {file name: sha256 of the official file}; other contents give a warning.

    Returns:
        Images [N, H, W, 1].

    Raises:
        InputError: a file that is missing, truncated or not idx; labels beyond 0..9.

    Source: yann.lecun.com/exdb/mnist.
    """
    arrays, digest = [], hashlib.sha256()
    for kind in ("images-idx3", "labels-idx1"):
        file = f"{_PREFIX[split]}-{kind}-ubyte"
        path, content = _read(folder, file, name)
        digest.update(content)
        if hashlib.sha256(content).hexdigest() != hashes[file]:
            warnings.warn(f"{path}: not the official file of {name}", stacklevel=2)
        arrays.append(read_idx(content, path, rank=int(kind[-1])))
    images, labels = arrays
    if len(images) != len(labels):
        raise InputError(f"{folder}: expected one label per image, got {len(images)} images and "
                         f"{len(labels)} labels")  # fmt: skip
    _check_labels(labels, folder)
    x = images[..., None].astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", x, labels.astype(np.int64), digest.hexdigest())


def exists(folder: Path, file: str) -> bool:
    """Whether an idx file is there, packed or not."""
    return any((folder / name).exists() for name in (file, f"{file}.gz"))


def _read(folder: Path, file: str, name: str) -> tuple[Path, bytes]:
    packed, plain = folder / f"{file}.gz", folder / file
    try:
        if plain.exists():
            return plain, plain.read_bytes()
        return packed, gzip.decompress(packed.read_bytes())
    except FileNotFoundError as error:
        raise InputError(missing(packed, name)) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: expected a whole gzip file, got {error}") from error


def missing(path: Path, name: str) -> str:
    """The message about a data set's file that isn't there."""
    return (
        f"{path}: expected the file, got none; set DAA_DATA to the folder that holds "
        f"{path.parent.name}, or download the data set: daa fetch {name}"
    )


def _check_labels(labels: np.ndarray, where: Path) -> None:
    highest = int(labels.max(initial=0))
    require(highest <= 9, f"{where}: labels", "0 to 9", highest)


def read_idx(content: bytes, where: str | Path, rank: int) -> np.ndarray:
    """An array of the idx format with unsigned bytes.

    Args:
        content: of the file.
        where: the file, for messages.
        rank: number of dimensions expected.

    Returns:
        uint8 array of that rank.

    Raises:
        InputError: another type or rank, or another size than the header says.
    """
    magic = bytes([0, 0, 8, rank])
    if content[:4] != magic:
        raise InputError(f"{where}: expected idx magic {magic.hex()}, got {content[:4].hex()}")
    header = 4 + 4 * rank
    if len(content) < header:
        raise InputError(f"{where}: expected a header of {header} bytes, got {len(content)}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    expected = header + math.prod(shape)
    require(len(content) == expected, str(where), f"{expected} bytes for {shape}", len(content))
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def cifar10_images(folder: Path, split: str, name: str) -> Dataset:
    """CIFAR-10 from its binary version.

    Args:
        folder: of the files.
        split: "train" (50,000 images in five files) or "test" (10,000).
        name: of the data set.

    Returns:
        Images [N, 32, 32, 3]. Where files are missing or short, the images that are there, and a
        warning that says how many.

    Raises:
        InputError: no file at all, a size that is no multiple of 3,073 bytes, a label beyond 0..9.

    Source: www.cs.toronto.edu/~kriz/cifar.html.
    """
    paths = [folder / file for file in _CIFAR_FILES[split]]
    found = [path for path in paths if path.exists()]
    if not found:
        raise InputError(missing(paths[0], name))
    digest, parts = hashlib.sha256(), []
    for path in found:
        content = path.read_bytes()
        digest.update(content)
        if len(content) % _CIFAR_RECORD or not content:
            raise InputError(
                f"{path}: expected records of {_CIFAR_RECORD} bytes, got {len(content)} bytes"
            )
        parts.append(np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD))
    records = np.concatenate(parts)
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
