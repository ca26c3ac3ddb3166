"""Adversarially trained Inception-ResNet-v2 on ImageNet."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from daa import Dataset, InputError, Target, assets
from daa.loading import Family
from imagenet_ens.images import SIZE, imagenet
from imagenet_ens.model import BOUNDS, CLASSES, VARIABLES, network

TARGETS = {
    "ens_adv": "ensemble adversarially trained (Tramer et al. 2018), the paper's target",
    "adv": "adversarially trained (Kurakin et al. 2017)",
}

_FAMILY = Family(
    folder=Path(__file__).parent,
    names=TARGETS,
    network=network,
    shapes=lambda _: VARIABLES,
    image_shape=(SIZE, SIZE, 3),
    classes=CLASSES,
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
        path: of a TF1 checkpoint (prefix or folder) or an .npz file; else `imagenet_ens/NAME` in
            the folder of the weights.
        dtype: tf.float32 or tf.bfloat16; the logits are float32.
        model_dir: folder of the weights; else `DAA_MODELS`, else the cache.

    Raises:
        InputError: an unknown name; weights that are missing, damaged or of another network.
    """
    return _FAMILY.load(name, path, dtype, model_dir)


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """ImageNet's validation images ("test"); see `imagenet_ens.images.imagenet`.

    Raises:
        InputError: another split.
    """
    if split != "test":
        raise InputError(f"imagenet_ens: split: expected test, got {split!r}")
    return imagenet(assets.data_dir(data_dir), images)
