"""One process at a time in a result folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daa.errors import InputError


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Holds a folder, which is made if need be, for this process.

    The operating system frees the lock when the process ends, however it ends, so a killed one
    leaves nothing to be cleaned up. The file `.lock` stays and names the last owner.

    Raises:
        InputError: another process holds it, which is named with its age, or it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: expected to write there, got {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: expected no other process at work here, got {_owner(file)}"
            ) from None
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}, file)
        file.flush()
        yield


def _owner(file) -> str:
    file.seek(0)
    try:
        owner = json.load(file)
        minutes = (time.time() - owner["since"]) / 60
        return f"process {owner['pid']} on {owner['host']}, for {minutes:.0f} min"
    except (ValueError, KeyError, TypeError):  # it has not written its name yet
        return "one that has just begun"
