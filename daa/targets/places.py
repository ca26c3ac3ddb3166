"""The folders in which data sets and weights lie."""

from __future__ import annotations

import os
from pathlib import Path

from daa.errors import InputError, require


def data_dir(folder: str | Path | None = None) -> Path:
    """Folder of the data sets: the argument, else `DAA_DATA`, else a folder in the user's cache.

    Raises:
        InputError: the argument or the variable names a folder that doesn't exist; neither is
            given, and the user has no home.
    """
    return _folder(folder, "DAA_DATA", "data")


def model_dir(folder: str | Path | None = None) -> Path:
    """Folder of the weights: the argument, else `DAA_MODELS`, else a folder in the user's cache.

    Raises:
        InputError: as `data_dir`.
    """
    return _folder(folder, "DAA_MODELS", "models")


def cache(name: str) -> Path:
    """A folder of this project in the user's cache.

    Raises:
        InputError: the user has no home.
    """
    return _cache("XDG_CACHE_HOME") / "daa" / name


def _folder(folder: str | Path | None, variable: str, name: str) -> Path:
    named = folder or os.environ.get(variable)
    if not named:
        return _cache(variable) / "daa" / name
    path = Path(named)
    require(path.is_dir(), f"{name} folder", "a folder", str(path))
    return path


def _cache(variable: str) -> Path:
    """The user's cache folder."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(named) if named else Path.home() / ".cache"
    except RuntimeError as error:  # HOME is not set and the user has no entry, as in a container
        names = " or ".join(dict.fromkeys([variable, "XDG_CACHE_HOME"]))
        expected = f"a home folder, or {names} with the name of a folder"
        raise InputError(f"cache: expected {expected}, got none") from error
