"""What the folders of MadryLab's, the authors' and slim's networks share: checkpoint to target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf

from daa import assets, checkpoints
from daa.errors import InputError
from daa.target import Bounds, Target

SURROGATE = "surrogate"


@dataclass(frozen=True)
class Family:
    """The targets of one folder, whose weights are checkpoints of one network.

    Args:
        folder: of the package, which is also that below the folder of the weights.
        names: of the targets; "surrogate" lies in the package, in weights/surrogate.
        network: variables -> callable of native pixels.
        shapes: target's name -> {variable: shape}.
        image_shape: (H, W, C).
        classes: K.
        bounds: native range of the pixels.
    """

    folder: Path
    names: Mapping[str, str]
    network: Callable[[Mapping[str, tf.Tensor]], Callable[[tf.Tensor], tf.Tensor]]
    shapes: Callable[[str], Mapping[str, tuple[int, ...]]]
    image_shape: tuple[int, int, int]
    classes: int
    bounds: Bounds = field(default_factory=Bounds)

    def load(
        self, name: str, path: str | Path | None, dtype: tf.DType, model_dir: str | Path | None
    ) -> Target:
        """A target with its weights; arguments and errors are those of the folders' load_target."""
        folder = self.folder.name
        if name not in self.names:
            raise InputError(f"{folder}: expected one of {', '.join(self.names)}, got {name!r}")
        own = name == SURROGATE
        if path is None and own:
            path = self.folder / "weights" / SURROGATE
        path = path or assets.weights(folder, name, model_dir)
        constants, digest = checkpoints.load(path, self.shapes(name), dtype)
        return Target(
            name=f"{folder}/{name}",
            network=self.network(constants),
            image_shape=self.image_shape,
            classes=self.classes,
            bounds=self.bounds,
            weights="surrogate" if own else "original",
            weights_sha256=digest,
            half=lambda: self.network(checkpoints.cast(constants, tf.bfloat16)),
        )
