"""Where the files of targets and data sets come from, and what they must be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from daa import data

_MNIST_MODELS = "https://github.com/MadryLab/mnist_challenge_models/raw/master"
_DROPBOX = "https://www.dropbox.com/s"
_TENSORFLOW = "http://download.tensorflow.org/models"
_CHECKPOINT = re.compile(r"checkpoint|.*\.(index|meta|data-\d{5}-of-\d{5})")


ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True)
class Asset:
    """Where a target's or a data set's files come from, where they go, how they are verified.

    Args:
        folder: under the folder of the data sets or of the weights.
        urls: {file name: address}; an archive is unpacked, another file placed as it is.
        published: {file name or pattern: sha256}, of the unpacked content for `.gz` files.
        files: of the archive that are taken.
        names: that must all be there, where the archive's content is known.
        note: where there is no address, what to do.
    """

    folder: str
    urls: dict[str, str]
    published: dict[str, str] = field(default_factory=dict)
    files: re.Pattern = _CHECKPOINT
    names: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_data(self) -> bool:
        return "/" not in self.folder


def idx(folder: str, root: str, digests: dict[str, str]) -> Asset:
    urls = {f"{name}.gz": f"{root}/{name}.gz" for name in digests}
    return Asset(folder, urls, {f"{name}.gz": digest for name, digest in digests.items()})


def archive(folder: str, url: str, **more: object) -> Asset:
    return Asset(folder, {url.rpartition("/")[2].partition("?")[0]: url}, **more)


ASSETS = {
    "mnist": idx("mnist", "https://storage.googleapis.com/cvdf-datasets/mnist", data.MNIST),
    "fashion_mnist": idx(
        "fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        data.FASHION,
    ),
    "cifar10": archive(
        "cifar-10-batches-bin",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        published={"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        files=re.compile(r".*\.bin"),
        names=(*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"),
    ),
    "madry_mnist/natural": archive("madry_mnist/natural", f"{_MNIST_MODELS}/natural.zip"),
    "madry_mnist/adv_trained": archive(
        "madry_mnist/adv_trained", f"{_MNIST_MODELS}/adv_trained.zip"
    ),
    "madry_mnist/secret": archive(
        "madry_mnist/secret",
        f"{_MNIST_MODELS}/secret.zip",
        published={
            "secret.zip": "14eea09c72092db5c2eb5e34cd105974f42569281d2f34826316e356d057f96d"
        },
    ),
    "madry_cifar10/natural": archive(
        "madry_cifar10/natural", f"{_DROPBOX}/cgzd5odqoojvxzk/natural.zip?dl=1"
    ),
    "madry_cifar10/adv_trained": archive(
        "madry_cifar10/adv_trained", f"{_DROPBOX}/g4b6ntrp8zrudbz/adv_trained.zip?dl=1"
    ),
    "madry_cifar10/secret": archive(
        "madry_cifar10/secret",
        f"{_DROPBOX}/ywc0hg8lr5ba8zd/secret.zip?dl=1",
        published={
            "secret.zip": "555be6e892372599380c9da5d5f9802f9cbd098be8a47d24d96937a002305fd4"
        },
    ),
    "imagenet_ens/ens_adv": archive(
        "imagenet_ens/ens_adv", f"{_TENSORFLOW}/ens_adv_inception_resnet_v2_2017_08_18.tar.gz"
    ),
    "imagenet_ens/adv": archive(
        "imagenet_ens/adv", f"{_TENSORFLOW}/adv_inception_resnet_v2_2017_12_18.tar.gz"
    ),
    "locuslab/fast_pgd_mnist": Asset(
        "locuslab/",
        {
            "fast_pgd_mnist.pth": "https://github.com/locuslab/fast_adversarial/raw/master/MNIST/"
            "models/pgd_madry.pth"
        },
        {"fast_pgd_mnist.pth": "877b74b1d2bf22a2ea958f7d8c892c02710e7c84627d14b44b1c67046fcd5a79"},
    ),
    "locuslab/wk_mnist": Asset(
        "locuslab/",
        {
            "wk_mnist.pth": "https://github.com/locuslab/convex_adversarial/raw/master/models/"
            "mnist.pth"
        },
        {"wk_mnist.pth": "95014ab0c04c73f48b3be0cb7acc42aff60ce4420c6c43bec25e9a1447279e08"},
    ),
    "fmnist/authors": Asset(
        "fmnist/authors",
        {},
        note="its data file is not public; ask the authors and give it with --from",
    ),
}
