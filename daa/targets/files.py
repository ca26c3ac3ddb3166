"""Atomic writes, and checked reads of text, JSON, CSV and NumPy files."""

import csv
import gzip
import hashlib
import json
import os
import re
import secrets
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from daa.errors import InputError, require


@contextmanager
def reading(path: str | Path, expected: str) -> Iterator[None]:
    """Turns exceptions of libraries that read `path` into an `InputError` of one line.

    Damaged files and unusual models raise exceptions of nearly every type.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected {expected}") from None
    except Exception as error:
        got = _other_content(path) or reason(error)
        raise InputError(f"{path}: expected {expected}, got {got}") from error


def _other_content(path: str | Path) -> str:
    """What a failed download wrote instead of the file; empty for other contents."""
    with suppress(OSError, ValueError), Path(path).open("rb") as file:
        start = file.read(100).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "an HTML page; download it again"
        if start.startswith(b"version https://git-lfs"):
            return "a pointer of Git LFS; run git lfs pull"
    return ""


def reason(error: Exception) -> str:
    """The message of an exception, in one line of at most 200 characters."""
    text = getattr(error, "message", None) or getattr(error, "strerror", None) or error
    return " ".join(str(text).split())[:200] or type(error).__name__


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a temporary file in the same folder, then renames it to `path`."""
    _atomically(path, lambda file: file.write(content))


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file as `write_atomically` does, without a copy in memory."""

    def write(file: IO[bytes]) -> None:
        # np.savez of NumPy 1 leaves the archive open if the disk is full.
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    _atomically(path, write)


def _atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    # The name exists before the file does: an interrupt at any moment leaves nothing behind.
    temporary = path.with_name(f"{secrets.token_hex(8)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: expected to write there, got {reason(error)}") from error


@contextmanager
def together(folder: Path) -> Iterator[Path]:
    """A temporary folder; if the block succeeds, the files in it move to `folder`."""
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
    """Refuses an output file which is also an input, perhaps through a link."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out}: expected another file than the input {path}, got the same")


def replaceable(path: Path, mark: str) -> None:
    """Refuses to replace a file without `mark`, a text in all files that this project writes."""
    if path.exists() and mark.encode() not in read_bytes(path, "a file to replace"):
        raise InputError(
            f"{path}: expected no file, or one that this project wrote, got another one; "
            "move it away, or choose another folder"
        )


# In these functions `expected` names the format of the file in error messages.


def read_bytes(path: Path, expected: str) -> bytes:
    with reading(path, expected):
        return path.read_bytes()


def read_labels(path: Path) -> list[tuple[str, int]]:
    """File names and labels from lines `file,label`; the first line may have column names."""
    with reading(path, "lines file,label"):
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [row for row in csv.reader(lines) if row]
    if rows and not rows[0][-1].strip().isdecimal():
        rows = rows[1:]
    require(bool(rows), str(path), "lines file,label", None)
    for row in rows:
        valid = len(row) == 2 and re.fullmatch(r"\d{1,9}", row[1].strip(), re.ASCII) is not None
        require(valid, str(path), "lines file,label with labels from 0 on", ",".join(row))
    return [(name.strip(), int(label)) for name, label in rows]


def read_json(path: Path, expected: str) -> Any:
    """Content of a JSON file with finite numbers."""
    with reading(path, expected):
        return parse_json(path.read_text(encoding="utf-8"), str(path), expected)


def parse_json(text: str, where: str, expected: str) -> Any:
    """Content of a JSON text with finite numbers."""
    with reading(where, expected):
        content = json.loads(text)
        # Refuses NaN, infinity and unpaired surrogates, which no JSON file can store.
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return content


def read_npy(path: Path) -> np.ndarray:
    """Array of an .npy file, mapped from the disk. Pickled objects are refused."""
    with reading(path, "an .npy file of numbers"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("an .npz archive")
        return array


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file. Pickled objects are refused, as they could run code."""
    with reading(path, "an .npz file of arrays"):
        zipfile.ZipFile(path).close()  # np.load takes any other file for pickled data
        content = np.load(path, allow_pickle=False)
        with content:
            arrays = {name: content[name] for name in content.files}
        if other := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"the file {other[0]} inside")
        return arrays


def gunzip(path: Path) -> bytes:
    with reading(path, "a complete gzip file"), gzip.open(path) as file:
        return file.read()


def sha256(*paths: Path, algorithm: str = "sha256") -> str:
    """Hash of the concatenated contents of some files."""
    digest = hashlib.new(algorithm)
    for path in paths:
        with reading(path, "a file"), path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
