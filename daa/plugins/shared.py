"""Common parts of the plugins: images in [0, 1], settings and restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attacks.attack import Attack
from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.worst_case import worst_case
from daa.errors import InputError, require
from daa.target import Bounds, Target, predict
from daa.targets.adapters import common
from daa.tensorflow import tf


@dataclass(frozen=True)
class Space:
    """Images of another library: one to three dimensions in any layout."""

    shape: tuple[int, ...]
    bounds: Bounds

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width, channels = (*self.shape, 1, 1)[:3]
        return height, width, channels

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Native pixels as images in [0, 1]. [N, ...] -> [N, H, W, C] float32."""
        x = self.bounds.from_native(np.asarray(pixels)).reshape(-1, *self.image_shape)
        return np.clip(x, 0, 1)

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Images in [0, 1] as native pixels. [N, H, W, C] -> [N, ...] float32."""
        pixels = self.bounds.to_native(images).reshape(-1, *self.shape)
        low, high = np.float32(self.bounds.lower), np.float32(self.bounds.upper)
        return np.clip(pixels.astype(np.float32), low, high)

    def settings(self, method: str, eps: float, step: float, options: dict) -> dict[str, Any]:
        """Settings of an attack; `eps` and `step` are in the unit of the pixels."""
        unit = self.bounds.upper - self.bounds.lower
        settings = {"method": method, "eps": eps / unit, **options}
        if "step_size" in METHODS[method].defaults():
            settings.setdefault("step_size", step / unit)
        return settings

    def target(self, network: Callable[[tf.Tensor], tf.Tensor], name: str) -> Target:
        """The target of a function of native pixels [N, ...]."""
        return common.target_of(
            lambda x: network(tf.reshape(x, [-1, *self.shape])),
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
    target_labels: np.ndarray | None,
    *,
    restarts: int,
    seed: int,
) -> np.ndarray:
    """The worst adversarial image of each input. [N, H, W, C] float32.

    An attack with a budget, as the adaptive attack, runs with the seeds `seed`, `seed + 1`, ...
    A targeted attack returns the first image that the network assigns to its target class, else
    the image of the last restart.
    """
    if not len(x):
        return x
    if target_labels is not None:
        run = Attack(target, AttackConfig(**settings, targeted="labels"))
        y = predict(target, x).argmax(axis=1)
        adv, done = x.copy(), np.zeros(len(x), bool)
        for restart in range(restarts):
            moved = run(x, y, seed=seed, restart=restart, target_labels=target_labels)
            adv[~done] = moved[~done]
            done |= predict(target, moved).argmax(axis=1) == target_labels
        return adv
    config = AttackConfig(**settings)
    if not config.reads("budget"):
        return worst_case(target, config, x, y, restarts=restarts, seed=seed).adv
    adv, margin = x.copy(), np.full(len(x), np.inf, np.float32)
    for number in range(restarts):
        report = worst_case(target, config, x, y, seed=seed + number)
        lower = report.margin < margin
        adv[lower], margin[lower] = report.adv[lower], report.margin[lower]
    return adv


def check_method(method: str) -> None:
    """Raises InputError unless `METHODS` has a row of this name."""
    require(method in METHODS, "method", f"one of {', '.join(METHODS)}", method)


def missing(plugin: str, package: str, more: str = "") -> InputError:
    """The error of a plugin without its package, which may need more packages."""
    install = f"pip install {more}{package}"
    return InputError(f"{plugin}: expected the package {package}, got none; {install}")
