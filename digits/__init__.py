"""Handwritten digits of scikit-learn and a small network trained on them by this project."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from daa import Dataset, InputError, Target, checkpoints
from digits.model import VARIABLES, network

TARGETS = {"cnn": "adversarially trained with PGD, eps 0.15"}

_WEIGHTS = Path(__file__).parent / "weights"
_TRAIN = 1297


def load_target(
    name: str,
    path: str | Path | None = None,
    dtype: tf.DType = tf.float32,
    model_dir: object = None,
) -> Target:
    """The network with its committed weights, or with those of an .npz file at `path`.

    Raises:
        InputError: an unknown name, or a file without the network's arrays.
    """
    del model_dir  # the weights are part of this folder
    if name not in TARGETS:
        raise InputError(f"digits: expected one of {', '.join(TARGETS)}, got {name!r}")
    constants, digest = checkpoints.load(path or _WEIGHTS / f"{name}.npz", VARIABLES, dtype)
    return Target(
        name=f"digits/{name}",
        network=network(constants),
        image_shape=(8, 8, 1),
        classes=10,
        weights="own",
        weights_sha256=digest,
        half=lambda: network(checkpoints.cast(constants, tf.bfloat16)),
    )


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """The first 1,297 digits are the training set ("train"), the last 500 the test set ("test").

    Raises:
        InputError: another split.
    """
    del data_dir  # the data is part of scikit-learn
    from sklearn.datasets import load_digits

    if split not in ("train", "test"):
        raise InputError(f"digits: split: expected train or test, got {split!r}")
    bunch = load_digits()
    part = slice(None, _TRAIN) if split == "train" else slice(_TRAIN, None)
    x = (bunch.images[part, :, :, None] / 16).astype(np.float32)
    y = bunch.target[part].astype(np.int64)
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    return Dataset(f"digits/{split}", x, y, digest).first(images)
