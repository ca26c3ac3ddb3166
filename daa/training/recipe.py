"""Recipe of an adversarial training, read from a YAML file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from daa.attacks.balls import BALLS
from daa.attacks.components import checked
from daa.runs import config
from daa.runs.config import Length
from daa.target import Precision

_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[Length, Field(gt=0, allow_inf_nan=False)]


class TrainConfig(BaseModel):
    """Recipe of an adversarial training. Lengths are in the unit of images in [0, 1].

    Args:
        target: Network to train, `folder/name`.
        eps: Radius of the ball.
        norm: Norm of the ball, a row of `daa.attacks.balls.BALLS`: linf or l2.
        step_size, steps: PGD attack on each minibatch. One step of 1.25 eps is fast adversarial
            training (Wong, Rice and Kolter 2020).
        epochs: Passes over the training images.
        batch_size: Images per update.
        optimizer: adam, or momentum (SGD with momentum 0.9).
        learning_rate: Highest learning rate.
        schedule: cosine (rises over the first fifth, falls to a hundredth), constant, or steps (a
            tenth after half, a hundredth after three quarters of all updates).
        weight_decay: Factor of half the squared kernels in the loss.
        ramp: Fraction of the training over which eps and step_size rise from 0.
        augment: Random crops with 4 pixels of padding, and mirrored images.
        precision: Precision of the attack's gradients; updates are always computed in float32.
        holdout: Number of the last training images that are not trained on, for the accuracies
            after each epoch.
        patience: Stop after this many epochs without a better PGD accuracy on the held-out images;
            None never stops early.
        seed: Seed of the initial weights, the shuffles and the starts.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    target: str
    eps: _Positive
    norm: str = "linf"
    step_size: _Positive
    steps: _Count
    epochs: _Count
    batch_size: _Count = 50
    optimizer: Literal["adam", "momentum"] = "adam"
    learning_rate: _Positive = 1e-3
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    weight_decay: Annotated[Length, Field(ge=0, allow_inf_nan=False)] = 0.0
    ramp: Annotated[Length, Field(ge=0, le=1)] = 0.0
    augment: bool = False
    precision: Precision = "float32"
    holdout: Annotated[int, Field(ge=0)] = 0
    patience: _Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_ball(self) -> "TrainConfig":
        BALLS[checked("norm", self.norm, Literal[tuple(BALLS)])].radius(self.eps)
        return self


def load(path: Path) -> TrainConfig:
    """Reads a recipe. InputError names the file and the first wrong key."""
    return config.check(TrainConfig, config.read_yaml(path), str(path))
