"""Arrays of the size of a data set: in memory where they fit, else in a file on the disk."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from daa.errors import InputError

# An attack holds its images so many times: natural, the iterates, the worst so far, and copies on
# their way. Momentum, a best image and a state that is written take more.
COPIES = 5
# On disk there are so many: natural, the iterates, the worst so far, and those of a run that goes
# on, before it does.
FILES = 4
# Arrays up to so many bytes lie in memory; larger ones are looked at in parts of that size.
SMALL = 1 << 26
# Arrays up to so many bytes are computed at once; larger ones in parts of that size. As random
# numbers are drawn for one part after another, a part must be the same on every machine.
PART = 1 << 30
_GIB = 2**30
# Where Linux says how much memory a control group may have and has, and how much of that is only
# the content of files, which makes room when it is needed: versions 2 and 1.
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", ("active_file", "inactive_file")),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        ("total_active_file", "total_inactive_file"),
    ),
)
# File systems whose files are memory.
_MEMORY = ("tmpfs", "ramfs")


def available(system: Path = Path("/")) -> int | None:
    """Bytes of memory that this process can still have; None where the system doesn't say.

    Args:
        system: the root of the file system.
    """
    found = []
    try:
        lines = (system / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        found.append(1024 * int(sizes["MemAvailable"].split()[0]))
    except (OSError, ValueError, KeyError):
        pass
    groups = system / "sys/fs/cgroup"
    for most, used, about, names in _GROUPS:
        try:
            limit, now = (int((groups / name).read_text(encoding="utf-8")) for name in (most, used))
        except (OSError, ValueError):  # ValueError: "max", no limit
            continue
        found.append(max(limit - now + _of_files(groups / about, names), 0))
    return min(found, default=None)


def _of_files(path: Path, names: tuple[str, ...]) -> int:
    """Bytes of a control group that are the content of files."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.split()[0] in names)
    except (OSError, ValueError, IndexError):
        return 0


def temporary(system: Path = Path("/")) -> tuple[str, int]:
    """The folder of temporary files, and its free bytes of disk: 0 where its files are memory.

    Args:
        system: the root of the file system that says what is mounted where.
    """
    try:
        folder = Path(tempfile.gettempdir()).resolve()
        free = shutil.disk_usage(folder).free
    except OSError:  # no folder can be written to
        return "no folder", 0
    try:
        lines = (system / "proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    mounts = [[part.replace(r"\040", " ") for part in line.split()[1:3]] for line in lines]
    over = [(len(place), kind) for place, kind in mounts if folder.is_relative_to(place)]
    # Of mounts on one place the last one counts, so the order of equals matters.
    kind = sorted(over, key=lambda mount: mount[0])[-1][1] if over else ""
    return str(folder), 0 if kind in _MEMORY else free


def require(images: int, image_bytes: int, where: str) -> None:
    """Checks that an attack on so many images fits, in memory or on disk.

    Args:
        images: how many.
        image_bytes: of one of them.
        where: the data set, for the message.

    Raises:
        InputError: it does not; says how many would.
    """
    room, (folder, disk) = available(), temporary()
    in_memory, on_disk = COPIES * image_bytes, FILES * image_bytes
    if room is None or images * in_memory <= room or images * on_disk <= disk:
        return
    fit = max(room // in_memory, disk // on_disk)
    raise InputError(
        f"{where}: images: expected {_gib(images * in_memory)} of memory for an attack on "
        f"{images:,}, or {_gib(images * on_disk)} of disk in TMPDIR, got {_gib(room)} and "
        f"{_gib(disk)} in {folder}, in which {fit:,} fit"
    )


def require_memory(x: np.ndarray, where: str) -> None:
    """Checks that an attack that holds all its images in memory can do so.

    Args:
        x: the images.
        where: the attack, for the message.

    Raises:
        InputError: it can't; says how many images would fit.
    """
    room, each = available(), (COPIES if in_file(x) else COPIES - 1) * x[0].nbytes
    if x.nbytes > SMALL and room is not None and len(x) * each > room:
        raise InputError(
            f"{where}: images: expected {_gib(len(x) * each)} of memory for {len(x):,}, got "
            f"{_gib(room)}, in which {room // each:,} fit"
        )


def require_disk(folder: Path, x: np.ndarray, files: int) -> None:
    """Checks that the disk of a folder takes files of worst images.

    Args:
        folder: of the files.
        x: the images.
        files: how many there will be.

    Raises:
        InputError: it does not; says how many images would fit.
    """
    try:
        free = shutil.disk_usage(folder).free
        shared = in_file(x) and folder.stat().st_dev == Path(temporary()[0]).stat().st_dev
    except OSError:  # writing there will say what is wrong
        return
    each = (files + (FILES - 1 if shared else 0)) * x[0].nbytes  # the first of FILES is there
    if len(x) * each > free:
        raise InputError(
            f"{folder}: images: expected {_gib(len(x) * each)} of disk for the results of "
            f"{len(x):,}, got {_gib(free)}, in which {free // each:,} fit"
        )


def empty(shape: tuple[int, ...], dtype: np.dtype | type = np.float32) -> np.ndarray:
    """A new array: in memory where that leaves enough of it, else in a file without a name.

    The file is gone as soon as nobody holds the array, however the process ends.

    Raises:
        InputError: there is too little memory, and too little disk.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = available() if size > SMALL else None
    if room is None or COPIES * size <= room:
        return np.empty(shape, dtype)
    folder, disk = temporary()
    if size <= disk:
        try:
            return _in_file(shape, dtype, size, folder)
        except OSError:  # others write there, too
            disk = temporary()[1]
    if size < room:
        return np.empty(shape, dtype)
    raise InputError(
        f"images: expected {_gib(size)} of memory, or of disk in TMPDIR, for one copy of them, got "
        f"{_gib(room)} and {_gib(disk)} in {folder}"
    )


def _in_file(shape: tuple[int, ...], dtype: np.dtype | type, size: int, folder: str) -> np.ndarray:
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error here. Later it would be a signal that ends the process.
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def in_file(array: np.ndarray) -> bool:
    """Whether an array that `empty` made lies on disk."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def parts(array: np.ndarray, size: int | None = None) -> Iterator[slice]:
    """Slices of `size` bytes, else `SMALL`, that together are all rows of an array."""
    rows = _rows(array, SMALL if size is None else size)
    return (slice(k, k + rows) for k in range(0, len(array), rows))


def _rows(array: np.ndarray, size: int) -> int:
    return max(size * len(array) // max(array.nbytes, 1), 1)


def computed(function: Callable[..., np.ndarray], x: np.ndarray, *more: np.ndarray) -> np.ndarray:
    """An array with a row for each image, computed in parts of `PART` bytes of images.

    Args:
        function: gives the rows of some images, from the images and what there is beside them.
        x: the images. [N, ...].
        more: what there is beside them. [N, ...] each.
    """
    if x.nbytes <= PART:
        return function(x, *more)
    found = None
    for part in parts(x, PART):
        rows = function(x[part], *(array[part] for array in more))
        if found is None:
            found = empty((len(x), *rows.shape[1:]), rows.dtype)
        found[part] = rows
        del rows  # before the next part is computed
    assert found is not None
    return found


def copy(array: np.ndarray) -> np.ndarray:
    """A copy of an array, as of `empty`."""
    found = empty(array.shape, array.dtype)
    found[...] = array
    return found


def taken(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array, as an array of `empty`."""
    found = empty((len(rows), *array.shape[1:]), array.dtype)
    for part in parts(found):
        found[part] = array[rows[part]]
    return found


def put(array: np.ndarray, rows: np.ndarray, found: np.ndarray, chosen: np.ndarray) -> None:
    """Writes rows of one array into another: array[rows] = found[chosen].

    Args:
        array: that is changed. [N, ...].
        rows: whole numbers. [n].
        found: [M, ...].
        chosen: whole numbers. [n].
    """
    step = _rows(array, SMALL)
    for k in range(0, len(rows), step):
        array[rows[k : k + step]] = found[chosen[k : k + step]]


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
