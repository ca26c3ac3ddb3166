"""What native code writes to stderr, which no log level silences."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True)
class Caught:
    """What native code writes to stderr.

    Args:
        stderr: descriptor of the real stderr.
        notes: the file that native code writes to meanwhile.
    """

    stderr: int
    notes: IO[bytes]

    def take(self) -> bytes:
        """What was written since the last call."""
        self.notes.seek(0)
        said = self.notes.read()
        self.notes.seek(0)  # stderr shares the position, so what comes next begins the file
        self.notes.truncate()
        return said


@contextmanager
def caught() -> Iterator[Caught]:
    """Meanwhile what native code writes to stderr goes to a file."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield Caught(saved, notes)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
