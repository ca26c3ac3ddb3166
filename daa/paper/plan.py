"""The experiments of the paper with the weights and data that are available."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daa import targets
from daa.errors import InputError
from daa.paper import claims
from daa.paper.claims import Entry
from daa.runs import prepare
from daa.runs.config import Experiment
from daa.target import Dataset, Precision
from daa.targets import fetch


@dataclass(frozen=True)
class Options:
    """The options of the command; None for the numbers of the paper and of each config.

    `only` names data sets. With `substitutes`, other networks replace those without weights. With
    `here`, the attacks run on this machine, so its processor must support their precision.
    """

    out: Path
    data_dir: str | None = None
    model_dir: str | None = None
    only: tuple[str, ...] = ()
    precision: Precision | None = None
    images: int | None = None
    restarts: int | None = None
    substitutes: bool = False
    here: bool = True


@dataclass(frozen=True)
class Task:
    """An entry of the paper with the experiment of this run, and the one that its config has.

    `missing_weights` and `missing_data` say why it cannot run; they are empty if it can.
    """

    entry: Entry
    experiment: Experiment
    original: Experiment
    missing_weights: str = ""
    missing_data: str = ""

    @property
    def missing(self) -> str:
        return self.missing_weights or self.missing_data

    @property
    def substituted(self) -> bool:
        """Whether another network is attacked than the paper's."""
        return self.experiment.target != self.original.target

    @property
    def needed(self) -> tuple[int, int]:
        """Images and restarts that a verdict needs: those of the paper, or of the substitute."""
        restarts, substitute = self.original.restarts, self.entry.substitute
        if self.substituted and substitute is not None:
            return substitute.images, min(substitute.restarts, restarts)
        return self.entry.images, restarts


def tasks(options: Options, log: Callable[[str], None] = print) -> list[Task]:
    """The selected tasks. Missing weights and data sets are downloaded if possible."""

    def missing(look: Callable[[], object], name: str, title: str) -> str:
        """Why files cannot be read, even after a download; empty if they can."""
        advice = ""
        try:
            look()
            return ""
        except InputError as error:
            reason: Exception = error
        if name in fetch.names():
            try:
                fetch.fetch(fetch.parcel(name, options.data_dir, options.model_dir))
                look()
                log(f"downloaded: {title}")
                return ""
            except (InputError, OSError) as error:
                reason, advice = error, f"; get it with `daa fetch {name}`"
        log(f"missing: {title}: {reason}{advice}")
        return f"no {title}"

    @functools.cache
    def missing_weights(reference: str) -> str:
        family, name = targets.family(reference), reference.partition("/")[2]
        find = functools.partial(family.find_weights, name, options.model_dir)
        if text := missing(find, reference, f"weights of {reference}"):
            return text
        try:
            family.read_weights(name, find())
        except InputError as error:  # a download must not overwrite the user's files
            log(f"unusable: weights of {reference}: {error}")
            return f"no usable weights of {reference}"
        return ""

    @functools.cache
    def missing_data(reference: str, images: int | None) -> str:
        name = targets.family(reference).dataset.name
        load = functools.partial(load_images, reference, options.data_dir, images)
        return missing(load, name, f"data set {name}")

    def task(entry: Entry) -> Task:
        original = experiment = claims.load(entry.config)
        images, restarts = original.images, original.restarts
        weights, substitute = missing_weights(original.target), entry.substitute
        if weights and options.substitutes and substitute is not None:
            experiment = claims.load(entry.config, substitute.target)
            experiment = prepare.retarget(experiment, substitute.target)
            images, restarts = substitute.images, min(substitute.restarts, restarts)
            weights = missing_weights(substitute.target)
        elif weights and options.substitutes:
            weights += ", and no substitute network"
        limits = {
            "images": min(filter(None, (images, options.images)), default=None),
            "restarts": min(restarts, options.restarts or restarts),
        }
        experiment = experiment.model_copy(update=limits)
        data = "" if weights else missing_data(experiment.target, experiment.images)
        if not weights and not data:
            experiment = prepare.in_precision(experiment, options.precision, options.here)
        return Task(entry, experiment, original, weights, data)

    return [task(entry) for entry in claims.select(options.only)]


@functools.lru_cache(maxsize=8)
def load_images(reference: str, data_dir: str | None, images: int | None) -> Dataset:
    """The first images of a network's test set; cached, because several tables share them."""
    return targets.load_dataset(reference, "test", data_dir, images)
