"""The error that a user can cause."""

from __future__ import annotations

import math
from numbers import Integral, Real


class InputError(ValueError):
    """Something that the user gave can't work: a config, a file, an array.

    The message is one line: where, what was expected, what was got. The command line prints that
    line alone and exits with status 2. What the message quotes from a user can hold any character;
    those that would break the line or can't be shown appear as blanks or escapes.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("".join(map(_printable, str(message))))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else repr(character)[1:-1]


def require(fits: bool, where: str, expected: str, got: object) -> None:
    """Checks one thing that a user gave.

    Raises:
        InputError: it does not fit; `where: expected ..., got ...`.
    """
    if not fits:
        raise InputError(f"{where}: expected {expected}, got {shown(got)}")


def shown(value: object, length: int = 200) -> str:
    """A value as a message shows it, on one line and not longer than `length`."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python refuses to print whole numbers of more than 4,300 digits
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= length else f"{text[:length]}..."


def is_whole(value: object) -> bool:
    """Whether a value is an integer of at most 31 bits; NumPy scalars are, bool is not."""
    return isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < 2**31


def is_number(value: object) -> bool:
    """Whether a value is a finite number that fits a float; NumPy scalars are, bool is not."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
