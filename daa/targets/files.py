"""Files that are written whole or not at all, and files from anywhere that are read with care."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from daa.errors import InputError, shown

CHUNK = 1 << 20
# What zipfile and its decompressors raise on damaged files.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    LookupError,
    zlib.error,
    zipfile.BadZipFile,
)
# The flag of an encrypted member of a zip file, and the ways in which members may be packed.
ENCRYPTED = 1
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# A file of text, such as a record, has at most so many bytes.
_TEXT = 1 << 26
# A packed file may always unpack to 1 GiB; a larger one to so many times its own size.
_UNPACKED, _RATIO = 1 << 30, 100


@contextmanager
def _atomically(path: Path, size: int) -> Iterator[IO[bytes]]:
    """A file under a temporary name beside `path`, renamed when the block ends without an error.

    Args:
        path: of the file.
        size: how many bytes it takes, for the message.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"{path}: expected to write {size:,} bytes, got {error.strerror}"
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name beside it, then renames it.

    Raises:
        InputError: a full disk, or a folder that can't be written to; an older file stays as it is.
    """
    with _atomically(path, len(content)) as file:
        file.write(content)


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file atomically, without a copy of it in memory.

    Raises:
        InputError: as `write_atomically`.
    """
    with _atomically(path, sum(array.nbytes for array in arrays.values())) as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` when the block ends without an error.

    So the files of `folder` are all old or all new, also where the second of them is damaged.

    Raises:
        InputError: a full disk, or a folder that can't be written to; the old files stay.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, suffix=".partial") as name:
            yield Path(name)
            for path in sorted(Path(name).iterdir()):
                path.chmod(0o644)
                path.replace(folder / path.name)
    except OSError as error:
        raise InputError(f"{folder}: expected to write there, got {reason(error)}") from error


def apart(out: Path, *inputs: Path) -> None:
    """Checks that a file to be written is none of those that are read, also through links.

    Raises:
        InputError: it is one of them.
    """
    for path in inputs:
        same = out.resolve() == path.resolve()
        if not same and out.exists() and path.exists():
            same = out.samefile(path)
        if same:
            raise InputError(f"{out}: expected another file than the input {path}, got the same")


def replaceable(path: Path, mark: str) -> None:
    """Checks that a file of this name is none of the user's own.

    Args:
        path: that is to be written.
        mark: a text that the files which this project writes there hold.

    Raises:
        InputError: there is another file.
    """
    if path.exists() and mark.encode() not in read_bytes(path, "a file to be written anew"):
        raise InputError(
            f"{path}: expected no file, or one that this project wrote, got another one; "
            "move it away, or choose another folder"
        )


def plain(path: Path, expected: str) -> int:
    """Checks that a path is a file, as reading a pipe or a device may never end.

    Returns:
        Its size in bytes.

    Raises:
        InputError: there is none, or something else.
    """
    where = str(path)
    if len(where) > 1000 or not where.isprintable():  # of a list of files from anywhere
        where = shown(where, 1000)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"{where}: expected {expected}, got none") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: expected {expected}, got {reason(error)}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise InputError(f"{path}: expected {expected}, got {kind}")
    return found.st_size


def read_bytes(path: Path, expected: str) -> bytes:
    """The content of a file.

    Args:
        path: of the file.
        expected: what the file should be, for messages.

    Raises:
        InputError: no file, or one that can't be read.
    """
    plain(path, expected)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def read_text(path: Path, expected: str) -> str:
    """The text of a file in UTF-8.

    Args:
        path: of the file.
        expected: what the file should be, for messages.

    Raises:
        InputError: no file, one that is too large, or one that is no text.
    """
    size = plain(path, expected)
    if size > _TEXT:
        raise InputError(
            f"{path}: expected {expected} of at most {_TEXT:,} bytes, got {size:,} bytes"
        )
    try:
        return read_bytes(path, expected).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def read_csv(path: Path, expected: str) -> list[list[str]]:
    """The lines of a file of values between commas; empty lines are left out.

    Args:
        path: of the file.
        expected: what the file should be, for messages.

    Raises:
        InputError: no file, or one that is no such text.
    """
    try:
        lines = io.StringIO(read_text(path, expected), newline="")
        return [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def read_json(path: Path, expected: str) -> Any:
    """The content of a JSON file: numbers are finite, and texts can be written again.

    Args:
        path: of the file.
        expected: what the file should be, for messages.

    Raises:
        InputError: no file, or one that is no such JSON.
    """
    return parse_json(read_text(path, expected), str(path), expected)


def parse_json(text: str, where: str, expected: str) -> Any:
    """The content of a text in JSON, as by `read_json`."""

    def refuse(number: str) -> None:
        raise ValueError(f"the number {number}")

    try:
        content = json.loads(text, parse_constant=refuse)
        # Half of a surrogate pair is a text in JSON, but in no file.
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise InputError(f"{where}: expected {expected}, got too many levels") from None
    except ValueError as error:
        raise InputError(f"{where}: expected {expected}, got {reason(error)}") from error
    return content


def unpacked_limit(size: int) -> int:
    """To how many bytes a packed file may unpack; a bomb gives 1,000 times its size.

    Args:
        size: of the packed file, in bytes.
    """
    return max(_UNPACKED, _RATIO * size)


def require_unpacks(path: Path, expected: str) -> None:
    """Checks that the members of a zip file, as another library will unpack them, fit into memory.

    Args:
        path: of the file.
        expected: what it should be, for messages.

    Raises:
        InputError: no file, no zip file, a damaged one, or one that unpacks to far more than its
            own size.
    """
    most = unpacked_limit(plain(path, expected))
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except DAMAGED as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error
    if size > most:
        raise InputError(f"{path}: expected at most {most:,} bytes unpacked, got {size:,}")


def gunzip(path: Path) -> bytes:
    """The content of a file packed with gzip.

    Raises:
        InputError: no file, a damaged one, or one whose content is far larger than itself.
    """
    expected = "a whole gzip file"
    most = unpacked_limit(plain(path, expected))
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error
    if len(content) > most:
        raise InputError(f"{path}: expected at most {most:,} bytes unpacked, got more")
    return content


def sha256(*paths: Path, algorithm: str = "sha256") -> str:
    """Hash of one file, or of the contents of several files one after another."""
    digest = hashlib.new(algorithm)
    for path in paths:
        plain(path, "a file")
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """What an exception says, in one line of at most 200 characters."""
    said = getattr(error, "message", None) or getattr(error, "strerror", None) or error
    return " ".join(str(said).split())[:200] or type(error).__name__
