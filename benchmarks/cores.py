"""A limit on the CPU cores of this process, to compare times of several libraries."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from daa.errors import InputError, is_whole, require


@contextlib.contextmanager
def on_cores(cores: int | None) -> Iterator[None]:
    """Runs all threads of this process, of every library, on some CPU cores.

    Args:
        cores: number of cores; None changes nothing.

    Raises:
        InputError: not enough cores, or not on Linux.
    """
    if cores is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise InputError(f"cores: expected none on this system, got {cores}")
    allowed = os.sched_getaffinity(0)
    ok = is_whole(cores) and 1 <= cores <= len(allowed)
    require(ok, "cores", f"1 to {len(allowed)}", cores)
    _pin(set(sorted(allowed)[:cores]))
    try:
        yield
    finally:
        _pin(allowed)


def _pin(cpus: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # the thread has just ended
            os.sched_setaffinity(int(thread.name), cpus)
