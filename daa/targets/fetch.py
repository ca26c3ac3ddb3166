"""Downloads of weights and data sets: sources, folders, verification, archives."""

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daa import targets
from daa.errors import InputError, require
from daa.targets import files

PINS = "pins.json"
_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
_CHECKPOINT = re.compile(r"checkpoint|.*\.(index|meta|data-\d{5}-of-\d{5})")


@dataclass(frozen=True)
class Source:
    """Addresses and published hashes of the files of a target or a data set.

    Args:
        addresses: {file name: address}. Archives are unpacked, other files stay as they are.
        hashes: {file name: published hash}, sha256 or "md5:..."; of a `.gz` file, the hash of the
            unpacked content.
        names: files to take from an archive; none for the files of a TF1 checkpoint.
        note: hint for files without an address.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    note: str = ""

    def has(self, file: str) -> bool:
        """Whether a file of this name is in the source or in the archive of the source."""
        if file in self.addresses or file in self.names:
            return True
        return not self.names and _CHECKPOINT.fullmatch(file) is not None

    def verified(self, file: str, path: Path) -> bool:
        """Whether `path` has the published hash of `file`, if there is a published hash."""
        algorithm, _, expected = self.hashes.get(file, "").rpartition(":")
        if not expected:
            return True
        if not file.endswith(".gz") or file.endswith(_ARCHIVES):
            return files.sha256(path, algorithm=algorithm or "sha256") == expected
        try:
            return hashlib.sha256(files.gunzip(path)).hexdigest() == expected
        except InputError:
            return False


def archive(address: str, published: str | None = None, names: tuple[str, ...] = ()) -> Source:
    """A source with a single archive and its published hash."""
    file = address.rpartition("/")[2].partition("?")[0]
    return Source({file: address}, {file: published} if published else {}, names)


def packed(root: str, hashes: Mapping[str, str]) -> Source:
    """A source of gzip files; `hashes` is {name without .gz: sha256 of the content}."""
    return Source(
        {f"{name}.gz": f"{root}/{name}.gz" for name in hashes},
        {f"{name}.gz": published for name, published in hashes.items()},
    )


def data_folder(folder: str | Path | None = None) -> Path:
    """Folder of the data sets: the argument, else `DAA_DATA`, else a folder in the user's cache."""
    return _folder(folder or os.environ.get("DAA_DATA"), "data")


def model_folder(folder: str | Path | None = None) -> Path:
    """Folder of the weights: the argument, else `DAA_MODELS`, else a folder in the user's cache."""
    return _folder(folder or os.environ.get("DAA_MODELS"), "models")


def _folder(folder: str | Path | None, name: str) -> Path:
    if folder:
        require(Path(folder).is_dir(), f"{name} folder", "a folder", str(folder))
        return Path(folder)
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:  # as in a container without a user
        raise InputError(
            "cache: no home folder; set DAA_DATA and DAA_MODELS, or XDG_CACHE_HOME, to a folder"
        ) from error
    return Path(root) / "daa" / name


class NoDownload(InputError):
    """A failed download."""


@dataclass(frozen=True)
class Parcel:
    """The files of a target, with the path of its weights if they exist, or of a data set."""

    name: str
    source: Source
    folder: Path
    weights: Path | None = None


def names() -> list[str]:
    """Names of all data sets and targets with a source."""
    data_sets = [name for name, row in targets.DATASETS.items() if row.source]
    return data_sets + [name for name in targets.every_target() if targets.row(name).source]


def parcel(
    name: str, data_dir: str | Path | None = None, model_dir: str | Path | None = None
) -> Parcel:
    """The files of a target or a data set, whose name is in `names()`."""
    require(name in names(), "fetch", f"one of {', '.join(names())}", name)
    if name in targets.DATASETS:
        data = targets.DATASETS[name]
        assert data.source and data.folder
        return Parcel(name, data.source, data_folder(data_dir) / data.folder)
    family, target = targets.family(name), name.partition("/")[2]
    source = family.row(target).source
    assert source
    folder = model_folder(model_dir) / family.name
    if not any(file.endswith((".pth", ".npz")) for file in source.addresses):
        folder /= target  # each checkpoint has a folder
    try:
        weights = family.find_weights(target, model_dir)
    except InputError:
        weights = None
    return Parcel(name, source, folder, weights)


def fetch(asked: Parcel, local: Path | None = None, progress: bool = False) -> None:
    """Downloads, verifies and stores files, or takes a `local` file, archive or folder."""
    import pooch  # only here, as the list of targets needs no network

    pooch.get_logger().setLevel("WARNING")
    source, folder = asked.source, asked.folder
    if local is not None:
        require(local.exists(), asked.name, "a file or a folder", str(local))
        _store(asked, _roles(source, local))
        return
    if not source.addresses and asked.weights is None:
        raise NoDownload(f"{asked.name}: expected an address, got none: {source.note}")
    for file, address in source.addresses.items():
        path, is_archive = folder / file, file.endswith(_ARCHIVES)
        with tempfile.TemporaryDirectory() as temporary:
            if not (path.exists() and source.verified(file, path)):
                try:
                    name = pooch.retrieve(address, None, file, temporary, progressbar=progress)
                except (OSError, ValueError) as error:
                    content = f"the content of {file}" if is_archive else file
                    # The message of this error is a chain of objects.
                    offline = type(error).__name__ == "ConnectionError"
                    got = "no connection" if offline else files.reason(error)
                    raise NoDownload(
                        f"{address}: expected a download, got {got}; "
                        f"put {content} into {folder} yourself"
                    ) from error
                path = Path(name)
            _store(asked, {file: path})
        if is_archive:
            (folder / file).unlink(missing_ok=True)


def _roles(source: Source, local: Path) -> dict[str, Path]:
    """{file name in the source: path} of a local file or folder."""
    if local.is_dir():
        parts = {path.name: path for path in sorted(local.iterdir()) if source.has(path.name)}
        require(bool(parts), str(local), "the files of a checkpoint or data set", "none")
        return parts
    if local.name in source.addresses or (source.has(local.name) and not _is_archive(local)):
        return {local.name: local}
    if source.addresses:  # a single file may have any name
        expected = ", ".join(source.addresses)
        require(len(source.addresses) == 1, str(local), f"one of {expected}", local.name)
        return {expected: local}
    require(_is_archive(local), str(local), "the files of a checkpoint or an archive", local.name)
    return {local.name: local}


def _store(asked: Parcel, parts: Mapping[str, Path]) -> None:
    """Verifies {file name in the source: path}, then stores all files or none."""
    folder, source = asked.folder, asked.source
    pins = load_pins(folder)
    for file, path in parts.items():
        digest = files.sha256(path)
        published = f"{source.hashes.get(file)} as published"
        require(source.verified(file, path), str(path), published, "another hash")
        if pins.get(file, digest) != digest:
            raise InputError(
                f"{path}: expected sha256 {pins[file]} as at the first time, got {digest}; "
                f"if the new file is right, remove it from {folder / PINS}"
            )
        pins[file] = digest
    with files.together(folder) as temporary:
        for file, path in parts.items():
            if file.endswith(_ARCHIVES) if file in source.addresses else _is_archive(path):
                unpacked = unpack(path, temporary, source.has)
                pins |= {name: files.sha256(temporary / name) for name in unpacked}
            elif path.resolve() != (folder / file).resolve():
                shutil.copyfile(path, temporary / file)
        (temporary / PINS).write_text(json.dumps(pins, indent=2) + "\n", encoding="utf-8")


def _is_archive(path: Path) -> bool:
    with files.reading(path, "a file"):
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(path: Path, folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Unpacks the files with `wanted` names from a zip or tar archive, without subfolders."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        inside = Path(name).resolve()
        with files.reading(path, "a complete zip or tar file"):
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as opened:
                    for member in opened.namelist():
                        if not (inside / member).resolve().is_relative_to(inside):
                            raise ValueError(f"{member!r}, which lies outside its folder")
                    opened.extractall(inside)
            else:
                with tarfile.open(path) as tar:
                    tar.extractall(inside, filter="data")
        chosen = [file for file in sorted(inside.rglob("*")) if wanted(file.name)]
        chosen = [file for file in chosen if file.is_file() and not file.is_symlink()]
        names = [file.name for file in chosen]
        require(bool(names), str(path), "the files of a checkpoint or data set", "none")
        require(len({*names}) == len(names), str(path), "files of different names", names)
        for file in chosen:
            file.replace(folder / file.name)
    return names


def load_pins(folder: Path) -> dict[str, str]:
    """{file: sha256} of the files in a folder when they were stored for the first time."""
    path = folder / PINS
    pins = files.read_json(path, "a JSON mapping") if path.exists() else {}
    require(isinstance(pins, dict), str(path), "a JSON mapping", type(pins).__name__)
    return pins


def state(asked: Parcel) -> str:
    """Returns "there", "missing", "incomplete" or "corrupted", by published and first hashes."""
    folder, source, pins = asked.folder, asked.source, load_pins(asked.folder)
    listed = {file for file in source.addresses if not file.endswith(_ARCHIVES)}
    listed |= {*source.names} or {file for file in pins if _CHECKPOINT.fullmatch(file)}
    listed = listed or {p.name for p in folder.glob("*") if _CHECKPOINT.fullmatch(p.name)}
    present = [folder / file for file in listed if (folder / file).exists()]
    if not present:
        return "there" if asked.weights else "missing"
    for path in present:
        changed = path.name in pins and files.sha256(path) != pins[path.name]
        if changed or not source.verified(path.name, path):
            return "corrupted"
    return "there" if len(present) == len(listed) else "incomplete"
