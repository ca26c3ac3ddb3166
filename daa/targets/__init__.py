"""The targets by name. Listing them and reading their rows loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from daa.errors import InputError, shown
from daa.target import Dataset, Target
from daa.targets.datasets import DATASETS, DatasetRow
from daa.targets.family import Family, Model, Published, TargetRow
from daa.targets.installed import FOLDERS, family_of, package_of, packages
from daa.targets.sources import SURROGATE, Source, archive

__all__ = [
    "DATASETS",
    "FOLDERS",
    "SURROGATE",
    "DatasetRow",
    "Family",
    "Model",
    "Published",
    "Source",
    "TargetRow",
    "archive",
    "every_target",
    "exists",
    "family",
    "folders",
    "load_dataset",
    "load_target",
    "loader",
    "model_of",
    "own_weights",
    "row",
]


def folders() -> tuple[str, ...]:
    """The target folders: `FOLDERS`, then those of other packages."""
    return tuple(packages())


def family(reference: str) -> Family:
    """The family of a target reference `folder/name`, as `madry_mnist/secret`.

    Raises:
        InputError: no such folder, or a reference without a name.
    """
    folder, _, name = reference.partition("/")
    if not name or package_of(folder) is None:
        raise InputError(
            f"target: expected FOLDER/NAME with FOLDER one of {', '.join(folders())}, "
            f"got {shown(reference)}"
        )
    return family_of(folder)


def _name(reference: str) -> str:
    return reference.partition("/")[2]


def row(reference: str) -> TargetRow:
    """All that is known about a target.

    Raises:
        InputError: an unknown folder or name.
    """
    return family(reference).row(_name(reference))


def every_target(of: Iterable[str] | None = None) -> list[str]:
    """The references of all targets, or of those of some folders."""
    chosen = folders() if of is None else of
    return [f"{folder}/{name}" for folder in chosen for name in family_of(folder).targets]


def exists(reference: str) -> bool:
    """Whether a reference names a target that is known here."""
    folder, _, name = reference.partition("/")
    return package_of(folder) is not None and name in family_of(folder).targets


def load_target(reference: str, **options: Any) -> Target:
    """The target of a reference; options as for `Family.load_target`.

    Raises:
        InputError: an unknown folder or name; weights that are missing, damaged or of another
            network.
    """
    return family(reference).load_target(_name(reference), **options)


def loader(reference: str, model_dir: str | Path | None = None) -> partial[Target]:
    """A function without arguments that loads a target, in any process that has this package.

    Raises:
        InputError: an unknown folder or name.
    """
    row(reference)
    return partial(load_target, reference, model_dir=model_dir)


def load_dataset(
    reference: str,
    split: str = "test",
    data_dir: str | Path | None = None,
    images: int | None = None,
) -> Dataset:
    """The data set that a target is evaluated on; arguments as for `Family.load_dataset`."""
    return family(reference).load_dataset(split, data_dir, images)


def model_of(reference: str) -> Model:
    """The architecture of a target."""
    return row(reference).model


def own_weights(reference: str) -> Path:
    """Where a training of this project puts the weights of a target; see `Family.own_weights`."""
    return family(reference).own_weights(_name(reference))
