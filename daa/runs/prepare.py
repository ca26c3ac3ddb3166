"""Loads the config, the target and the images of an experiment."""

import re
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daa import targets
from daa.errors import InputError, require
from daa.runs import config, device
from daa.runs.config import Experiment
from daa.target import Dataset, NoteWarning, Precision, Target
from daa.targets import user_data, user_models


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment, ready to run; `load` loads the target in another process."""

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
    """Reads a config, and loads the target and the images; results go into a folder of `out`."""
    if target == "":
        raise InputError("target: must be FOLDER/NAME or a model of your own, got ''")
    replaced = {"restarts": restarts, "seed": seed, "images": images}
    fields = dict(config.load(path, target))
    fields |= {name: value for name, value in replaced.items() if value is not None}
    experiment = config.check(Experiment, fields, "options")
    reference = experiment.target if target is None else target
    data, last = None, experiment.images and experiment.skip + experiment.images
    if experiment.data is not None:
        same = {name: fields[name] for name in ("bounds", "data_format", "split")}
        data, notes = user_data.load(experiment.data, images=last, data_dir=data_dir, **same)
        for note in notes:
            text = f"{experiment.data}: {note.message} [{note.code}]"
            warnings.warn(text, NoteWarning, stacklevel=2)
    names = ("bounds", "data_format", "signature", "output", "mean", "std")
    options = {name: fields[name] for name in names}
    if user_models.of_project(reference):
        load = targets.loader(reference, model_dir)
        for name, value in options.items():
            require(value is None, f"{path}: {name}", f"no such option for {reference}", value)
    elif data is None:
        raise InputError(
            f"{path}: target: {reference!r} is no target, whose folders are "
            f"{', '.join(targets.folders())}; a model of your own also needs `data` in the config"
        )
    else:
        load = partial(user_models.load, reference, image_shape=data.x.shape[1:], **options)
    if data is None and targets.exists(experiment.target):
        _check_data(path, experiment, reference)
    loaded = load()
    about = {"config": path.stem}
    if reference != experiment.target:
        about["instead_of"] = experiment.target
        experiment = retarget(experiment, loaded.name)
    experiment = in_precision(experiment, precision, here)
    if data is None:
        data = targets.load_dataset(loaded.name, experiment.split, data_dir, last)
    data = data.after(experiment.skip)
    return Prepared(experiment, loaded, load, data, out / experiment.name, about)


def _check_data(path: Path, experiment: Experiment, target: str) -> None:
    """Refuses a target of another data set if the title or the paper's numbers would be wrong."""
    before, after = (targets.family(name).dataset.name for name in (experiment.target, target))
    fields = (pair for part in (experiment, *experiment.rows) for pair in part)
    paper = {"paper", "paper_top5", "paper_tests", "merged_paper", "certified"}
    paper &= {name for name, value in fields if value is not None}
    title = re.sub(r"[\W_]", "", experiment.title.lower())
    if before != after and (paper or before.replace("_", "") in title):
        what = "paper's numbers belong" if paper else "title belongs"
        raise InputError(
            f"{path}: the {what} to {before}, but {target} is for {after}; copy the config and "
            "change it"
        )


def retarget(experiment: Experiment, target: str) -> Experiment:
    """The experiment of a config on another target, with a new name; reports add the target."""
    name = f"{experiment.name}-{target.replace('/', '-')}"
    return experiment.model_copy(update={"name": name, "target": target})


def in_precision(experiment: Experiment, precision: Precision | None, here: bool) -> Experiment:
    """The experiment with a precision in all rows; None keeps the precisions of the rows.

    If the attack runs `here` and this device has no bfloat16 instructions, float32 replaces it.
    """
    rows = []
    for row in experiment.rows:
        value = precision or row.attack.precision
        if value == "bfloat16" and here and not device.fast_bfloat16():
            text = "bfloat16: this device has no instructions for it; float32 is used"
            warnings.warn(text, stacklevel=2)
            value = "float32"
        rows.append(row.model_copy(update={"attack": row.attack.replace(precision=value)}))
    return experiment.model_copy(update={"rows": tuple(rows)})
