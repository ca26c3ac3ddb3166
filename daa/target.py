"""What is attacked: a classifier, the native range of its pixels, where its weights come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from daa.errors import InputError

Weights = Literal["original", "third-party", "surrogate", "own"]


@dataclass(frozen=True)
class Bounds:
    """The range of pixel values a network was trained on, in its own unit."""

    lower: float = 0.0
    upper: float = 1.0


@dataclass(frozen=True)
class Target:
    """A classifier of images in [0, 1].

    Args:
        name: `folder/name`, as in `madry_mnist/secret`.
        network: native pixels [N, H, W, C] float32 -> logits [N, K] float32.
        image_shape: (H, W, C).
        classes: K.
        bounds: native range onto which [0, 1] is mapped. The chain rule then gives the factors
            (255 for CIFAR10) that the released scripts write by hand.
        weights: "original" (the paper's), "third-party" (somebody else's network), "surrogate" (the
            paper's architecture trained by this project) or "own" (a network of this project).
        weights_sha256: of the file the weights were read from.
        half: makes the same network in bfloat16, for gradients.
    """

    name: str
    network: Callable[[tf.Tensor], tf.Tensor]
    image_shape: tuple[int, int, int]
    classes: int
    bounds: Bounds = Bounds()
    weights: Weights = "own"
    weights_sha256: str | None = None
    half: Callable[[], Callable[[tf.Tensor], tf.Tensor]] | None = None

    def __post_init__(self) -> None:
        if self.weights not in get_args(Weights):
            raise InputError(
                f"{self.name}: weights: expected one of {', '.join(get_args(Weights))}, "
                f"got {self.weights!r}"
            )

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Logits of images in [0, 1]. [N, H, W, C] float32 -> [N, K] float32."""
        lower, upper = self.bounds.lower, self.bounds.upper
        if (lower, upper) != (0.0, 1.0):
            x = lower + (upper - lower) * x
        return self.network(x)


def in_precision(target: Target, precision: str) -> Target:
    """The target with its network in "float32", as it is, or in "bfloat16".

    Raises:
        InputError: a target that was made without `half`.
    """
    if precision == "float32":
        return target
    if target.half is None:
        raise InputError(f"{target.name}: precision: expected float32, got {precision!r}")
    return replace(target, network=target.half())


def predict(target: Target, x: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Logits of any number of images, computed in batches. [N, H, W, C] -> [N, K] float32."""
    compiled = tf.function(target.__call__, reduce_retracing=True)
    parts = [compiled(x[i : i + batch_size]).numpy() for i in range(0, len(x), batch_size)]
    return np.concatenate(parts)


def check_images(
    target: Target, x: np.ndarray, y: np.ndarray, labels_name: str = "y"
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as arrays that the target can take.

    Raises:
        InputError: another rank, shape or type, a value outside [0, 1] or not a number, a label
            that is no class of the target; names the first image and pixel.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 4 or x.shape[1:] != target.image_shape or len(x) == 0:
        expected = ["N >= 1", *target.image_shape]
        raise InputError(f"x: expected shape {expected} for {target.name}, got {list(x.shape)}")
    if x.dtype != np.float32:
        raise InputError(f"x: expected float32 images in [0, 1], got {x.dtype}")
    outside = ~((x >= 0) & (x <= 1))
    if outside.any():
        image, *pixel = (int(k) for k in np.argwhere(outside)[0])
        value = float(x[image][tuple(pixel)])
        raise InputError(f"x: image {image}, pixel {tuple(pixel)}: expected [0, 1], got {value!r}")
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise InputError(
            f"{labels_name}: expected {len(x)} integers, got {y.dtype} of shape {list(y.shape)}"
        )
    wrong = np.flatnonzero((y < 0) | (y >= target.classes))
    if len(wrong):
        expected = f"a class from 0 to {target.classes - 1}"
        raise InputError(f"{labels_name}: image {wrong[0]}: expected {expected}, got {y[wrong[0]]}")
    return x, y.astype(np.int64)
