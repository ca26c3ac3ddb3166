"""MadryLab's CIFAR10 challenge: three original networks, and a narrow surrogate of this project."""

from __future__ import annotations

from pathlib import Path

from daa.targets import DATASETS, SURROGATE, Family, Published, TargetRow, archive
from madry_cifar10.model import NARROW, WIDE

_DROPBOX = "https://www.dropbox.com/s"

FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DATASETS["cifar10"],
    targets={
        "natural": TargetRow(
            "w32-10 trained on natural images",
            model=WIDE,
            provenance="original",
            eps=8 / 255,
            source=archive(f"{_DROPBOX}/cgzd5odqoojvxzk/natural.zip?dl=1"),
        ),
        "adv_trained": TargetRow(
            "w32-10 trained against PGD at eps 8/255, the public network of the challenge",
            model=WIDE,
            provenance="original",
            eps=8 / 255,
            source=archive(f"{_DROPBOX}/g4b6ntrp8zrudbz/adv_trained.zip?dl=1"),
        ),
        "secret": TargetRow(
            "w32-10 trained against PGD at eps 8/255, the network of the leaderboard",
            model=WIDE,
            provenance="original",
            eps=8 / 255,
            clean=Published(0.8714, "Croce and Hein 2020, AutoAttack's README"),
            source=archive(
                f"{_DROPBOX}/ywc0hg8lr5ba8zd/secret.zip?dl=1",
                "555be6e892372599380c9da5d5f9802f9cbd098be8a47d24d96937a002305fd4",
            ),
        ),
        "surrogate": TargetRow(
            "the narrow network of the same code, trained by this project; not the paper's",
            model=NARROW,
            provenance="surrogate",
            eps=8 / 255,
            weights="weights/surrogate/model",
            source=SURROGATE,
            board=True,
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
