"""Loads the config, the target and the images of an experiment."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daa import targets
from daa.attacks.plans import MOST_RESTARTS
from daa.errors import InputError
from daa.runs import config, device
from daa.runs.config import Experiment
from daa.target import Dataset, NoteWarning, Precision, Provenance, Target
from daa.targets import user_data, user_models


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment, ready to run.

    Args:
        experiment: the experiment, with the options of the user.
        target: the attacked classifier.
        load: loads the same classifier in another process.
        data: the attacked images.
        folder: folder of the results.
        about: the fields `config` and `instead_of` of the records.
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
    """Reads a config, and loads the target and the images.

    Args:
        path: the YAML file.
        out: parent folder of the results.
        target, precision, images, restarts, seed: replace those of the file.
        data_dir, model_dir: folders of data sets and weights.
        here: whether the attack runs on this machine; False keeps bfloat16 for another one.

    Raises:
        InputError: the config is invalid, or weights or images are missing or damaged.
    """
    if target == "":
        raise InputError("target: must be FOLDER/NAME or a model of your own, got ''")
    if restarts is not None and restarts > MOST_RESTARTS:
        raise InputError(f"restarts: must be at most {MOST_RESTARTS:,}, got {restarts:,}")
    if seed is not None and seed >= 2**31:
        raise InputError(f"seed: must be less than {2**31:,}, got {seed:,}")
    changes = {"restarts": restarts, "seed": seed, "images": images}
    experiment = config.load(path, target).model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    reference = experiment.target if target is None else target
    options = {
        name: value
        for name in ("bounds", "data_format", "signature")
        if (value := getattr(experiment, name)) is not None
    }
    data = None
    if experiment.data is not None:
        data, notes = user_data.load(
            experiment.data,
            images=experiment.images,
            bounds=experiment.bounds,
            data_format=experiment.data_format,
            split=experiment.split,
            data_dir=data_dir,
        )
        for note in notes:
            message = f"{experiment.data}: {note.message} [{note.code}]"
            warnings.warn(message, NoteWarning, stacklevel=2)
    if user_models.of_project(reference):
        load = targets.loader(reference, model_dir)
        if options:
            names = ", ".join(options)
            raise InputError(f"{experiment.name}: {names}: {reference} has no such option")
    elif data is None:
        raise InputError(
            f"{experiment.name}: data: is missing; {reference!r} needs a data set or a file"
        )
    else:
        load = partial(user_models.load, reference, image_shape=data.x.shape[1:], **options)
    loaded = load()
    about = {"config": path.stem}
    if reference != experiment.target:
        about["instead_of"] = experiment.target
        experiment = retarget(experiment, loaded.name, loaded.provenance)
    experiment = in_precision(experiment, precision, here)
    if data is None:
        data = targets.load_dataset(loaded.name, experiment.split, data_dir, experiment.images)
    return Prepared(experiment, loaded, load, data, out / experiment.name, about)


def retarget(experiment: Experiment, target: str, provenance: Provenance) -> Experiment:
    """The experiment on another target, with a new name and title.

    Args:
        experiment: the experiment of a config.
        target: name of the new target.
        provenance: origin of the weights.
    """
    name = f"{experiment.name}-{target.replace('/', '-')}"
    title = f"{experiment.title}; {target}"
    if any(row.paper is not None for row in experiment.rows):
        other = experiment.target if provenance == "original" else "the paper's weights"
        title = f"{experiment.title}; on {target}, not on {other}"
    return experiment.model_copy(update={"name": name, "title": title, "target": target})


def in_precision(experiment: Experiment, precision: Precision | None, here: bool) -> Experiment:
    """The experiment with a precision; float32 if this device has no bfloat16 instructions.

    Args:
        experiment: the experiment.
        precision: precision of the gradients in all rows; None for those of the rows.
        here: whether the attack runs on this device.
    """
    rows = []
    for row in experiment.rows:
        value = precision or row.attack.precision
        if value == "bfloat16" and here and not device.fast_bfloat16():
            warnings.warn(
                "bfloat16: this device has no instructions for it; float32 is used", stacklevel=2
            )
            value = "float32"
        rows.append(row.model_copy(update={"attack": row.attack.replace(precision=value)}))
    return experiment.model_copy(update={"rows": tuple(rows)})
