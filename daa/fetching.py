"""Downloads that resume, are verified and unpacked safely."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from daa.errors import InputError

_CHUNK = 1 << 20
_TIMEOUT = 30.0


def download(url: str, path: Path, on_bytes: Callable[[int, int | None], None]) -> None:
    """Downloads a file; goes on where an interrupted download of it stopped.

    The bytes gather in a `.partial` file beside `path`, which takes its name when all are there.

    Args:
        url: http or https.
        path: of the file.
        on_bytes: called with the bytes just added and the size of the whole file, None where the
            server doesn't say.

    Raises:
        InputError: no connection, no such file, or fewer bytes than announced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    begin = partial.stat().st_size if partial.exists() else 0
    try:
        with _open(url, begin) as answer:
            if answer.status != 206:
                begin = 0
            length = answer.headers.get("Content-Length")
            whole = begin + int(length) if length else None
            on_bytes(begin, whole)
            with partial.open("ab" if begin else "wb") as file:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    on_bytes(len(chunk), whole)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"{url}: expected a download, got {reason}") from error
    size = partial.stat().st_size
    if whole is not None and size != whole:
        raise InputError(f"{url}: expected {whole} bytes, got {size}; run it again to go on")
    partial.replace(path)


def _open(url: str, begin: int) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not begin:
            raise
    # The part that is here is no beginning of the file any more.
    return urllib.request.urlopen(url, timeout=_TIMEOUT)


def file_sha256(path: Path, algorithm: str = "sha256") -> str:
    """Of a file, read in pieces."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Unpacks the wanted files of a zip or tar archive straight into a folder.

    The folders inside the archive are dropped, as MadryLab's archives nest theirs in different
    ways. Nothing is written before the whole list is found safe, and each file appears whole.

    Args:
        archive: .zip, .tar or .tar.gz, told by its content.
        folder: gets the files.
        wanted: whether a file of this name is taken.

    Returns:
        The files written.

    Raises:
        InputError: not an archive or a damaged one; a member outside the archive's own folder, a
            link or a device; two wanted files of one name; none at all.
    """
    try:
        with (
            zipfile.ZipFile(archive)
            if zipfile.is_zipfile(archive)
            else tarfile.open(archive) as opened
        ):
            zipped = isinstance(opened, zipfile.ZipFile)
            members = list(_zip_members(opened) if zipped else _tar_members(opened))
            chosen = _choose(archive, members, wanted)
            folder.mkdir(parents=True, exist_ok=True)
            return [_write(folder / name, read) for name, read in chosen.items()]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise InputError(f"{archive}: expected a whole zip or tar file, got {error}") from error


Member = tuple[str, bool, Callable[[], IO[bytes]]]  # path, whether a plain file, opener


def _zip_members(opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        if not info.is_dir():
            kind = info.external_attr >> 28  # the type of a Unix file; 0 where there is none
            yield info.filename, kind in (0, 8), lambda info=info: opened.open(info)


def _tar_members(opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened.getmembers():
        if not info.isdir():
            yield info.name, info.isfile(), lambda info=info: opened.extractfile(info)


def _choose(
    archive: Path, members: list[Member], wanted: Callable[[str], bool]
) -> dict[str, Callable[[], IO[bytes]]]:
    chosen: dict[str, Callable[[], IO[bytes]]] = {}
    for name, plain, read in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise InputError(f"{archive}: expected files inside the archive's folder, got {name!r}")
        if not plain:
            raise InputError(f"{archive}: expected plain files, got the link or device {name!r}")
        if wanted(path.name):
            if path.name in chosen:
                raise InputError(f"{archive}: expected one file {path.name}, got two")
            chosen[path.name] = read
    if not chosen:
        raise InputError(f"{archive}: expected the files of a checkpoint or data set, got none")
    return chosen


def _write(path: Path, read: Callable[[], IO[bytes]]) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    with read() as source, partial.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    partial.replace(path)
    return path
