"""What a target folder is built from: an architecture, a row for each target, a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Dataset, Provenance, Target
from daa.targets import checkpoints, places
from daa.targets.datasets import DatasetRow
from daa.targets.sources import Source
from daa.tensorflow import tf

Variables = Mapping[str, "tf.Tensor"]
Network = Callable[["tf.Tensor"], "tf.Tensor"]
# Called with the scope, the mean and the variance of each batch normalisation.
OnMoments = Callable[[str, "tf.Tensor", "tf.Tensor"], None]


def _bfloat16(variables: Variables) -> Variables:
    return checkpoints.cast(variables, "bfloat16")


@dataclass(frozen=True)
class Model:
    """An architecture.

    Args:
        network: variables -> network, from native pixels [N, H, W, C] float32 to logits [N, K]
            float32, computed in the variables' type.
        variables: {name: shape}, as its files of weights hold them.
        image_shape: (H, W, C).
        classes: K.
        bounds: native range of the pixels.
        initialize: random number generator -> first variables of a training; None where this
            project doesn't train the network.
        training_network: (variables, on_moments) -> the network in training mode, which normalises
            with the moments of its minibatch and reports them; None where it is `network`.
        convert: arrays as a file holds them -> arrays as `network` takes them.
        half: variables -> those that `network` takes to compute in bfloat16.
    """

    network: Callable[[Variables], Network]
    variables: Mapping[str, tuple[int, ...]]
    image_shape: tuple[int, int, int]
    classes: int = 10
    bounds: Bounds = field(default_factory=Bounds)
    initialize: Callable[[np.random.Generator], dict[str, np.ndarray]] | None = None
    training_network: Callable[[Variables, OnMoments], Network] | None = None
    convert: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]] = dict
    half: Callable[[Variables], Variables] = _bfloat16


@dataclass(frozen=True)
class Published:
    """An accuracy on the whole test set that somebody published.

    Args:
        accuracy: in [0, 1].
        source: who published it.
    """

    accuracy: float
    source: str


@dataclass(frozen=True)
class TargetRow:
    """All that is known about one target.

    Args:
        description: what it is, in a few words.
        model: its architecture.
        provenance: where its weights come from, as for `daa.Target`.
        eps: radius of the L-infinity ball that it is attacked with, for images in [0, 1].
        clean: its accuracy on natural images; None where nobody published one.
        robust: its exact robust accuracy at `eps`, which no valid attack can get below; None where
            it is not known.
        weights: of a network that this project trained: its .npz file or the prefix of its
            checkpoint, inside the target folder.
        source: where its weights are downloaded from.
        board: whether the living board ranks arrays for it.
    """

    description: str
    model: Model
    provenance: Provenance
    eps: float
    clean: Published | None = None
    robust: Published | None = None
    weights: str | None = None
    source: Source | None = None
    board: bool = False


@dataclass(frozen=True)
class Family:
    """The targets of one folder.

    Args:
        folder: the folder; its name is also that of the folder inside the one of all weights.
        dataset: that its targets are evaluated on.
        targets: {name: row}.
    """

    folder: Path
    dataset: DatasetRow
    targets: Mapping[str, TargetRow]

    @property
    def name(self) -> str:
        """Of the folder, as in "madry_mnist"."""
        return self.folder.name

    def row(self, name: str) -> TargetRow:
        """The row of a target.

        Raises:
            InputError: an unknown name.
        """
        require(name in self.targets, self.name, f"one of {', '.join(self.targets)}", name)
        return self.targets[name]

    def load_target(
        self,
        name: str,
        path: str | Path | None = None,
        model_dir: str | Path | None = None,
    ) -> Target:
        """A network with its weights.

        Args:
            name: of the target.
            path: its weights: a TF1 checkpoint (prefix or folder), an .npz or a .pth file; else
                those that `find_weights` finds.
            model_dir: folder of all weights; else `DAA_MODELS`, else the cache.

        Raises:
            InputError: an unknown name; weights that are missing, damaged or of another network.
        """
        row = self.row(name)
        model = row.model
        path = self.find_weights(name, model_dir) if path is None else Path(path)
        arrays = self.read_weights(name, path)
        variables = checkpoints.cast(model.convert(arrays), "float32")
        return Target(
            name=f"{self.name}/{name}",
            network=model.network(variables),
            image_shape=model.image_shape,
            classes=model.classes,
            bounds=model.bounds,
            provenance=row.provenance,
            weights_sha256=checkpoints.sha256(path),
            half=lambda: model.network(model.half(variables)),
        )

    def read_weights(self, name: str, path: Path) -> dict[str, np.ndarray]:
        """The arrays of a target out of a file or checkpoint, checked.

        Args:
            name: of the target.
            path: of its weights.

        Raises:
            InputError: an unknown name; weights that are damaged or of another network.
        """
        return checkpoints.select(checkpoints.read(path), self.row(name).model.variables, path)

    def load_dataset(
        self,
        split: str = "test",
        data_dir: str | Path | None = None,
        images: int | None = None,
    ) -> Dataset:
        """The data set of this folder's targets.

        Args:
            split: "test", or "train" where the data set has one.
            data_dir: folder of all data sets; else `DAA_DATA`, else the cache.
            images: how many of the first images; None for all.

        Raises:
            InputError: an unknown split, files that are missing or damaged, fewer images than
                asked for.
        """
        return self.dataset.load(split, data_dir, images)

    def own_weights(self, name: str) -> Path:
        """Where a training of this project puts the weights of a target: inside the folder.

        Returns:
            An .npz file or the prefix of a checkpoint.

        Raises:
            InputError: an unknown name, or a network that this project doesn't train.
        """
        weights = self.row(name).weights
        if weights is None:
            trained = ", ".join(k for k, row in self.targets.items() if row.weights) or "none here"
            raise InputError(
                f"{self.name}: expected a target that this project trains, {trained}, got {name!r}"
            )
        return self.folder / weights

    def find_weights(self, name: str, model_dir: str | Path | None = None) -> Path:
        """The weights of a target.

        A network that this project trained has them inside the folder. An installed package comes
        without the large ones, so they are looked for where all others are: in
        MODELS/FOLDER/NAME/, MODELS/FOLDER/NAME.npz and MODELS/FOLDER/NAME.pth, where MODELS is the
        folder of all weights.

        Raises:
            InputError: an unknown name, or none of these is there.
        """
        if self.row(name).weights and checkpoints.exists(self.own_weights(name)):
            return self.own_weights(name)
        place = places.model_dir(model_dir) / self.name / name
        for path in (place, place.with_name(f"{name}.npz"), place.with_name(f"{name}.pth")):
            if checkpoints.exists(path):
                return path
        fetched = f", or get them: daa fetch {self.name}/{name}" if self.row(name).source else ""
        raise InputError(
            f"{place}: expected the weights of {self.name}/{name}, got none; set DAA_MODELS to the "
            f"folder that holds {self.name}{fetched}"
        )
