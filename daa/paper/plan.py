"""What is there, what is missing and how to get it, and so what is run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daa import targets
from daa.errors import InputError
from daa.paper import claims as numbers
from daa.paper.claims import Entry
from daa.runs import setup
from daa.runs.config import Experiment
from daa.target import Dataset, Precision
from daa.targets import fetch


@dataclass(frozen=True)
class Options:
    """What a user may ask for.

    Args:
        out: folder of records and report.
        data_dir, model_dir: folders of data sets and weights.
        only: parts of the paper; empty for all.
        precision: of the gradients; None for those of the configs.
        images, restarts: at most so many; None for those of the paper.
        steps: instead of those of the configs, in a rehearsal.
        stand_ins: attack other networks where the original weights are missing.
        fetch: download what is missing.
        here: the attacks run on this machine, so it must have instructions for their precision.
    """

    out: Path
    data_dir: str | None = None
    model_dir: str | None = None
    only: tuple[str, ...] = ()
    precision: Precision | None = None
    images: int | None = None
    restarts: int | None = None
    steps: int | None = None
    stand_ins: bool = False
    fetch: bool = True
    here: bool = True

    @property
    def rehearsal(self) -> bool:
        """Whether the numbers mean nothing."""
        return self.steps is not None


@dataclass(frozen=True)
class Task:
    """A table, a figure or a sentence of the paper, as it is run now.

    Args:
        entry: of the paper.
        experiment: with the target, precision, images and restarts that are used now.
        config: target of the config, images and restarts that the paper took.
        missing: why it can't be run; empty where it can.
    """

    entry: Entry
    experiment: Experiment
    config: Experiment
    missing: str = ""

    @property
    def stand_in(self) -> bool:
        """Whether another network is attacked than the paper's."""
        return self.experiment.target != self.config.target

    def folder(self, out: Path) -> Path:
        """Of its records."""
        return out / self.experiment.name

    @property
    def about(self) -> dict[str, str]:
        """What its records say beside the results."""
        instead = {"instead_of": self.config.target} if self.stand_in else {}
        return {"config": self.entry.config, **instead}


def tasks(options: Options, say: Callable[[str], None] = print) -> list[Task]:
    """All tables, figures and sentences that were asked for, with what keeps them from being run.

    Args:
        options: of the user.
        say: takes what is fetched or missing.

    Raises:
        InputError: as `check`.
    """
    check(options)
    here = _Here(options, say)
    return [_task(entry, options, here) for entry in numbers.chosen(options.only)]


def check(options: Options) -> None:
    """Refuses mistakes of a user.

    Raises:
        InputError: an unknown part of the paper; a named folder that is not there, which is not one
            in which everything is missing.
    """
    numbers.chosen(options.only)
    fetch.data_folder(options.data_dir)
    fetch.model_folder(options.model_dir)


def _task(entry: Entry, options: Options, here: _Here) -> Task:
    original = numbers.load(entry.config)
    missing = here.weights(original.target)
    experiment, most, restarts = original, original.images, original.restarts
    if missing and options.stand_ins and entry.stand_in is not None:
        target = entry.stand_in.target
        experiment = numbers.load(entry.config, target)
        experiment = setup.aimed_elsewhere(experiment, target, targets.row(target).provenance)
        most, restarts = entry.stand_in.images, min(entry.stand_in.restarts, restarts)
        missing = here.weights(target)
    elif missing and options.stand_ins:
        missing += "; nothing stands in for them there"
    images = min(filter(None, (most, options.images)), default=None)
    restarts = min(restarts, options.restarts or restarts)
    changed = {"images": images, "restarts": restarts}
    experiment = experiment.model_copy(update=changed)
    if options.steps:
        experiment = _shortened(experiment, options.steps)
    if not missing:
        missing = here.data(experiment.target, images)
    if not missing:
        experiment = setup.in_precision(experiment, options.precision, options.here)
    return Task(entry, experiment, original, missing)


def _shortened(experiment: Experiment, steps: int) -> Experiment:
    """The experiment with a few steps."""
    rows = []
    for row in experiment.rows:
        wanted = {"steps": steps, "steps_per_shuffle": 1}
        fits = {name: value for name, value in wanted.items() if row.attack.reads(name)}
        rows.append(row.model_copy(update={"attack": row.attack.replace(**fits)}))
    return experiment.model_copy(update={"rows": tuple(rows)})


class _Here:
    """Looks once for each network and each data set."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self.weights = functools.cache(self._weights)
        self.data = functools.cache(self._data)

    def _weights(self, reference: str) -> str:
        """Why a network can't be loaded; empty where it can."""
        name, model_dir = reference.partition("/")[2], self._options.model_dir
        family, what = targets.family(reference), f"weights of {reference}"
        missing = self._look(lambda: family.find_weights(name, model_dir), reference, what)
        if missing:
            return missing
        try:
            family.read_weights(name, family.find_weights(name, model_dir))
        except InputError as error:  # what a user put there is not overwritten by a download
            self._say(f"can't be used: {what}: {error}")
            return f"no usable {what}"
        return ""

    def _data(self, reference: str, images: int | None) -> str:
        """Why the images of a network can't be loaded; empty where they can."""
        dataset = targets.family(reference).dataset
        return self._look(
            lambda: load_images(reference, self._options.data_dir, images),
            dataset.name,
            f"data set {dataset.name}",
        )

    def _look(self, look: Callable[[], object], name: str, what: str) -> str:
        try:
            look()
            return ""
        except InputError as error:
            why = str(error)
        if self._options.fetch and name in fetch.names():
            try:
                fetch.fetch(fetch.parcel(name, self._options.data_dir, self._options.model_dir))
                look()
                self._say(f"fetched: {what}")
                return ""
            except (InputError, OSError) as error:
                why = str(error)
        self._say(f"missing: {what}: {why}")
        return f"no {what}"


@functools.lru_cache(maxsize=8)
def load_images(reference: str, data_dir: str | None, images: int | None) -> Dataset:
    """The first images of the test set of a network; kept, as several tables share them."""
    return targets.load_dataset(reference, "test", data_dir, images)
