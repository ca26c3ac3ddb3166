"""The folders in which data sets and weights lie."""

from __future__ import annotations

import os
from pathlib import Path

from daa.errors import require


def data_dir(folder: str | Path | None = None) -> Path:
    """Folder of the data sets: the argument, else `DAA_DATA`, else a folder in the user's cache.

    Raises:
        InputError: the argument or the variable names a folder that doesn't exist.
    """
    return _folder(folder, "DAA_DATA", "data")


def model_dir(folder: str | Path | None = None) -> Path:
    """Folder of the weights: the argument, else `DAA_MODELS`, else a folder in the user's cache.

    Raises:
        InputError: the argument or the variable names a folder that doesn't exist.
    """
    return _folder(folder, "DAA_MODELS", "models")


def cache(name: str) -> Path:
    """A folder of this project in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daa" / name


def _folder(folder: str | Path | None, variable: str, name: str) -> Path:
    named = folder or os.environ.get(variable)
    if not named:
        return cache(name)
    path = Path(named)
    require(path.is_dir(), f"{name} folder", "a folder", str(path))
    return path
