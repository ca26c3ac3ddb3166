"""A limit on the CPU cores of this process, so that times of several libraries compare."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from daa.attacks.components import is_whole
from daa.errors import InputError, require


@contextlib.contextmanager
def on_cores(cores: int | None) -> Iterator[None]:
    """Keeps all threads of this process, those of every library, on some CPU cores.

    Args:
        cores: their number; None changes nothing.

    Raises:
        InputError: more cores than there are, or not on Linux.
    """
    if cores is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise InputError(f"cores: expected none on this system, got {cores}")
    allowed = os.sched_getaffinity(0)
    fits = is_whole(cores) and 1 <= cores <= len(allowed)
    require(fits, "cores", f"1 to {len(allowed)}", cores)
    _pin(set(sorted(allowed)[:cores]))
    try:
        yield
    finally:
        _pin(allowed)


def _pin(cpus: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
            os.sched_setaffinity(int(thread.name), cpus)
