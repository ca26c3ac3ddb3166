"""MadryLab's MNIST challenge: their three networks, and a surrogate trained by this project."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from daa import Dataset, Target, assets
from daa.data import mnist
from daa.loading import Family
from madry_mnist.model import VARIABLES, network

TARGETS = {
    "natural": "trained on natural images",
    "adv_trained": "trained against PGD at eps 0.3, the public network of the challenge",
    "secret": "trained against PGD at eps 0.3, the network of the leaderboard and of Table 1",
    "surrogate": "the same architecture trained by this project; not the paper's weights",
}

_FAMILY = Family(
    folder=Path(__file__).parent,
    names=TARGETS,
    network=network,
    shapes=lambda _: VARIABLES,
    image_shape=(28, 28, 1),
    classes=10,
)


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
    return _FAMILY.load(name, path, dtype, model_dir)


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """MNIST; see `daa.data.mnist`. All of it, or the first `images`."""
    return mnist(assets.data_dir(data_dir), split).first(images)
