"""The target folders: those of this project, and those that other installed packages add.

A package adds one by an entry point of the group `daa.targets`. The entry point's name is that of
the folder, as in `folder/name`; its value is the package that holds the `FAMILY`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib import metadata

from daa.errors import InputError, require, shown
from daa.targets.family import Family
from daa.targets.files import reason

GROUP = "daa.targets"
# Those of this project; each is a package of the same name.
FOLDERS = ("locuslab", "madry_mnist", "madry_cifar10", "fmnist", "imagenet_ens")


@functools.cache
def packages() -> Mapping[str, str]:
    """{folder: its package}, this project's first.

    Raises:
        InputError: an entry point with a name that is taken or that no reference can have.
    """
    found = {folder: folder for folder in FOLDERS}
    points = metadata.entry_points(group=GROUP)
    for name, package in sorted((point.name, point.value) for point in points):
        fits = name.isascii() and name.isidentifier()
        require(fits, _where(name, package), "a name of letters, digits and _", name)
        taken = found.setdefault(name, package)
        require(taken == package, _where(name, package), "a name of one package alone", taken)
    return found


def package_of(folder: str) -> str | None:
    """The package of a folder; None where there is none of this name.

    A package of others, however broken, keeps none of this project's targets from being used.

    Raises:
        InputError: as `packages`, unless the folder is this project's.
    """
    return folder if folder in FOLDERS else packages().get(folder)


@functools.cache
def family_of(folder: str) -> Family:
    """The family of a folder that has a package.

    Raises:
        InputError: another package that can't be imported, or that has no such family.
    """
    package = package_of(folder)
    assert package is not None
    where = _where(folder, package)
    try:
        module = importlib.import_module(package)
    except Exception as error:
        if folder in FOLDERS:
            raise
        raise InputError(
            f"{where}: expected a package that can be imported, got "
            f"{type(error).__name__}: {reason(error)}"
        ) from error
    found = getattr(module, "FAMILY", None)
    if not isinstance(found, Family):
        raise InputError(f"{where}: expected FAMILY, a daa.targets.Family, got {shown(found)}")
    require(found.name == folder, where, f"a FAMILY whose folder is named {folder}", found.name)
    return found


def _where(folder: str, package: str) -> str:
    return f"entry point {folder} = {package} of {GROUP}"
