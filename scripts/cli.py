"""What the scripts share: finding targets and data sets by name, and errors in one line."""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from daa import Dataset, InputError, Target

FOLDERS = ("digits", "locuslab", "madry_mnist", "madry_cifar10", "fmnist", "imagenet_ens")


def load_target(reference: str, **options: object) -> Target:
    """The target of a reference `folder/name`, as in `locuslab/fast_pgd_mnist`.

    Raises:
        InputError: no such folder or name, or weights that are missing or don't fit.
    """
    folder, _, name = reference.partition("/")
    return _folder(folder, reference).load_target(name, **options)


def loader(reference: str, model_dir: str | None) -> partial[Target]:
    """What loads a target in any process that has this project installed."""
    folder, _, name = reference.partition("/")
    return partial(_folder(folder, reference).load_target, name, model_dir=model_dir)


def load_dataset(
    reference: str, split: str, data_dir: str | None, images: int | None = None
) -> Dataset:
    """The data set that a target reference is evaluated on; all of it, or its first `images`."""
    module = _folder(reference.partition("/")[0], reference)
    return module.load_dataset(split, data_dir=data_dir, images=images)


def load_model(reference: str):
    """The module with `network` and `initialize` of a target's architecture."""
    _folder(reference.partition("/")[0], reference)
    return importlib.import_module(f"{reference.partition('/')[0]}.model")


def weights(reference: str) -> Path:
    """Where the weights of a target that this project trained lie in its folder."""
    folder, _, name = reference.partition("/")
    own = Path(_folder(folder, reference).__file__).parent / "weights"
    return own / f"{name}.npz" if folder == "digits" else own / name / "model"


def _folder(folder: str, reference: str):
    if folder not in FOLDERS or "/" not in reference:
        raise InputError(
            f"target: expected FOLDER/NAME with FOLDER one of {', '.join(FOLDERS)}, "
            f"got {reference!r}"
        )
    return importlib.import_module(folder)


def positive(text: str) -> int:
    """A whole number above 0, as an argument."""
    return whole(text, least=1)


def whole(text: str, least: int = 0) -> int:
    """A whole number that is not negative, as an argument."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number >= {least}, got {text!r}")
    return int(text)


def run(main: Callable[[], int | None]) -> int:
    """Runs a script's `main`; a user's mistake ends in one line and exit status 2."""
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    try:
        return main() or 0
    except (InputError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "interrupted; what is finished is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
