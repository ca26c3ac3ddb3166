"""MadryLab's MNIST challenge: their three networks, and a surrogate trained by this project."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from daa import Dataset, InputError, Target, assets, checkpoints
from daa.data import mnist
from madry_mnist.model import VARIABLES, network

TARGETS = {
    "natural": "trained on natural images",
    "adv_trained": "trained against PGD at eps 0.3, the public network of the challenge",
    "secret": "trained against PGD at eps 0.3, the network of the leaderboard and of Table 1",
    "surrogate": "the same architecture trained by this project; not the paper's weights",
}

_SURROGATE = Path(__file__).parent / "weights" / "surrogate"


def load_target(
    name: str,
    path: str | Path | None = None,
    dtype: tf.DType = tf.float32,
    model_dir: str | Path | None = None,
) -> Target:
    """A network with its weights.

    Args:
        name: of `TARGETS`.
        path: of a TF1 checkpoint (prefix or folder) or an .npz file; else the surrogate's own
            folder, or `madry_mnist/NAME` in the folder of the weights.
        dtype: tf.float32 or tf.bfloat16; the logits are float32.
        model_dir: folder of the weights; else `DAA_MODELS`, else the cache.

    Raises:
        InputError: an unknown name; weights that are missing, damaged or of another network.
    """
    if name not in TARGETS:
        raise InputError(f"madry_mnist: expected one of {', '.join(TARGETS)}, got {name!r}")
    own = name == "surrogate"
    if path is None:
        path = _SURROGATE if own else assets.weights("madry_mnist", name, model_dir)
    constants, digest = checkpoints.load(path, VARIABLES, dtype)
    return Target(
        name=f"madry_mnist/{name}",
        network=network(constants),
        image_shape=(28, 28, 1),
        classes=10,
        weights="surrogate" if own else "original",
        weights_sha256=digest,
        half=lambda: network(checkpoints.cast(constants, tf.bfloat16)),
    )


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """MNIST; see `daa.data.mnist`. All of it, or the first `images`."""
    return mnist(assets.data_dir(data_dir), split).first(images)
