"""Parts of a target folder: architectures, targets, a data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Dataset, Provenance, Target
from daa.targets import checkpoints
from daa.targets.datasets import DatasetRow
from daa.targets.fetch import Source, model_folder
from daa.tensorflow import tf

Variables = Mapping[str, "tf.Tensor"]
Network = Callable[["tf.Tensor"], "tf.Tensor"]
_half = partial(checkpoints.cast, dtype="bfloat16")
_UNIT = Bounds(0.0, 1.0)
# Called with the scope, the mean and the variance of each batch normalisation.
OnMoments = Callable[[str, "tf.Tensor", "tf.Tensor"], None]


@dataclass(frozen=True)
class Model:
    """An architecture.

    Args:
        network: variables -> network, a function of native pixels [N, H, W, C] float32 to logits
            [N, K] float32, computed in the type of the variables.
        variables: {name: shape}, as in files of weights.
        image_shape: (H, W, C).
        classes: number of classes, K.
        bounds: native range of the pixels.
        initialize: random number generator -> initial variables; None without a training recipe.
        training_network: (variables, on_moments) -> the network in training mode, which normalises
            with the moments of the minibatch and reports them; None if equal to `network`.
        convert: arrays of a file -> arrays for `network`.
        half: variables -> variables for a computation in bfloat16.
    """

    network: Callable[[Variables], Network]
    variables: Mapping[str, tuple[int, ...]]
    image_shape: tuple[int, int, int]
    classes: int = 10
    bounds: Bounds = _UNIT
    initialize: Callable[[np.random.Generator], dict[str, np.ndarray]] | None = None
    training_network: Callable[[Variables, OnMoments], Network] | None = None
    convert: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]] = dict
    half: Callable[[Variables], Variables] = _half

    def target(self, name: str, arrays: Mapping[str, np.ndarray], **about: Any) -> Target:
        """A target with the arrays of a file of weights; `about` are further fields of it."""
        variables = checkpoints.cast(self.convert(arrays), "float32")
        about |= {"bounds": self.bounds, "half": lambda: self.network(self.half(variables))}
        return Target(name, self.network(variables), self.image_shape, self.classes, **about)


@dataclass(frozen=True)
class Published:
    """A published accuracy, in [0, 1], on the full test set."""

    accuracy: float
    source: str


@dataclass(frozen=True)
class TargetRow:
    """A target without its weights.

    Args:
        description: a few words.
        model: architecture.
        provenance: origin of the weights, as for `daa.Target`.
        eps: radius of the ball of attacks, for images in [0, 1].
        clean: published clean accuracy.
        robust: exact robust accuracy at `eps`, a lower bound for every valid attack.
        weights: .npz file or prefix of a checkpoint inside the target folder, for a network trained
            by this project.
        source: source of the weights.
        board: whether the living board ranks arrays for this target.
        norm: of the ball of attacks.
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
    norm: str = "linf"


def surrogate(description: str, model: Model, eps: float) -> TargetRow:
    """The row of a surrogate: a network of the paper's architecture trained by this project."""
    source = Source(note="a source checkout has the weights in FOLDER/weights/surrogate")
    weights = "weights/surrogate/model"
    return TargetRow(
        description, model, "surrogate", eps, weights=weights, source=source, board=True
    )


@dataclass(frozen=True)
class Family:
    """The targets of a folder; the folder of all weights has a folder of the same name."""

    folder: Path
    dataset: DatasetRow
    targets: Mapping[str, TargetRow]

    @property
    def name(self) -> str:
        return self.folder.name

    def row(self, name: str) -> TargetRow:
        require(name in self.targets, self.name, f"one of {', '.join(self.targets)}", name)
        return self.targets[name]

    def load_target(
        self, name: str, path: str | Path | None = None, model_dir: str | Path | None = None
    ) -> Target:
        """A network with its weights.

        Args:
            name: name of the target.
            path: weights: a TF1 checkpoint (prefix or folder), an .npz or a .pth file; None for
                `find_weights`.
            model_dir: folder of all weights; else `DAA_MODELS`, else the cache.

        Raises:
            InputError: unknown name; missing or damaged weights, or weights of another network.
        """
        row = self.row(name)
        path = self.find_weights(name, model_dir) if path is None else Path(path)
        arrays = self.read_weights(name, path)
        about = {"provenance": row.provenance, "weights_sha256": checkpoints.sha256(path)}
        return row.model.target(f"{self.name}/{name}", arrays, **about)

    def read_weights(self, name: str, path: Path) -> dict[str, np.ndarray]:
        """The checked arrays of a target in a file or checkpoint."""
        return checkpoints.select(checkpoints.read(path), self.row(name).model.variables, path)

    def load_dataset(
        self, split: str = "test", data_dir: str | Path | None = None, images: int | None = None
    ) -> Dataset:
        """The data set of the targets; arguments and errors as for `DatasetRow.load`."""
        return self.dataset.load(split, data_dir, images)

    def own_weights(self, name: str) -> Path:
        """The .npz file or prefix of a checkpoint inside the folder, for a network trained here."""
        weights = self.row(name).weights
        if weights is None:
            trained = ", ".join(k for k, row in self.targets.items() if row.weights) or "none here"
            raise InputError(
                f"{self.name}: expected a target that this project trains, {trained}, got {name!r}"
            )
        return self.folder / weights

    def find_weights(self, name: str, model_dir: str | Path | None = None) -> Path:
        """Path of the weights of a target.

        Networks trained by this project are inside the folder of a source checkout. All others,
        and these in an installed package, are in MODELS/FOLDER/NAME/, MODELS/FOLDER/NAME.npz or
        MODELS/FOLDER/NAME.pth. MODELS is the folder of all weights.
        """
        row = self.row(name)
        if row.weights and checkpoints.exists(self.own_weights(name)):
            return self.own_weights(name)
        folder = model_folder(model_dir) / self.name / name
        for path in (folder, folder.with_name(f"{name}.npz"), folder.with_name(f"{name}.pth")):
            if checkpoints.exists(path):
                return path
        download = f", or get them: daa fetch {self.name}/{name}" if row.source else ""
        raise InputError(
            f"{folder}: expected the weights of {self.name}/{name}, got none; set DAA_MODELS to "
            f"the folder that holds {self.name}{download}"
        )


def he_normal(
    rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """He-normal kernels (He et al. 2015) and zero biases in TensorFlow's layout."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.0
        arrays[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
    return arrays
