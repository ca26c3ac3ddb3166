"""Handwritten digits of 8 x 8 pixels and a small network trained on them, for tests only."""

import hashlib
from pathlib import Path

import numpy as np

from daa import Dataset
from daa.targets import DatasetRow, Family, TargetRow
from tiny.model import MODEL

_TRAIN = 1297


def _read(_folder: Path, split: str, _images: int | None) -> Dataset:
    """The first 1,297 digits are the training set, the last 500 the test set."""
    part = slice(None, _TRAIN) if split == "train" else slice(_TRAIN, None)
    with np.load(Path(__file__).parent / "digits.npz") as file:
        x = (file["x"][part, :, :, None] / 16).astype(np.float32)
        y = file["y"][part].astype(np.int64)
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    return Dataset(f"digits/{split}", x, y, digest)


FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DatasetRow("digits", _read),
    targets={
        "cnn": TargetRow(
            "adversarially trained with PGD, eps 0.15",
            model=MODEL,
            provenance="own",
            eps=0.15,
            weights="weights/cnn.npz",
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
