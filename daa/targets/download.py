"""Files of targets and data sets: downloaded, verified and put in their place."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daa import targets
from daa.errors import InputError, require
from daa.targets import files, places
from daa.targets.sources import ARCHIVES, Source
from daa.targets.transfer import NoDownload, OnBytes, download, is_archive, unpack

PINS = "pins.json"


@dataclass(frozen=True)
class Parcel:
    """The files of one target or data set.

    Args:
        name: "mnist", or a reference as `madry_mnist/secret`.
        source: where they come from.
        folder: in which they lie, or will lie.
        found: the target's weights, or None.
    """

    name: str
    source: Source
    folder: Path
    found: Path | None = None


def names() -> list[str]:
    """Of all targets and data sets that `fetch` knows."""
    data_sets = [name for name, row in targets.DATASETS.items() if row.source]
    return data_sets + [name for name in targets.every_target() if targets.row(name).source]


def parcel(
    name: str, data_dir: str | Path | None = None, model_dir: str | Path | None = None
) -> Parcel:
    """The files of a target or a data set.

    Args:
        name: of `names()`.
        data_dir, model_dir: folders of all data sets and of all weights; else `DAA_DATA` and
            `DAA_MODELS`, else the cache.

    Raises:
        InputError: an unknown name, or a folder that doesn't exist.
    """
    require(name in names(), "fetch", f"one of {', '.join(names())}", name)
    if name in targets.DATASETS:
        data = targets.DATASETS[name]
        assert data.source is not None and data.folder is not None
        return Parcel(name, data.source, places.data_dir(data_dir) / data.folder)
    family, source = targets.family(name), targets.row(name).source
    assert source is not None
    folder = places.model_dir(model_dir) / family.name
    # A checkpoint has a folder of its own; other weights are one file.
    if not any(file.endswith((".pth", ".npz")) for file in source.addresses):
        folder /= name.rpartition("/")[2]
    try:
        found = family.find_weights(name.rpartition("/")[2], model_dir)
    except InputError:
        found = None
    return Parcel(name, source, folder, found)


def fetch(wanted: Parcel, given: Path | None = None, on_bytes: OnBytes | None = None) -> None:
    """Downloads the files of a target or a data set, verifies them and puts them in their place.

    Args:
        wanted: of `parcel`.
        given: a file that is at hand, or a folder with the files of a checkpoint, instead of the
            download.
        on_bytes: called as bytes arrive.

    Raises:
        NoDownload: no address, no connection, or no such file.
        InputError: files that are damaged or not those that were published.
    """
    source = wanted.source
    if given is not None:
        require(given.exists(), wanted.name, "a file or a folder", str(given))
        parts = {_role(source, given): given}
        if given.is_dir():
            parts = {path.name: path for path in given.iterdir() if _belongs(source, path.name)}
            require(bool(parts), str(given), "the files of a checkpoint or data set", "none")
        place(wanted, parts)
        return
    if not source.addresses and wanted.found:
        return
    if not source.addresses:
        raise NoDownload(f"{wanted.name}: expected an address, got none: {source.note}")
    for file, address in source.addresses.items():
        path = wanted.folder / file
        here = path.exists() and verified(source, file, path)
        try:
            if not here:
                download(address, path, on_bytes)
            place(wanted, {file: path})
        except NoDownload as error:
            what = f"the content of {file}" if file.endswith(ARCHIVES) else file
            raise NoDownload(f"{error}; put {what} into {wanted.folder} yourself") from error
        except InputError:
            if not here:  # else it is not known whose file it is
                path.unlink(missing_ok=True)
            raise
        if file.endswith(ARCHIVES):
            path.unlink()


def _belongs(source: Source, file: str) -> bool:
    """Whether a file of this name is one of a source's, or of what its archive holds."""
    if file in source.addresses:
        return True
    return file in source.names if source.names else source.wanted.fullmatch(file) is not None


def _role(source: Source, path: Path) -> str:
    """Which file of a source was given; the only file of a source may have another name.

    So the whole archive under the name of one of its files is still verified as the archive.
    """
    whole = path.name in source.addresses
    if whole or path.is_dir() or (_belongs(source, path.name) and not is_archive(path)):
        return path.name
    if not source.addresses:
        require(
            is_archive(path), str(path), "the files of a checkpoint or their archive", path.name
        )
        return path.name
    expected = ", ".join(source.addresses)
    require(len(source.addresses) == 1, str(path), f"one of {expected}", path.name)
    return expected


def place(wanted: Parcel, parts: Mapping[str, Path]) -> None:
    """Verifies files that were downloaded or given, and puts them or what they hold in their place.

    All of them are verified and unpacked before the first one is put in its place, so that a
    damaged one leaves the older files as they are.

    Args:
        wanted: what the files belong to.
        parts: {name in the source: path}. The files stay where they are.

    Raises:
        InputError: another hash than published or than at the first time; a damaged archive.
    """
    folder, source = wanted.folder, wanted.source
    pins = load_pins(folder)
    for file, path in parts.items():
        files.plain(path, "a file")
        digest = files.sha256(path)
        if not verified(source, file, path):
            raise InputError(
                f"{path}: expected {source.hashes[file]} as published, got another hash"
            )
        if pins.get(file, digest) != digest:
            raise InputError(
                f"{path}: expected sha256 {pins[file]} as at the first time, got {digest}; "
                f"if the new file is right, remove it from {folder / PINS}"
            )
        pins[file] = digest
    with files.together(folder) as temporary:
        for file, path in parts.items():
            archive = file.endswith(ARCHIVES) if file in source.addresses else is_archive(path)
            if archive:
                written = unpack(path, temporary, lambda part: _belongs(source, part))
                pins |= {part: files.sha256(temporary / part) for part in written}
            elif path.resolve() != (folder / file).resolve():
                shutil.copyfile(path, temporary / file)
        (temporary / PINS).write_text(json.dumps(pins, indent=2) + "\n", encoding="utf-8")


def load_pins(folder: Path) -> dict[str, str]:
    """The hashes of the files that were put in a folder before: {file: sha256}."""
    path = folder / PINS
    if not path.exists():
        return {}
    pins = files.read_json(path, "a JSON mapping")
    require(isinstance(pins, dict), str(path), "a JSON mapping", type(pins).__name__)
    for file, digest in pins.items():
        fits = Path(file).name == file and isinstance(digest, str)
        require(fits, str(path), "file names without folders and their hashes", {file: digest})
    return pins


def verified(source: Source, file: str, path: Path) -> bool:
    """Whether a file has its published hash; true where none is published."""
    expected = source.hashes.get(file)
    if expected is None:
        return True
    if expected.startswith("md5:"):
        return f"md5:{files.sha256(path, algorithm='md5')}" == expected
    if not file.endswith(".gz") or file.endswith(ARCHIVES):
        return files.sha256(path) == expected
    try:
        return hashlib.sha256(files.gunzip(path)).hexdigest() == expected
    except InputError:
        return False


def states(
    data_dir: str | Path | None = None, model_dir: str | Path | None = None
) -> Iterator[tuple[Parcel, str]]:
    """Every target and data set with its state: there, missing, incomplete or corrupted."""
    for name in names():
        found = parcel(name, data_dir, model_dir)
        yield found, state(found)


def state(asked: Parcel) -> str:
    """Whether files are there, by the published hashes and by those of the first time."""
    folder, source, pins = asked.folder, asked.source, load_pins(asked.folder)
    listed = {file for file in source.addresses if not file.endswith(ARCHIVES)}
    listed = listed or {p.name for p in folder.glob("*") if source.wanted.fullmatch(p.name)}
    listed |= {file for file in pins if source.wanted.fullmatch(file)} | set(source.names)
    present = [folder / file for file in listed if (folder / file).exists()]
    if not present:
        return "there" if asked.found else "missing"
    for path in present:
        if not verified(source, path.name, path):
            return "corrupted"
        if path.name in pins and files.sha256(path) != pins[path.name]:
            return "corrupted"
    return "there" if len(present) == len(listed) else "incomplete"
