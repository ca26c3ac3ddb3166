"""Whether images fit into memory, asked before they are read."""

from __future__ import annotations

from pathlib import Path

from daa.errors import InputError

# An attack holds its images so many times: natural, the iterates, the worst so far, and copies on
# their way. Momentum, a best image and a state that is written take more.
COPIES = 5
_GIB = 2**30
# Where Linux says how much memory a control group may have and has: versions 2 and 1.
_GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def available(system: Path = Path("/")) -> int | None:
    """Bytes that this process can still have; None where the system doesn't say.

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
    for most, used in _GROUPS:
        try:
            limit, now = (
                int((system / "sys/fs/cgroup" / name).read_text(encoding="utf-8"))
                for name in (most, used)
            )
        except (OSError, ValueError):  # ValueError: "max", no limit
            continue
        found.append(max(limit - now, 0))
    return min(found, default=None)


def require(images: int, image_bytes: int, where: str, room: int | None) -> None:
    """Checks that an attack on so many images fits.

    Args:
        images: how many.
        image_bytes: of one of them.
        where: the data set, for the message.
        room: bytes that there are, of `available`.

    Raises:
        InputError: it does not; says how many would.
    """
    each = COPIES * image_bytes
    if room is not None and images * each > room:
        raise InputError(
            f"{where}: images: expected {images * each / _GIB:.1f} GiB of memory for an attack on "
            f"{images:,}, got {room / _GIB:.1f} GiB, in which {room // each:,} fit"
        )
