"""Standard streams that may be closed, full, or of another encoding than the text."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

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
