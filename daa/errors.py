"""The error that a user can cause, and checks that raise it."""

import difflib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np


class InputError(ValueError):
    """A config, a file, an array or another input is wrong.

    The message is one line: where, what is wrong, what to do. The command line prints this line and
    exits with status 2. Characters that would break the line appear as blanks or escapes.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("".join(map(_printable, str(message))))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else repr(character)[1:-1]


def require(ok: bool, where: str, expected: str, got: object) -> None:
    """Raises InputError `where: expected ..., got ...` unless a check holds."""
    if not ok:
        raise InputError(f"{where}: expected {expected}, got {shown(got)}")


def closest(name: str, names: Iterable[str]) -> str:
    """The end of an error message about a wrong name: "; did you mean ...?", or an empty text."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: object) -> str:
    """A value as text of one line with at most 200 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not print integers of more than 4,300 digits
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= 200 else f"{text[:200]}..."


def plain(value: Any) -> Any:
    """A NumPy scalar as the equal Python value; other values unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def is_whole(value: object) -> bool:
    """Whether a value is an integer below 2^31, of Python or NumPy; a bool is not."""
    value = plain(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def is_number(value: object) -> bool:
    """Whether a value is a finite real number, of Python or NumPy; a bool is not."""
    value = plain(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


def whole(value: Any, where: str, least: int = 0) -> int:
    """Checks an integer of a user; returns it as a Python number."""
    require(is_whole(value) and value >= least, where, f"a whole number >= {least}", value)
    return int(value)
