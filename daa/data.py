"""Data sets: images in [0, 1] with labels, and a reader of the idx format."""

from __future__ import annotations

import gzip
import hashlib
import math
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daa.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """Images with labels, in the official order of their source.

    Args:
        name: as in `mnist/test`.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        sha256: of images and labels as their source stores them, so that a record says which data
            it used.
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


# sha256 of the unpacked official files.
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_PREFIX = {"train": "train", "test": "t10k"}


def mnist(folder: Path, split: str) -> Dataset:
    """MNIST from the idx files in `folder`/mnist, packed with gzip or not.

    Args:
        folder: of the data sets.
        split: "train" (60,000 images) or "test" (10,000).

    Returns:
        Images [N, 28, 28, 1].

    Raises:
        InputError: another split; a file that is missing, truncated or not idx; labels beyond 0..9.

    Source: yann.lecun.com/exdb/mnist.
    """
    return _idx_dataset(folder / "mnist", "mnist", split, MNIST)


def fashion_mnist(folder: Path, split: str) -> Dataset:
    """Fashion-MNIST from the idx files in `folder`/fashion; otherwise as `mnist`.

    Source: github.com/zalandoresearch/fashion-mnist.
    """
    return _idx_dataset(folder / "fashion", "fashion_mnist", split, FASHION)


def _idx_dataset(folder: Path, name: str, split: str, digests: dict[str, str]) -> Dataset:
    if split not in _PREFIX:
        raise InputError(f"{name}: split: expected train or test, got {split!r}")
    arrays, digest = [], hashlib.sha256()
    for kind in ("images-idx3", "labels-idx1"):
        file = f"{_PREFIX[split]}-{kind}-ubyte"
        path, content = _read(folder, file)
        digest.update(content)
        if hashlib.sha256(content).hexdigest() != digests[file]:
            warnings.warn(f"{path}: not the official file of {name}", stacklevel=2)
        arrays.append(read_idx(content, path, rank=int(kind[-1])))
    images, labels = arrays
    if len(images) != len(labels):
        raise InputError(f"{folder}: expected one label per image, got {len(images)} images and "
                         f"{len(labels)} labels")  # fmt: skip
    if len(labels) and labels.max() > 9:
        raise InputError(f"{folder}: labels: expected 0 to 9, got {labels.max()}")
    x = images[..., None].astype(np.float32) / np.float32(255)
    return Dataset(f"{name}/{split}", x, labels.astype(np.int64), digest.hexdigest())


def _read(folder: Path, name: str) -> tuple[Path, bytes]:
    packed, plain = folder / f"{name}.gz", folder / name
    try:
        if plain.exists():
            return plain, plain.read_bytes()
        return packed, gzip.decompress(packed.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"{packed}: expected the file, got none; name the folder of the data sets with "
            "--data-dir or DAA_DATA"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{packed}: expected a whole gzip file, got {error}") from error


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
    if len(content) != expected:
        raise InputError(f"{where}: expected {expected} bytes for {shape}, got {len(content)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


# Bytes of a record: the label, then the planes red, green, blue of 32 x 32 pixels.
_CIFAR_RECORD = 1 + 3 * 32 * 32
_CIFAR_FILES = {
    "train": [f"data_batch_{k}.bin" for k in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR_IMAGES = {"train": 50_000, "test": 10_000}


def cifar10(folder: Path, split: str) -> Dataset:
    """CIFAR-10 from its binary version in `folder`/cifar-10-batches-bin.

    Args:
        folder: of the data sets.
        split: "train" (50,000 images in five files) or "test" (10,000).

    Returns:
        Images [N, 32, 32, 3]. With files missing or short, those that are there, and a warning that
        says how many.

    Raises:
        InputError: another split, no file at all, a size that is no multiple of 3,073 bytes, a
            label beyond 0..9.

    Source: www.cs.toronto.edu/~kriz/cifar.html.
    """
    if split not in _CIFAR_FILES:
        raise InputError(f"cifar10: split: expected train or test, got {split!r}")
    folder = folder / "cifar-10-batches-bin"
    paths = [folder / name for name in _CIFAR_FILES[split]]
    found = [path for path in paths if path.exists()]
    if not found:
        raise InputError(
            f"{paths[0]}: expected the file, got none; name the folder of the data sets with "
            "--data-dir or DAA_DATA, or run python scripts/fetch.py cifar10"
        )
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
    if labels.max() > 9:
        raise InputError(f"{folder}: labels: expected 0 to 9, got {labels.max()}")
    if len(records) != _CIFAR_IMAGES[split]:
        expected = f"{_CIFAR_IMAGES[split]:,}"
        warnings.warn(
            f"{folder}: an incomplete copy, {len(records):,} of {expected} {split} images",
            stacklevel=2,
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    x = planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(255)
    return Dataset(f"cifar10/{split}", np.ascontiguousarray(x), labels, digest.hexdigest())
