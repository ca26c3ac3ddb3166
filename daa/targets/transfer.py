"""Downloads that resume, and archives that are unpacked safely."""

from __future__ import annotations

import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from daa.errors import InputError
from daa.targets.files import CHUNK

_TIMEOUT = 30.0

# Called with a file's name, the bytes just added, and the size of the whole file or None.
OnBytes = Callable[[str, int, "int | None"], None]
# Path inside the archive, whether it is a plain file, and what opens it.
_Member = tuple[str, bool, Callable[[], IO[bytes] | None]]


class NoDownload(InputError):
    """A file could not be downloaded; whoever has it may put it in its place by hand."""


def download(address: str, path: Path, on_bytes: OnBytes | None = None) -> None:
    """Downloads a file; goes on where an interrupted download of it stopped.

    The bytes gather in a `.partial` file beside `path`, which takes its name when all are there.

    Args:
        address: http or https.
        path: of the file.
        on_bytes: called as bytes arrive.

    Raises:
        NoDownload: no connection, no such file, or fewer bytes than announced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.partial")
    begin = part.stat().st_size if part.exists() else 0
    report = on_bytes or (lambda *_: None)
    try:
        with _open(address, begin) as answer:
            if answer.status != 206:
                begin = 0
            length = answer.headers.get("Content-Length")
            whole = begin + int(length) if length else None
            report(path.name, begin, whole)
            with part.open("ab" if begin else "wb") as file:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    report(path.name, len(chunk), whole)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NoDownload(f"{address}: expected a download, got {reason}") from error
    size = part.stat().st_size
    if whole is not None and size != whole:
        raise NoDownload(f"{address}: expected {whole} bytes, got {size}; run it again to go on")
    part.replace(path)


def _open(address: str, begin: int) -> http.client.HTTPResponse:
    headers = {"Range": f"bytes={begin}-"} if begin else {}
    request = urllib.request.Request(address, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not begin:
            raise
    # The file is shorter than the part that is here, so the part is of another file.
    return urllib.request.urlopen(address, timeout=_TIMEOUT)


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Unpacks the wanted files of a zip or tar archive straight into a folder.

    The folders inside the archive are dropped, as MadryLab's archives nest theirs in different
    ways. All members are checked before anything is written, and each file appears whole.

    Args:
        archive: .zip, .tar or .tar.gz, told by its content.
        folder: gets the files.
        wanted: whether a file of this name is taken.

    Returns:
        The files written.

    Raises:
        InputError: not an archive or a damaged one; a member outside the archive's own folder, a
            link or a device; two wanted files of one name; no wanted file.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                return _extract(archive, _zip_members(opened), folder, wanted)
        with tarfile.open(archive) as tar:
            return _extract(archive, _tar_members(tar), folder, wanted)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise InputError(f"{archive}: expected a whole zip or tar file, got {error}") from error


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        if not info.is_dir():
            kind = info.external_attr >> 28  # the type of a Unix file; 0 where there is none
            yield info.filename, kind in (0, 8), partial(opened.open, info)


def _tar_members(opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened.getmembers():
        if not info.isdir():
            yield info.name, info.isfile(), partial(opened.extractfile, info)


def _extract(
    archive: Path, members: Iterator[_Member], folder: Path, wanted: Callable[[str], bool]
) -> list[Path]:
    chosen: dict[str, Callable[[], IO[bytes] | None]] = {}
    for name, plain, read in list(members):
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
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / name, read) for name, read in chosen.items()]


def _write(path: Path, read: Callable[[], IO[bytes] | None]) -> Path:
    part = path.with_name(f"{path.name}.partial")
    source = read()
    assert source is not None  # a plain file always opens
    with source, part.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    part.replace(path)
    return path
