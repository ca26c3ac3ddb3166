"""Small networks, images and fast attack settings that many tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from daa import AttackConfig, Bounds, Target, targets
from daa.attacks.methods import METHODS
from daa.attacks.worst_case import Engine, local
from daa.targets import checkpoints

FAST = {"eps": 0.1, "step_size": 0.02, "steps": 20, "batch_size": 16, "steps_per_shuffle": 5}


def config(method: str, loss: str | None = None, **changes: Any) -> AttackConfig:
    """A fast attack: `FAST`, limited to the settings of the method."""
    names = {"eps", "batch_size", *METHODS[method].defaults()}
    fast = {name: value for name, value in FAST.items() if name in names}
    return AttackConfig(method, loss, **{**fast, **changes})


def linear_target(
    classes: int = 3,
    shape: tuple[int, int, int] = (4, 4, 1),
    bounds: Bounds | None = None,
    seed: int = 0,
) -> tuple[Target, np.ndarray]:
    """A linear network, whose worst case has a closed form, and its weights."""
    w = np.random.default_rng(seed).standard_normal((int(np.prod(shape)), classes))
    w = tf.constant(w.astype(np.float32))

    def network(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, w.shape[0]]) @ w

    return Target("test/linear", network, shape, classes, bounds or Bounds()), w.numpy()


def images(
    n: int = 40, shape: tuple[int, int, int] = (4, 4, 1), classes: int = 3, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform images and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, *shape)).astype(np.float32), rng.integers(0, classes, n)


def optimum(x: np.ndarray, y: np.ndarray, w: np.ndarray, eps: float = 0.1) -> np.ndarray:
    """The worst case of a linear network of two classes."""
    away = np.where(y == 0, 1, -1)[:, None] * np.sign(w[:, 1] - w[:, 0])
    return np.clip(x + np.float32(eps) * away.reshape(x.shape).astype(np.float32), 0, 1)


def network(seed: int = 0, factor: float = 1.0) -> Target:
    """A small network with ReLU; `factor` scales its logits."""
    rng = np.random.default_rng(seed)
    a, b = (tf.constant(rng.standard_normal(s).astype(np.float32)) for s in ((16, 32), (32, 4)))

    def logits(x: tf.Tensor) -> tf.Tensor:
        return factor * (tf.nn.relu(tf.reshape(x - 0.5, [-1, 16]) @ a) @ b)

    return Target("test/relu", logits, (4, 4, 1), 4)


def labelled(target: Target, n: int = 300, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images with the labels that the target predicts."""
    x, _ = images(n, seed=seed)
    return x, target(x).numpy().argmax(1)


def random_arrays(shapes, seed=0):
    """Scaled so that no activation explodes; gamma and variances around 1."""
    rng, arrays = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            scale = np.sqrt(2 / np.prod(shape[:-1]))
            arrays[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
        else:
            around = float(name.endswith(("gamma", "moving_variance")))
            arrays[name] = (around + 0.1 * rng.random(shape)).astype(np.float32)
    return arrays


def write_weights(reference: str, models: Path) -> None:
    """Writes a checkpoint of random weights with a step counter to the folder of all weights."""
    arrays = random_arrays(targets.row(reference).model.variables)
    arrays["global_step"] = np.array(1, np.int64)
    checkpoints.write(models / reference / "checkpoint-1", arrays)


def ahead(target: Target, x: np.ndarray, y: np.ndarray, count: int) -> Engine:
    """An engine that receives `count` units before it returns the first result."""

    def run(units: Iterator) -> Iterator:
        running: list = []
        while True:
            while len(running) < count and (unit := next(units, None)) is not None:
                running.append(unit)
            if not running:
                return
            yield from local(target, x, y)(iter([running.pop(0)]))

    return run
