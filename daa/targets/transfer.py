"""Downloads that resume, and archives that are unpacked safely."""

from __future__ import annotations

import gzip
import http.client
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from daa.errors import InputError, shown
from daa.targets.files import (
    CHUNK,
    DAMAGED,
    ENCRYPTED,
    PACKED,
    plain,
    reason,
    unpacked_limit,
)

_TIMEOUT = 30.0

# Called with a file's name, the bytes just added, and the size of the whole file or None.
OnBytes = Callable[[str, int, "int | None"], None]
_GZIP = b"\x1f\x8b"
_EXPECTED = "a whole zip or tar file"
# What tarfile raises besides what zipfile does.
_DAMAGED = (*DAMAGED, OverflowError, tarfile.TarError)


class _Member(NamedTuple):
    """A member of an archive.

    Args:
        name: path inside the archive.
        size: that it has unpacked, in bytes, as the archive says.
        plain: whether it is a file, and no link or device.
        read: opens it.
    """

    name: str
    size: int
    plain: bool
    read: Callable[[], IO[bytes] | None]


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


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, told by its content."""
    try:
        with _members(path):
            return True
    except InputError:
        return False


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Unpacks the wanted files of a zip or tar archive straight into a folder.

    The folders inside the archive are dropped, as MadryLab's archives nest theirs in different
    ways. All members are checked before anything is written. A damaged member is noticed when it
    is written, so give a temporary folder (`files.together`).

    Args:
        archive: .zip, .tar or .tar.gz, told by its content.
        folder: gets the files.
        wanted: whether a file of this name is taken.

    Returns:
        The names of the files written.

    Raises:
        InputError: not an archive, a damaged or an encrypted one, or one that unpacks to far more
            than its own size; a member without a name or outside the archive's own folder, a link
            or a device; two wanted files of one name; no wanted file.
    """
    with _members(archive) as members:
        chosen = _chosen(archive, members, wanted)
        for name, member in chosen.items():
            with (folder / name).open("wb") as file:
                for chunk in _chunks(archive, member):
                    file.write(chunk)
    return list(chosen)


@contextmanager
def _members(archive: Path) -> Iterator[Iterable[_Member]]:
    """The members of an archive, which are to be read while it is open."""
    most = unpacked_limit(plain(archive, _EXPECTED))
    with archive.open("rb") as file:
        with _noticed(archive):
            if zipfile.is_zipfile(file):
                members = _of_zip(archive, zipfile.ZipFile(file))
            else:
                file.seek(0)
                packed: Any = gzip.GzipFile(fileobj=file) if file.read(2) == _GZIP else file
                file.seek(0)
                limited: Any = _Limited(packed, most)
                members = _of_tar(archive, tarfile.TarFile(fileobj=limited))
        yield members


@contextmanager
def _noticed(archive: Path) -> Iterator[None]:
    """Says in one line that an archive is damaged."""
    try:
        yield
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(f"{archive}: expected {_EXPECTED}, got {reason(error)}") from error


class _Limited:
    """A packed file that refuses to be unpacked beyond a limit, as a header of a tar file may ask.

    Args:
        file: that is read.
        most: bytes from its begin.
    """

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._most = file, most

    def read(self, size: int) -> bytes:
        self._check(self._file.tell() + size)
        content: bytes = self._file.read(size)
        return content

    def seek(self, position: int) -> None:
        self._check(position)
        self._file.seek(position)

    def tell(self) -> int:
        position: int = self._file.tell()
        return position

    def _check(self, position: int) -> None:
        if position > self._most:
            raise ValueError(f"more than {self._most:,} bytes unpacked")


def _of_zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        if info.flag_bits & ENCRYPTED or info.compress_type not in PACKED:
            raise InputError(
                f"{archive}: expected files packed as usual, got {shown(info.filename)}, which is "
                "encrypted or packed otherwise"
            )
        if not info.filename.endswith("/"):
            kind = info.external_attr >> 28  # the type of a Unix file; 0 where there is none
            read = partial(opened.open, info)
            yield _Member(info.filename, info.file_size, kind in (0, 8), read)


def _of_tar(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    with _noticed(archive):
        for info in opened:
            if not info.isdir():
                # The parts of a sparse file may lie anywhere.
                file = info.isfile() and not info.issparse()
                yield _Member(info.name, info.size, file, partial(opened.extractfile, info))


def _chosen(
    archive: Path, members: Iterable[_Member], wanted: Callable[[str], bool]
) -> dict[str, _Member]:
    """The wanted members by their names, when all members have been checked."""
    chosen: dict[str, _Member] = {}
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        inside = bool(path.name) and not path.is_absolute() and ".." not in path.parts
        if not inside or ":" in path.parts[0] or "\0" in member.name:
            raise InputError(
                f"{archive}: expected files inside the archive's folder, got {shown(member.name)}"
            )
        if not member.plain:
            raise InputError(
                f"{archive}: expected plain files, got the link or device {shown(member.name)}"
            )
        if wanted(path.name):
            if path.name in chosen:
                raise InputError(f"{archive}: expected one file {shown(path.name)}, got two")
            chosen[path.name] = member
    if not chosen:
        raise InputError(f"{archive}: expected the files of a checkpoint or data set, got none")
    size = sum(member.size for member in chosen.values())
    most = unpacked_limit(plain(archive, _EXPECTED))
    if size > most:
        raise InputError(f"{archive}: expected at most {most:,} bytes unpacked, got {size:,}")
    return chosen


def _chunks(archive: Path, member: _Member) -> Iterator[bytes]:
    """The content of a member; that it is damaged is told apart from a full disk."""
    with _noticed(archive):
        source = member.read()
        assert source is not None  # a plain file always opens
        left = member.size
    with source:
        while True:
            with _noticed(archive):
                chunk = source.read(CHUNK)
                left -= len(chunk)
                if not chunk and left:
                    raise EOFError(f"{member.name} without its last {left:,} bytes")
            if not chunk:
                return
            yield chunk
