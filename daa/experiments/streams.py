"""Standard streams that may be closed, full, or of another encoding than the text."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from daa.errors import InputError


class ReaderGone(Exception):
    """Nobody reads stdout any more, as in `daa tables | head -1`."""


class _Stream:
    """A stream that shows what its encoding lacks by escapes, and says in one line if it fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        with self._failing():
            self._stream.write(shown)
        return len(text)

    def flush(self) -> None:
        with self._failing():
            self._stream.flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise ReaderGone from None
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            said = getattr(error, "strerror", None) or error
            raise InputError(f"stdout: expected to write there, got {said}") from error


class _Progress(_Stream):
    """stderr, whose failure must not end a run of hours."""

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with contextlib.suppress(OSError, ValueError):
            yield


@contextmanager
def usable() -> Iterator[None]:
    """Standard streams that can be written to, while a command runs.

    A stream that was closed before the start becomes the null device. Else the next file that is
    opened would get its number, and what native code writes to stderr would end in that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _fill(number)
            null = Path(os.devnull).open("w" if number else "r", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, null)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream(sys.stdout), _Progress(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _fill(number: int) -> None:
    """Opens the null device under the number of a standard stream that is free."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def abandon() -> None:
    """Lets what is left in the buffer of stdout go nowhere, so that Python ends without a word."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


@dataclass(frozen=True)
class Caught:
    """What native code writes to stderr.

    Args:
        stderr: descriptor of the real stderr.
        notes: the file that native code writes to meanwhile.
    """

    stderr: int
    notes: IO[bytes]

    def read(self) -> bytes:
        """All that was written so far."""
        self.notes.seek(0)
        return self.notes.read()


@contextmanager
def native() -> Iterator[Caught]:
    """Meanwhile what native code writes to stderr goes to a file; no log level silences it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield Caught(saved, notes)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
