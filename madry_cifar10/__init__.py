"""MadryLab's CIFAR10 challenge: their three networks, and a narrow surrogate trained here."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from daa import Dataset, Target, assets
from daa.data import cifar10
from daa.loading import SURROGATE, Family
from madry_cifar10.model import BOUNDS, NARROW, WIDE, network, variables_of

TARGETS = {
    "natural": "w32-10 trained on natural images",
    "adv_trained": "w32-10 trained against PGD at eps 8/255, the public network of the challenge",
    "secret": "w32-10 trained against PGD at eps 8/255, the network of the leaderboard",
    "surrogate": "the narrow network of the same code, trained by this project; not the paper's",
}

_FAMILY = Family(
    folder=Path(__file__).parent,
    names=TARGETS,
    network=network,
    shapes=lambda name: variables_of(NARROW if name == SURROGATE else WIDE),
    image_shape=(32, 32, 3),
    classes=10,
    bounds=BOUNDS,
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
            folder, or `madry_cifar10/NAME` in the folder of the weights.
        dtype: tf.float32 or tf.bfloat16; the logits are float32.
        model_dir: folder of the weights; else `DAA_MODELS`, else the cache.

    Raises:
        InputError: an unknown name; weights that are missing, damaged or of another network.
    """
    return _FAMILY.load(name, path, dtype, model_dir)


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """CIFAR-10; see `daa.data.cifar10`. All of it, or the first `images`."""
    return cifar10(assets.data_dir(data_dir), split).first(images)
