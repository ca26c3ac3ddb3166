"""Files that are written whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from daa.errors import InputError

CHUNK = 1 << 20
# A file of text, such as a record, has at most so many bytes.
_TEXT = 1 << 26


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name beside it, then renames it.

    Raises:
        InputError: a full disk, or a folder that can't be written to; an older file stays as it is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"{path}: expected to write {len(content):,} bytes, got {error.strerror}"
        ) from error


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file atomically.

    Raises:
        InputError: as `write_atomically`.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def plain(path: Path, expected: str) -> int:
    """Checks that a path is a file, as reading a pipe or a device may never end.

    Returns:
        Its size in bytes.

    Raises:
        InputError: there is none, or something else.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: expected {expected}, got none") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise InputError(f"{path}: expected {expected}, got {kind}")
    return found.st_size


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
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Pickled objects are refused, as reading one could run code.

    Raises:
        InputError: a file that is missing or damaged, or holds something else than arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: expected an .npz file of arrays, got {reason(error)}") from error


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
