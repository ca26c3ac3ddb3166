"""Downloads targets and data sets: python scripts/fetch.py NAME ..."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import cli
from tqdm import tqdm

from daa import InputError, assets, data, results
from daa.fetching import download, file_sha256, unpack

_MNIST_MODELS = "https://github.com/MadryLab/mnist_challenge_models/raw/master"
_DROPBOX = "https://www.dropbox.com/s"
_TENSORFLOW = "http://download.tensorflow.org/models"
_CHECKPOINT = re.compile(r"checkpoint|.*\.(index|meta|data-\d{5}-of-\d{5})")


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


def _idx(folder: str, root: str, digests: dict[str, str]) -> Asset:
    urls = {f"{name}.gz": f"{root}/{name}.gz" for name in digests}
    return Asset(folder, urls, {f"{name}.gz": digest for name, digest in digests.items()})


def _archive(folder: str, url: str, **more: object) -> Asset:
    return Asset(folder, {url.rpartition("/")[2].partition("?")[0]: url}, **more)


ASSETS = {
    "mnist": _idx("mnist", "https://storage.googleapis.com/cvdf-datasets/mnist", data.MNIST),
    "fashion_mnist": _idx(
        "fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        data.FASHION,
    ),
    "cifar10": _archive(
        "cifar-10-batches-bin",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        published={"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        files=re.compile(r".*\.bin"),
        names=(*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"),
    ),
    "madry_mnist/natural": _archive("madry_mnist/natural", f"{_MNIST_MODELS}/natural.zip"),
    "madry_mnist/adv_trained": _archive(
        "madry_mnist/adv_trained", f"{_MNIST_MODELS}/adv_trained.zip"
    ),
    "madry_mnist/secret": _archive(
        "madry_mnist/secret",
        f"{_MNIST_MODELS}/secret.zip",
        published={
            "secret.zip": "14eea09c72092db5c2eb5e34cd105974f42569281d2f34826316e356d057f96d"
        },
    ),
    "madry_cifar10/natural": _archive(
        "madry_cifar10/natural", f"{_DROPBOX}/cgzd5odqoojvxzk/natural.zip?dl=1"
    ),
    "madry_cifar10/adv_trained": _archive(
        "madry_cifar10/adv_trained", f"{_DROPBOX}/g4b6ntrp8zrudbz/adv_trained.zip?dl=1"
    ),
    "madry_cifar10/secret": _archive(
        "madry_cifar10/secret",
        f"{_DROPBOX}/ywc0hg8lr5ba8zd/secret.zip?dl=1",
        published={
            "secret.zip": "555be6e892372599380c9da5d5f9802f9cbd098be8a47d24d96937a002305fd4"
        },
    ),
    "imagenet_ens/ens_adv": _archive(
        "imagenet_ens/ens_adv", f"{_TENSORFLOW}/ens_adv_inception_resnet_v2_2017_08_18.tar.gz"
    ),
    "imagenet_ens/adv": _archive(
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


def main(arguments: list[str] | None = None) -> int | None:
    args = parse(arguments)
    if args.list:
        return show(args)
    if not args.names:
        raise InputError("fetch: expected names, or --list; got none")
    for name in args.names:
        if name not in ASSETS:
            raise InputError(f"fetch: expected one of {', '.join(ASSETS)}, got {name!r}")
    if args.source and len(args.names) != 1:
        raise InputError(f"--from: expected one name with it, got {len(args.names)}")
    for name in args.names:
        fetch(name, destination(ASSETS[name], args), args.source)
    return None


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Downloads weights and data sets, verified.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="as --list shows them")
    parser.add_argument("--list", action="store_true", help="what is there, missing, corrupted")
    parser.add_argument("--from", dest="source", type=Path, help="a file that is already here")
    parser.add_argument("--data-dir", help="folder of the data sets (else DAA_DATA)")
    parser.add_argument("--model-dir", help="folder of the weights (else DAA_MODELS)")
    return parser.parse_args(arguments)


def destination(asset: Asset, args: argparse.Namespace) -> Path:
    """The folder that an asset's files lie in."""
    if asset.is_data:
        return assets.data_dir(args.data_dir) / asset.folder
    return assets.model_dir(args.model_dir) / asset.folder


def fetch(name: str, folder: Path, source: Path | None) -> None:
    """Downloads one asset, or takes it from a file, verifies and places it."""
    asset = ASSETS[name]
    if source is not None:
        if not source.is_file():
            raise InputError(f"--from: expected a file, got {source}")
        place(name, folder, source)
    elif not asset.urls:
        raise InputError(f"{name}: expected an address, got none: {asset.note}")
    for file, url in asset.urls.items() if source is None else ():
        path = folder / file
        if not (path.exists() and verified(asset, file, path)):
            with tqdm(unit="B", unit_scale=True, desc=file) as bar:

                def count(added: int, whole: int | None, bar: tqdm = bar) -> None:
                    bar.total = whole
                    bar.update(added)

                try:
                    download(url, path, count)
                except InputError as error:
                    raise InputError(
                        f"{error}; place the file yourself: python scripts/fetch.py {name} "
                        f"--from {file}, or its content in {folder}"
                    ) from error
        place(name, folder, path)
    print(f"{name}: in {folder}")


def place(name: str, folder: Path, path: Path) -> None:
    """Verifies a file that was downloaded or given, and unpacks or copies it into the folder."""
    asset = ASSETS[name]
    inside = path.parent == folder
    file = path.name
    if not verified(asset, file, path):
        if inside:
            path.unlink()
        raise InputError(f"{path}: expected {asset.published[file]} as published, got another hash")
    pins = load_pins(folder)
    digest = file_sha256(path)
    if pins.get(file, digest) != digest:
        if inside:
            path.unlink()
        raise InputError(
            f"{path}: expected sha256 {pins[file]} as at the first time, got {digest}; "
            f"if the new file is right, remove it from {folder / 'pins.json'}"
        )
    if file.endswith((".zip", ".tar.gz", ".tgz", ".tar")):
        written = unpack(path, folder, lambda part: asset.files.fullmatch(part) is not None)
        if inside:
            path.unlink()
    else:
        written = [folder / file]
        if not inside:
            results.write_atomically(folder / file, path.read_bytes())
    pins |= {file: digest, **{part.name: file_sha256(part) for part in written}}
    results.write_atomically(folder / "pins.json", (json.dumps(pins, indent=2) + "\n").encode())


def load_pins(folder: Path) -> dict[str, str]:
    """The hashes of what was placed in a folder before."""
    path = folder / "pins.json"
    if not path.exists():
        return {}
    try:
        pins = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected a JSON mapping, got {error}") from error
    if not isinstance(pins, dict):
        raise InputError(f"{path}: expected a JSON mapping, got {type(pins).__name__}")
    return pins


def verified(asset: Asset, file: str, path: Path) -> bool:
    """Whether a file has its published hash; true where none is published."""
    expected = asset.published.get(file)
    if expected is None:
        return True
    if expected.startswith("md5:"):
        return f"md5:{file_sha256(path, 'md5')}" == expected
    if not file.endswith(".gz"):
        return file_sha256(path) == expected
    try:
        return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == expected
    except (OSError, EOFError, zlib.error):
        return False


def show(args: argparse.Namespace) -> None:
    """Prints which assets are there, missing or corrupted."""
    width = max(map(len, ASSETS))
    for name, asset in ASSETS.items():
        folder = destination(asset, args)
        print(f"{name:{width}}  {state(name, asset, folder):10}  {folder}")


def state(name: str, asset: Asset, folder: Path) -> str:
    """there, missing, incomplete or corrupted; by published hashes and those of the first time."""
    pins = load_pins(folder)
    own = name.rpartition("/")[2]
    files = {file for file in asset.urls if not asset.files.fullmatch(file)}
    files = {file for file in files if not file.endswith((".zip", ".tar.gz"))}
    placed = files or {path.name for path in folder.glob("*") if asset.files.fullmatch(path.name)}
    placed |= {file for file in pins if asset.files.fullmatch(file)} | set(asset.names)
    present = [folder / file for file in placed if (folder / file).exists()]
    converted = folder / f"{own}.npz"
    if not present:
        return "there" if converted.exists() else "missing"
    for path in present:
        if not verified(asset, path.name, path):
            return "corrupted"
        if path.name in pins and file_sha256(path) != pins[path.name]:
            return "corrupted"
    return "there" if len(present) == len(placed) else "incomplete"


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
