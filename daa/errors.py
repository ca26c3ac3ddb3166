"""The error that a user can cause."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave can't work: a config, a file, an array.

    The message is one line: where, what was expected, what was got. The scripts print it alone and
    exit with status 2.
    """
