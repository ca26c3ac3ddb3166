"""The norms of attacks: a norm is a module with the functions of `Ball`, and a row of `BALLS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from daa.attacks import ball, ball_l2
from daa.tensorflow import tf


class Ball(Protocol):
    """The functions of a norm; `daa.attacks.ball` documents them."""

    title: str  # in texts

    def radius(self, eps: float) -> float: ...
    def largest(self, shape: Sequence[int]) -> float: ...
    def bounds(self, x: np.ndarray, eps: float, *, clip_range: bool = True) -> Any: ...
    def around(self, x: tf.Tensor, eps: tf.Tensor) -> Any: ...
    def project(self, adv: tf.Tensor, *limits: tf.Tensor) -> tf.Tensor: ...
    def inside(
        self, adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True
    ) -> np.ndarray: ...
    def check(
        self, adv: np.ndarray, x: np.ndarray, eps: float, *, clip_range: bool = True
    ) -> None: ...
    def steepest(self, v: tf.Tensor) -> tf.Tensor: ...
    def uniform(self, rng: np.random.Generator, shape: Sequence[int], eps: float) -> np.ndarray: ...
    def corner(self, signs: np.ndarray, eps: float) -> np.ndarray: ...
    def noise_size(self, shape: Sequence[int]) -> int: ...
    def resample(
        self, best: tf.Tensor, length: tf.Tensor, noise: tf.Tensor, limits: Any
    ) -> tf.Tensor: ...


LINF: Any = ball
BALLS: dict[str, Any] = {"linf": ball, "l2": ball_l2}
