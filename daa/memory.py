"""Arrays of the size of a data set: in memory, or in a temporary file if memory is too small."""

import math
import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import psutil

from daa.errors import InputError

# An attack holds this many copies of its images: clean, current, worst so far, and temporary ones.
COPIES = 5
# Smaller arrays always stay in memory; larger ones are copied in slices of this many bytes.
SMALL = 1 << 26
# Images are processed in slices of this many bytes. Random numbers are drawn slice by slice, so
# this size must be the same on every machine.
PART = 1 << 30


def available() -> int:
    """Free memory in bytes."""
    return int(psutil.virtual_memory().available)


def empty(shape: tuple[int, ...], dtype: np.dtype | type = np.float32) -> np.ndarray:
    """An uninitialized array: in memory, or in the temporary folder if memory is too small.

    The temporary file disappears with the array, however the process ends.

    Raises:
        InputError: the disk of the temporary folder is full.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= SMALL or COPIES * size <= available():
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            # Reserve the disk now: a disk that fills up later would kill the process by a signal.
            reserve = getattr(os, "posix_fallocate", lambda file, _, size: os.truncate(file, size))
            reserve(file.fileno(), 0, size)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError as error:
        raise InputError(
            f"images: no room for {size / 2**30:.1f} GiB in memory or in the temporary folder "
            f"({error.strerror}); use fewer images, or set TMPDIR to a larger disk"
        ) from error


def require_memory(x: np.ndarray, where: str) -> None:
    """Raises InputError if memory is too small for an attack that holds all its images there."""
    room = available()
    if x.nbytes > SMALL and (COPIES - 1) * x.nbytes > room:
        fit = room * len(x) // ((COPIES - 1) * x.nbytes)
        raise InputError(f"{where}: {len(x):,} images need more memory; {fit:,} images fit")


def parts(array: np.ndarray, size: int | None = None) -> Iterator[slice]:
    """Slices of about `size` bytes (default `SMALL`) that cover all rows of an array."""
    rows = max((size or SMALL) * len(array) // max(array.nbytes, 1), 1)
    return (slice(k, k + rows) for k in range(0, len(array), rows))


def computed(function: Callable[..., np.ndarray], x: np.ndarray, *more: np.ndarray) -> np.ndarray:
    """function(x, *more), computed slice by slice. All arrays have a row for each image."""
    if x.nbytes <= PART:
        return function(x, *more)
    result: np.ndarray | None = None
    for part in parts(x, PART):
        rows = function(x[part], *(array[part] for array in more))
        if result is None:
            result = empty((len(x), *rows.shape[1:]), rows.dtype)
        result[part] = rows
    assert result is not None
    return result


def copy(array: np.ndarray) -> np.ndarray:
    result = empty(array.shape, array.dtype)
    result[...] = array
    return result


def taken(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    result = empty((len(rows), *array.shape[1:]), array.dtype)
    return np.take(array, rows, axis=0, out=result, mode="clip")  # other modes need a buffer


def put(array: np.ndarray, rows: np.ndarray, source: np.ndarray, chosen: np.ndarray) -> None:
    """array[rows] = source[chosen], slice by slice."""
    step = max(SMALL * len(array) // max(array.nbytes, 1), 1)
    for k in range(0, len(rows), step):
        array[rows[k : k + step]] = source[chosen[k : k + step]]
