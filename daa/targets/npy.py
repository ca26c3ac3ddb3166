"""NumPy's files from anywhere, .npy and .npz, read without running or believing what they say."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np

from daa import memory
from daa.errors import InputError
from daa.targets.files import (
    CHUNK,
    DAMAGED,
    ENCRYPTED,
    PACKED,
    plain,
    reason,
    unpacked_limit,
)

# No honest header is longer; that of an array of numbers has 128 bytes.
_HEADER = 1 << 14
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# True or false, whole and real and complex numbers, text.
_KINDS = "biufcUS"
_MOST_AXES = 32


class _Header(NamedTuple):
    """What a file says about its array, which fits the number of its bytes."""

    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype
    begin: int


def open_npy(path: Path) -> np.ndarray:
    """The array of an .npy file, which is read from the disk when it is looked at.

    Raises:
        InputError: no file, or one that is not a whole array of numbers or of text.
    """
    expected = "a whole .npy file of numbers"
    size = plain(path, expected)
    try:
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                raise InputError(f"{path}: expected an .npy file, got an .npz archive")
            file.seek(0)
            header = _header(file, size)
        order: Literal["C", "F"] = "F" if header.columns_first else "C"
        if math.prod(header.shape) == 0:  # nothing can be mapped
            return np.empty(header.shape, header.dtype, order)
        return np.memmap(path, header.dtype, "r", header.begin, header.shape, order)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Pickled objects are refused, as reading one could run code.

    Raises:
        InputError: a file that is missing, damaged or encrypted, that holds something else than
            arrays of numbers and of text, or that unpacks to far more than its own size.
    """
    expected = "an .npz file of arrays"
    most = unpacked_limit(plain(path, expected))
    try:
        with path.open("rb") as file:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise ValueError("an .npy file of one array")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(info.file_size for info in members) > most:
                raise ValueError(f"more than {most:,} bytes unpacked")
            return dict(_member(archive, info) for info in members)
    except InputError:
        raise  # too little memory and disk; the file is whole
    except DAMAGED as error:
        raise InputError(f"{path}: expected {expected}, got {reason(error)}") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str, np.ndarray]:
    """Name and array of a member of an .npz file."""
    name = info.filename.removesuffix(".npy")
    if name == info.filename or archive.getinfo(info.filename) is not info:
        raise ValueError(f"the member {info.filename!r}, which is no array or is there twice")
    if info.flag_bits & ENCRYPTED or info.compress_type not in PACKED:
        raise ValueError(f"the member {info.filename!r}, which is encrypted or packed otherwise")
    with archive.open(info) as file:
        try:
            header = _header(file, info.file_size)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        file.seek(header.begin)
        flat = memory.empty((math.prod(header.shape),), header.dtype)
        raw, done = flat.view(np.uint8), 0
        while chunk := file.read(CHUNK):
            raw[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            done += len(chunk)
    return name, flat.reshape(header.shape, order="F" if header.columns_first else "C")


def _header(file: IO[bytes], size: int) -> _Header:
    """The header of an .npy file of so many bytes.

    Raises:
        ValueError: not that of an array of numbers or of text, or one for another number of bytes.
    """
    head = io.BytesIO(file.read(_HEADER))
    try:
        version = np.lib.format.read_magic(head)
        if version not in _VERSIONS:
            raise ValueError(f"version {version} of the format")
        shape, columns_first, dtype = _VERSIONS[version](head)
    except ValueError:
        raise
    except Exception as error:  # the header is Python source, whose parser fails in many ways
        raise ValueError(f"a header that can't be read: {type(error).__name__}") from error
    if dtype.hasobject:
        raise ValueError("pickled objects, which may hold code")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise ValueError(f"the type {dtype}")
    # True is a whole number to NumPy's own check, and so is -1.
    if len(shape) > _MOST_AXES or any(type(n) is not int or not 0 <= n < 2**48 for n in shape):
        raise ValueError(f"the shape {str(shape)[:80]}")
    said, there = math.prod(shape) * dtype.itemsize, size - head.tell()
    if said != there or math.prod(n or 1 for n in shape) >= 2**60:
        raise ValueError(f"{there:,} bytes for shape {list(shape)} of {dtype}")
    return _Header(shape, columns_first, dtype, head.tell())
