"""What an attack inside another library needs: the same images in [0, 1], and restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attacks import components as parts
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import worst_case
from daa.errors import InputError
from daa.target import Bounds, Target, predict
from daa.targets.adapters import common as models
from daa.tensorflow import tf


@dataclass(frozen=True)
class Space:
    """The images of another library.

    Args:
        shape: of one image, of one to three dimensions, in any layout.
        bounds: of its pixels.
    """

    shape: tuple[int, ...]
    bounds: Bounds

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The same shape with three dimensions."""
        height, width, channels = (*self.shape, 1, 1)[:3]
        return height, width, channels

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Native pixels as images in [0, 1]. [N, ...] -> [N, H, W, C] float32."""
        x = self.bounds.from_native(np.asarray(pixels)).reshape(-1, *self.image_shape)
        return np.clip(x, 0, 1)

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Images in [0, 1] as native pixels. [N, H, W, C] -> [N, ...] float32."""
        found = self.bounds.to_native(images).reshape(-1, *self.shape)
        low, high = np.float32(self.bounds.lower), np.float32(self.bounds.upper)
        return np.clip(found.astype(np.float32), low, high)

    def length(self, native: float) -> float:
        """A distance between pixels in the unit of images in [0, 1]."""
        return native / (self.bounds.upper - self.bounds.lower)

    def target(self, call: Callable[[tf.Tensor], tf.Tensor], name: str) -> Target:
        """The target of a function of native pixels [N, ...].

        Raises:
            InputError: it can't be attacked; says why.
        """
        return models.target_of(
            lambda x: call(tf.reshape(x, [-1, *self.shape])),
            name,
            image_shape=self.image_shape,
            bounds=self.bounds,
            weights_sha256=lambda: None,
        )


def attack(
    target: Target,
    settings: dict[str, Any],
    x: np.ndarray,
    y: np.ndarray,
    *,
    restarts: int,
    seed: int,
    target_labels: np.ndarray | None = None,
) -> np.ndarray:
    """The worst image of each input over some restarts. [N, H, W, C] float32.

    A method whose plan has no restarts, as the adaptive attack, runs once for each of the seeds
    `seed`, `seed + 1`, ...

    Args:
        target: the classifier.
        settings: of the `AttackConfig`.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N].
        restarts: number of runs.
        seed: of all random numbers.
        target_labels: classes to be reached, else None. [N].

    Raises:
        InputError: settings or images that can't work.
    """
    if not len(x):
        return x
    if target_labels is not None:
        return _towards(target, settings, x, target_labels, restarts, seed)
    config = AttackConfig(**settings)
    if "restarts" in parts.needs(config.parts.plan):
        return worst_case(target, config, x, y, restarts=restarts, seed=seed).adv
    adv, margin = x.copy(), np.full(len(x), np.inf, np.float32)
    for run in range(restarts):
        report = worst_case(target, config, x, y, seed=seed + run)
        lower = report.margin < margin
        adv[lower], margin[lower] = report.adv[lower], report.margin[lower]
    return adv


def _towards(
    target: Target,
    settings: dict[str, Any],
    x: np.ndarray,
    labels: np.ndarray,
    restarts: int,
    seed: int,
) -> np.ndarray:
    """The first image of each input that reaches its class, else that of the last restart."""
    config = AttackConfig(**settings, targeted="labels")
    y = predict(target, x).argmax(axis=1)
    adv, reached = x.copy(), np.zeros(len(x), bool)
    for restart in range(restarts):
        found = Attack(target, config)(x, y, seed=seed, restart=restart, target_labels=labels)
        adv[~reached] = found[~reached]
        reached |= predict(target, found).argmax(axis=1) == labels
    return adv


def missing(where: str, package: str, install: str) -> InputError:
    """The error of a module whose package is not installed."""
    return InputError(f"{where}: expected the package {package}, got none; pip install {install}")
