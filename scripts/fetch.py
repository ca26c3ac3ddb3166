"""Downloads targets and data sets: python scripts/fetch.py NAME ..."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import zlib
from pathlib import Path

import cli
from sources import ARCHIVES, ASSETS, Asset
from tqdm import tqdm

from daa import InputError, assets, results
from daa.fetching import download, file_sha256, unpack


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
    if source is None and not asset.urls:
        raise InputError(f"{name}: expected an address, got none: {asset.note}")
    if source is not None and not source.is_file():
        raise InputError(f"--from: expected a file, got {source}")
    if source is not None:
        place(name, folder, source)
    else:
        for file, url in asset.urls.items():
            path = folder / file
            if not (path.exists() and verified(asset, file, path)):
                get(name, url, path)
            place(name, folder, path)
    print(f"{name}: in {folder}")


def get(name: str, url: str, path: Path) -> None:
    """Downloads one file with a progress bar; where that fails, says what to place where."""
    with tqdm(unit="B", unit_scale=True, desc=path.name) as bar:

        def count(added: int, whole: int | None) -> None:
            bar.total = whole
            bar.update(added)

        try:
            download(url, path, count)
        except InputError as error:
            raise InputError(
                f"{error}; place the file yourself: python scripts/fetch.py {name} "
                f"--from {path.name}, or its content in {path.parent}"
            ) from error


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
    if file.endswith(ARCHIVES):
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
    files = {file for file in asset.urls if not file.endswith(ARCHIVES)}
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
