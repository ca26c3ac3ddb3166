"""The data sets: how each is read, where its files lie and where they come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from daa.errors import require
from daa.target import Dataset
from daa.targets import places, readers
from daa.targets.sources import Source, archive, packed

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
# The first test images of MNIST come with the package, in files of the same names.
_FIRST = Path(__file__).parent / "first500"
_FIRST_IMAGES = 500
_FIRST_HASHES = {
    "t10k-images-idx3-ubyte": "de0a55d8eb2a23fce4f596c5234b08b9c8ee685583a2b0e52f3a78eca48f9d89",
    "t10k-labels-idx1-ubyte": "60e902e82445d902e245e1b039469f36936d63cb28e81527a7bbba247c240af3",
}
# Hash of the two official files together, as `readers.idx_images` makes it.
_MNIST_TEST = "18489308deedfe2f7bd3a11e599a597126f161d991b1ffcffb71642aa76f7f62"


def _mnist(folder: Path, split: str, images: int | None) -> Dataset:
    """MNIST, or the first test images where the files are not there and no more are asked for.

    These images are those of the official files, so their data set has the hash of those. A run on
    them is the same run, whichever files they were read from.
    """
    few = split == "test" and images is not None and images <= _FIRST_IMAGES
    if few and not any(readers.exists(folder, file) for file in _FIRST_HASHES):
        found = readers.idx_images(_FIRST, split, "mnist", _FIRST_HASHES)
        return replace(found, sha256=_MNIST_TEST)
    return readers.idx_images(folder, split, "mnist", _MNIST)


@dataclass(frozen=True)
class DatasetRow:
    """All that is known about one data set.

    Args:
        name: as in "mnist".
        read: (folder, split, images) -> Dataset of that split; it may stop after the first
            `images`, where more would fill the memory. The folder is that of the data set's files.
        folder: of its files, inside the folder of all data sets; None where it needs none.
        splits: that it has.
        source: of its files; None where nothing is downloaded.
    """

    name: str
    read: Callable[[Path, str, int | None], Dataset]
    folder: str | None = None
    splits: tuple[str, ...] = ("train", "test")
    source: Source | None = None

    def load(
        self,
        split: str = "test",
        data_dir: str | Path | None = None,
        images: int | None = None,
    ) -> Dataset:
        """A split, or its first images.

        Args:
            split: of `splits`.
            data_dir: folder of all data sets; else `DAA_DATA`, else the cache.
            images: how many; None for all.

        Raises:
            InputError: an unknown split, files that are missing or damaged, fewer images than
                asked for.
        """
        require(split in self.splits, f"{self.name}: split", " or ".join(self.splits), split)
        folder = places.data_dir(data_dir) / self.folder if self.folder else Path()
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
            lambda folder, split, _: readers.idx_images(folder, split, "fashion_mnist", _FASHION),
            folder="fashion",
            # Its official address, github.com/zalandoresearch/fashion-mnist, names this server.
            source=packed("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", _FASHION),
        ),
        DatasetRow(
            "cifar10",
            lambda folder, split, _: readers.cifar10_images(folder, split, "cifar10"),
            folder="cifar-10-batches-bin",
            source=archive(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "md5:c32a1d4ab5d03f1284b67883e8d87530",
                wanted=re.compile(r".*\.bin"),
                names=(*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"),
            ),
        ),
    )
}
