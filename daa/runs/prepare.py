"""An experiment with its target and its images, ready to run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from daa import targets
from daa.attacks.plans import MOST_RESTARTS
from daa.errors import InputError, require
from daa.runs import config, device
from daa.runs.config import Experiment
from daa.target import Dataset, Precision, Provenance, Target
from daa.targets import user_data as data_sets
from daa.targets import user_models as models


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment with everything that it needs.

    Args:
        experiment: with the target, precision, restarts and seed that are used now.
        target: what is attacked.
        load: makes the same target in another process.
        data: the images.
        folder: of the results.
        about: what records say beside the results: the config's name, and the config's target where
            another one is attacked.
    """

    experiment: Experiment
    target: Target
    load: partial[Target]
    data: Dataset
    folder: Path
    about: dict[str, str]


def prepare(
    path: Path,
    out: Path,
    *,
    target: str | None = None,
    precision: Precision | None = None,
    images: int | None = None,
    restarts: int | None = None,
    seed: int | None = None,
    data_dir: str | None = None,
    model_dir: str | None = None,
    here: bool = True,
) -> Prepared:
    """Reads a config and loads its target and images.

    Args:
        path: of the YAML file.
        out: folder of all results; those of this experiment go into a folder inside.
        target, precision, images, restarts, seed: instead of those of the config.
        data_dir, model_dir: folders of data sets and weights.
        here: the attacks run on this machine, so it must have instructions for their precision.

    Raises:
        InputError: a config, weights or images that are missing or don't fit.
    """
    require(target != "", "target", "FOLDER/NAME or a model", target)
    experiment = config.load(path, target)
    about = {"config": path.stem}
    reference = experiment.target if target is None else target
    needs_none = models.of_project(reference) and experiment.data is None
    own = None if needs_none else _own_data(experiment, images, data_dir)
    shape = None if own is None else own.x.shape[1:]
    load = _loader(reference, experiment, shape, model_dir)
    loaded = load()
    if reference != experiment.target:
        about["instead_of"] = experiment.target
        experiment = retarget(experiment, loaded.name, loaded.provenance)
    fits = restarts is None or restarts <= MOST_RESTARTS
    require(fits, "restarts", f"at most {MOST_RESTARTS:,}", restarts)
    require(seed is None or seed < 2**31, "seed", f"less than {2**31:,}", seed)
    changed = {"restarts": restarts, "seed": seed, "images": images}
    changed = {name: value for name, value in changed.items() if value is not None}
    experiment = in_precision(experiment.model_copy(update=changed), precision, here)
    data = own
    if data is None:
        data = targets.load_dataset(loaded.name, experiment.split, data_dir, experiment.images)
    return Prepared(experiment, loaded, load, data, out / experiment.name, about)


def _own_data(experiment: Experiment, images: int | None, data_dir: str | None) -> Dataset:
    """The data that an experiment names for a model of the user's own."""
    if experiment.data is None:
        raise InputError(
            f"{experiment.name}: data: expected a data set or a file for {experiment.target!r}, "
            "got none"
        )
    found, notes = data_sets.load(
        experiment.data,
        images=images or experiment.images,
        bounds=experiment.bounds,
        data_format=experiment.data_format,
        split=experiment.split,
        data_dir=data_dir,
    )
    for note in notes:
        warnings.warn(f"{experiment.data}: {note.message} [{note.code}]", stacklevel=3)
    return found


def _loader(
    reference: str, experiment: Experiment, shape: Any, model_dir: str | None
) -> partial[Target]:
    """A function that loads the target, in any process."""
    options = {
        name: value
        for name in ("bounds", "data_format", "signature")
        if (value := getattr(experiment, name)) is not None
    }
    if not models.of_project(reference):
        return models.loader(reference, image_shape=shape, **options)
    require(not options, experiment.name, f"no {', '.join(options)} for {reference}", options)
    return targets.loader(reference, model_dir)


def retarget(experiment: Experiment, target: str, provenance: Provenance) -> Experiment:
    """The same experiment on another target, with a name of its own and a title that says so.

    Args:
        experiment: of a config.
        target: its new target.
        provenance: where the weights of that come from.
    """
    name = f"{experiment.name}-{target.replace('/', '-')}"
    if all(row.paper is None for row in experiment.rows):
        title = f"{experiment.title}; {target}"
        return experiment.model_copy(update={"name": name, "title": title, "target": target})
    other = experiment.target if provenance == "original" else "the paper's weights"
    title = f"{experiment.title}; on {target}, not on {other}"
    return experiment.model_copy(update={"name": name, "title": title, "target": target})


def in_precision(experiment: Experiment, precision: Precision | None, here: bool) -> Experiment:
    """The experiment with the precision asked for; float32 where this device has no bfloat16."""
    rows = []
    for row in experiment.rows:
        wanted = precision or row.attack.precision
        if wanted == "bfloat16" and here and not device.fast_bfloat16():
            warnings.warn(
                "bfloat16: this device has no instructions for it; float32 is used", stacklevel=2
            )
            wanted = "float32"
        attack = row.attack.replace(precision=wanted)
        rows.append(row.model_copy(update={"attack": attack}))
    return experiment.model_copy(update={"rows": tuple(rows)})
