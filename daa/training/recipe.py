"""The recipe of an adversarial training, as its YAML file describes it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from daa.attacks import ball, components
from daa.errors import InputError, is_whole, require
from daa.runs import documents
from daa.runs.config import fraction
from daa.target import Precision


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Lengths are in the unit of images in [0, 1].

    Args:
        target: `folder/name` that is trained.
        eps: radius of the L-infinity ball.
        step_size, steps: of the PGD attack on each minibatch; one step of 1.25 eps is fast
            adversarial training (Wong, Rice and Kolter 2020).
        epochs: passes over the training images.
        batch_size: images per update.
        optimizer: adam, or momentum (SGD with momentum 0.9).
        learning_rate: the highest rate.
        schedule: cosine (rises over the first fifth, falls to a hundredth), constant, or steps (a
            tenth after half, a hundredth after three quarters of all updates).
        weight_decay: times half the squared kernels, added to the loss.
        ramp: part of the training over which eps and step_size rise from 0.
        augment: random crops from 4 pixels of padding, and mirrored images.
        precision: of the attack's gradients; the update is always computed in float32.
        holdout: number of the last training images that are kept out, for the accuracies after
            each epoch.
        patience: stop after so many epochs without a better PGD accuracy on the images kept out;
            None never stops early.
        seed: of the first weights, the shuffles and the starts.

    Raises:
        InputError: a value that can't work; names the field.
    """

    target: str
    eps: float
    step_size: float
    steps: int
    epochs: int
    batch_size: int = 50
    optimizer: Literal["adam", "momentum"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    weight_decay: float = 0.0
    ramp: float = 0.0
    augment: bool = False
    precision: Precision = "float32"
    holdout: int = 0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        from_zero = ("holdout", "seed")  # the other whole numbers are at least 1
        for name, kind in get_type_hints(TrainConfig).items():
            value = getattr(self, name)
            if name not in from_zero:
                wrong = components.mismatch(value, kind)
                require(wrong is None, name, str(wrong), value)
        for name in from_zero:
            value = getattr(self, name)
            require(is_whole(value) and value >= 0, name, "a whole number >= 0", value)
        require(isinstance(self.target, str), "target", "FOLDER/NAME", self.target)
        ball.radius(self.eps)
        for name in ("step_size", "learning_rate"):
            require(getattr(self, name) > 0, name, "a number > 0", getattr(self, name))
        require(self.weight_decay >= 0, "weight_decay", "a number >= 0", self.weight_decay)
        require(0 <= self.ramp <= 1, "ramp", "0 <= ramp <= 1", self.ramp)


def load(path: Path) -> TrainConfig:
    """Reads and checks the YAML file of a training.

    Raises:
        InputError: a file that is not readable, an unknown or a missing key, or a value that can't
            work; the message names file and key.
    """
    raw: Any = documents.read(path)
    require(isinstance(raw, dict), str(path), "a mapping with target, eps, steps, ...", raw)
    known = {field.name: field.default for field in fields(TrainConfig)}
    for key in raw:
        require(key in known, str(path), f"one of {', '.join(known)}", key)
    for key, default in known.items():
        require(key in raw or default is not MISSING, f"{path}: {key}", "a value", None)
    values: dict[str, Any] = {key: fraction(value) for key, value in raw.items()}
    try:
        return TrainConfig(**values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
