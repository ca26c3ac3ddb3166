"""MadryLab's MNIST challenge: three original networks, and a surrogate of this project."""

from functools import partial
from pathlib import Path

from daa.targets import DATASETS, Family, Published, TargetRow, archive, surrogate
from madry_mnist.model import MODEL

_CHALLENGE = "https://github.com/MadryLab/mnist_challenge_models/raw/master"
_original = partial(TargetRow, model=MODEL, provenance="original", eps=0.3)

FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DATASETS["mnist"],
    targets={
        "natural": _original(
            "trained on natural images", source=archive(f"{_CHALLENGE}/natural.zip")
        ),
        "adv_trained": _original(
            "trained against PGD at eps 0.3, the public network of the challenge",
            source=archive(f"{_CHALLENGE}/adv_trained.zip"),
        ),
        "secret": _original(
            "trained against PGD at eps 0.3, the network of the leaderboard and of Table 1",
            clean=Published(0.9853, "Croce and Hein 2020, AutoAttack's README"),
            source=archive(
                f"{_CHALLENGE}/secret.zip",
                "14eea09c72092db5c2eb5e34cd105974f42569281d2f34826316e356d057f96d",
            ),
        ),
        "surrogate": surrogate(
            "the same architecture trained by this project; not the paper's weights", MODEL, 0.3
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
