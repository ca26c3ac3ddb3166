"""Where data and weights are found."""

from __future__ import annotations

import os
from pathlib import Path

from daa.errors import InputError


def data_dir(argument: str | Path | None = None) -> Path:
    """Folder of the data sets: the argument, else `DAA_DATA`, else the cache folder.

    Raises:
        InputError: a folder was named that doesn't exist.
    """
    return _folder(argument, "DAA_DATA", "data")


def model_dir(argument: str | Path | None = None) -> Path:
    """Folder of the weights: the argument, else `DAA_MODELS`, else the cache folder.

    Raises:
        InputError: a folder was named that doesn't exist.
    """
    return _folder(argument, "DAA_MODELS", "models")


def weights(folder: str, name: str, model_dir_argument: str | Path | None = None) -> Path:
    """Where the weights of a target lie: MODELS/folder/name/ or MODELS/folder/name.npz.

    Raises:
        InputError: neither is there; says what to place where.
    """
    models = model_dir(model_dir_argument)
    for path in (models / folder / name, models / folder / f"{name}.npz"):
        if path.exists():
            return path
    raise InputError(
        f"{models / folder / name}: expected the weights of {folder}/{name}, got none; place the "
        f"checkpoint's files there, or run python scripts/fetch.py {folder}/{name}"
    )


def _folder(argument: str | Path | None, variable: str, name: str) -> Path:
    named = argument or os.environ.get(variable)
    if not named:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "daa" / name
    path = Path(named)
    if not path.is_dir():
        raise InputError(f"{name} folder: expected a folder, got {path}")
    return path
