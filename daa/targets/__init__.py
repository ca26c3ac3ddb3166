"""The targets by name. Listing them loads no TensorFlow.

The target folders are those of this project and those of other installed packages. A package adds
a folder by an entry point of the group `daa.targets`: its name is the name of the folder, as in
`folder/name`, its value is the package with the `FAMILY`.
"""

import functools
import importlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from daa.errors import InputError, require, shown
from daa.target import Dataset, Target
from daa.targets.datasets import DATASETS, DatasetRow
from daa.targets.family import Family, Model, Published, TargetRow, surrogate
from daa.targets.fetch import Source, archive
from daa.targets.files import reason

# For target folders.
__all__ = ["DATASETS", "DatasetRow", "Family", "Model", "Published", "Source", "TargetRow"]
__all__ += ["archive", "surrogate"]

# The target folders of this project; each is a package of the same name.
FOLDERS = ("locuslab", "madry_mnist", "madry_cifar10", "fmnist", "imagenet_ens")


def folders() -> tuple[str, ...]:
    """The target folders: `FOLDERS`, then those of other packages."""
    return tuple(_packages())


@functools.cache
def _packages() -> dict[str, str]:
    packages = {folder: folder for folder in FOLDERS}
    points = metadata.entry_points(group="daa.targets")
    for name, package in sorted((point.name, point.value) for point in points):
        where = _entry_point(name, package)
        valid = name.isascii() and name.isidentifier()
        require(valid, where, "a name of letters, digits and _", name)
        first = packages.setdefault(name, package)
        require(first == package, where, "a name of one package alone", first)
    return packages


def _entry_point(folder: str, package: str) -> str:
    return f"entry point {folder} = {package} of daa.targets"


@functools.cache
def _family(folder: str) -> Family | None:
    """The family of a folder; None if there is no such folder."""
    if folder in FOLDERS:  # independent of broken packages
        return importlib.import_module(folder).FAMILY
    package = _packages().get(folder)
    if package is None:
        return None
    where = _entry_point(folder, package)
    loaded = getattr(import_module(package, where, "package"), "FAMILY", None)
    if not isinstance(loaded, Family):
        raise InputError(f"{where}: expected FAMILY, a daa.targets.Family, got {shown(loaded)}")
    require(loaded.name == folder, where, f"a FAMILY whose folder is named {folder}", loaded.name)
    return loaded


def import_module(name: str, where: str, kind: str) -> Any:
    """A module of a user; its errors become an `InputError`."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise InputError(
            f"{where}: expected a {kind} that can be imported, got "
            f"{type(error).__name__}: {reason(error)}"
        ) from error


def family(reference: str) -> Family:
    """The family of a target reference `folder/name`, as `madry_mnist/secret`."""
    folder, _, name = reference.partition("/")
    loaded = _family(folder) if name else None
    if loaded is None:
        raise InputError(
            f"target: expected FOLDER/NAME with FOLDER one of {', '.join(folders())}, "
            f"got {shown(reference)}"
        )
    return loaded


def _name(reference: str) -> str:
    return reference.partition("/")[2]


def row(reference: str) -> TargetRow:
    """The description of a target."""
    return family(reference).row(_name(reference))


def every_target(of: Iterable[str] | None = None) -> list[str]:
    """References of all targets, or of the targets in some folders."""
    chosen = folders() if of is None else of
    return [f"{folder}/{name}" for folder in chosen for name in family(f"{folder}/*").targets]


def exists(reference: str) -> bool:
    """Whether a reference names a target."""
    folder, _, name = reference.partition("/")
    loaded = _family(folder)
    return loaded is not None and name in loaded.targets


def load_target(reference: str, **options: Any) -> Target:
    """The target of a reference; options and errors as for `Family.load_target`."""
    return family(reference).load_target(_name(reference), **options)


def loader(reference: str, model_dir: str | Path | None = None) -> functools.partial[Target]:
    """A function without arguments that loads a target, also in another process."""
    row(reference)
    return functools.partial(load_target, reference, model_dir=model_dir)


def load_dataset(
    reference: str,
    split: str = "test",
    data_dir: str | Path | None = None,
    images: int | None = None,
) -> Dataset:
    """The data set of a target; arguments as for `Family.load_dataset`."""
    return family(reference).load_dataset(split, data_dir, images)


def own_weights(reference: str) -> Path:
    """Path for the weights of a target trained by this project; see `Family.own_weights`."""
    return family(reference).own_weights(_name(reference))
