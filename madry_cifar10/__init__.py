"""MadryLab's CIFAR10 challenge: three original networks, and a narrow surrogate of this project."""

from functools import partial
from pathlib import Path

from daa.targets import DATASETS, Family, Published, TargetRow, archive, surrogate
from madry_cifar10.model import NARROW, WIDE
from madry_cifar10.small import SMALL

_DROPBOX = "https://www.dropbox.com/s"
_original = partial(TargetRow, model=WIDE, provenance="original", eps=8 / 255)

FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DATASETS["cifar10"],
    targets={
        "natural": _original(
            "w32-10 trained on natural images",
            source=archive(f"{_DROPBOX}/cgzd5odqoojvxzk/natural.zip?dl=1"),
        ),
        "adv_trained": _original(
            "w32-10 trained against PGD at eps 8/255, the public network of the challenge",
            source=archive(f"{_DROPBOX}/g4b6ntrp8zrudbz/adv_trained.zip?dl=1"),
        ),
        "secret": _original(
            "w32-10 trained against PGD at eps 8/255, the network of the leaderboard",
            clean=Published(0.8714, "Croce and Hein 2020, AutoAttack's README"),
            source=archive(
                f"{_DROPBOX}/ywc0hg8lr5ba8zd/secret.zip?dl=1",
                "555be6e892372599380c9da5d5f9802f9cbd098be8a47d24d96937a002305fd4",
            ),
        ),
        "surrogate": surrogate(
            "the narrow network of the same code, trained by this project; not the paper's",
            NARROW,
            8 / 255,
        ),
        "own_l2": TargetRow(
            "a small network trained by this project against L2 PGD at eps 0.5",
            model=SMALL,
            provenance="own",
            eps=0.5,
            norm="l2",
            weights="weights/own_l2.npz",
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
