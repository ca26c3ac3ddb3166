"""The data sets: sources, folders, and readers of their official files."""

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from daa.errors import InputError, require
from daa.target import Dataset
from daa.targets import files
from daa.targets.fetch import Source, archive, data_folder, packed

_MNIST = {  # sha256 of the unpacked official files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_FASHION = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# The package includes the first 500 test images of MNIST.
_FIRST = Path(__file__).parent / "first500"
_FIRST_HASHES = {
    "t10k-images-idx3-ubyte": "de0a55d8eb2a23fce4f596c5234b08b9c8ee685583a2b0e52f3a78eca48f9d89",
    "t10k-labels-idx1-ubyte": "60e902e82445d902e245e1b039469f36936d63cb28e81527a7bbba247c240af3",
}
# `_idx_images` computes this hash of the two official test files.
_MNIST_TEST = "18489308deedfe2f7bd3a11e599a597126f161d991b1ffcffb71642aa76f7f62"
# A record has the label, then the red, green and blue planes of 32 x 32 pixels.
_CIFAR_RECORD = 1 + 3 * 32 * 32
_CIFAR_FILES = {
    "train": [f"data_batch_{k}.bin" for k in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR_IMAGES = {"train": 50_000, "test": 10_000}


def _mnist(folder: Path, split: str, images: int | None) -> Dataset:
    """MNIST; without files at most the first 500 test images.

    The first images have the hash of the official files, so a run has the same identity with both.
    """
    few = split == "test" and images is not None and images <= 500
    if few and not any(folder.glob("t10k-*")):
        data = _idx_images(_FIRST, split, "mnist", _FIRST_HASHES)
        return replace(data, sha256=_MNIST_TEST)
    return _idx_images(folder, split, "mnist", _MNIST)


def _idx_images(folder: Path, split: str, name: str, hashes: Mapping[str, str]) -> Dataset:
    """Grey images from two idx files, compressed with gzip or not.

    A file with another sha256 than in `hashes` causes a warning.

    Source: yann.lecun.com/exdb/mnist.
    """
    arrays, digest = [], hashlib.sha256()
    for rank, kind in ((3, "images"), (1, "labels")):
        file = f"{'train' if split == 'train' else 't10k'}-{kind}-idx{rank}-ubyte"
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
    got = f"{len(images)} images and {len(labels)} labels"
    require(len(images) == len(labels), str(folder), "one label per image", got)
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
    magic, header = bytes([0, 0, 8, rank]), 4 + 4 * rank
    if content[:4] != magic:
        raise InputError(f"{path}: expected idx magic {magic.hex()}, got {content[:4].hex()}")
    if len(content) < header:
        raise InputError(f"{path}: expected a header of {header} bytes, got {len(content)}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    expected = header + math.prod(shape)
    require(len(content) == expected, str(path), f"{expected} bytes for {shape}", len(content))
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _cifar10(folder: Path, split: str, images: int | None) -> Dataset:
    """CIFAR-10 from its binary version; an incomplete copy gives its images and a warning."""
    paths = [folder / file for file in _CIFAR_FILES[split]]
    if not any(path.exists() for path in paths):
        raise _missing(paths[0], "cifar10")
    digest, arrays = hashlib.sha256(), []
    for path in filter(Path.exists, paths):
        content = files.read_bytes(path, "a file of images")
        digest.update(content)
        valid = len(content) > 0 and len(content) % _CIFAR_RECORD == 0
        require(valid, str(path), f"records of {_CIFAR_RECORD} bytes", len(content))
        arrays.append(np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD))
    records = np.concatenate(arrays)
    labels = _labels(records[:, 0], folder)
    if len(records) != _CIFAR_IMAGES[split]:
        got = f"{len(records):,} of {_CIFAR_IMAGES[split]:,} {split} images"
        warnings.warn(f"{folder}: an incomplete copy, {got}", stacklevel=2)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    x = planes.transpose(0, 2, 3, 1).astype(np.float32) / np.float32(255)
    return Dataset(f"cifar10/{split}", np.ascontiguousarray(x), labels, digest.hexdigest())


@dataclass(frozen=True)
class DatasetRow:
    """A data set.

    Args:
        name: name, as "mnist".
        read: (folder, split, images) -> Dataset of the split; may stop after the first `images`,
            if more would fill the memory.
        folder: folder inside the folder of all data sets; None for a data set without files.
        splits: names of the splits.
        source: source of the files; None without a download.
    """

    name: str
    read: Callable[[Path, str, int | None], Dataset]
    folder: str | None = None
    splits: tuple[str, ...] = ("train", "test")
    source: Source | None = None

    def load(
        self, split: str = "test", data_dir: str | Path | None = None, images: int | None = None
    ) -> Dataset:
        """A split, or its first images.

        Args:
            split: a name of `splits`.
            data_dir: folder of all data sets; else `DAA_DATA`, else the cache.
            images: number of images; None for all.

        Raises:
            InputError: unknown split, missing or damaged files, too few images.
        """
        require(split in self.splits, f"{self.name}: split", " or ".join(self.splits), split)
        folder = data_folder(data_dir) / self.folder if self.folder else Path()
        return self.read(folder, split, images).first(images)


DATASETS = {
    row.name: row
    for row in (
        DatasetRow(
            "mnist",
            _mnist,
            folder="mnist",
            source=packed("https://storage.googleapis.com/cvdf-datasets/mnist", _MNIST),
        ),
        DatasetRow(
            "fashion_mnist",
            lambda folder, split, _: _idx_images(folder, split, "fashion_mnist", _FASHION),
            folder="fashion",
            # The server in the README of github.com/zalandoresearch/fashion-mnist.
            source=packed("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", _FASHION),
        ),
        DatasetRow(
            "cifar10",
            _cifar10,
            folder="cifar-10-batches-bin",
            source=archive(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "md5:c32a1d4ab5d03f1284b67883e8d87530",
                names=(*_CIFAR_FILES["train"], *_CIFAR_FILES["test"]),
            ),
        ),
    )
}
