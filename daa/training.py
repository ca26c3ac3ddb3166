"""Adversarial training: minimise the loss at the images that an attack finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import numpy as np
import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field

from daa import ball
from daa.config import Length
from daa.losses import xent
from daa.target import Bounds

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class TrainConfig(BaseModel):
    """How to train. Lengths are in the unit of images in [0, 1].

    Args:
        target: `folder/name` that is trained.
        eps: radius of the L-infinity ball.
        step_size, steps: of the PGD attack on each minibatch; one step of 1.25 eps is fast
            adversarial training (Wong, Rice and Kolter 2020).
        epochs, batch_size: passes over the training images, images per update.
        learning_rate: highest rate of Adam; it rises over the first fifth and falls to a hundredth.
        seed: of the initial weights, the shuffles and the starts.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    target: str
    eps: Annotated[Length, Field(gt=0, le=1)]
    step_size: Annotated[Length, Field(gt=0)]
    steps: Count
    epochs: Count
    batch_size: Count = 50
    learning_rate: Positive = 1e-3
    seed: Annotated[int, Field(ge=0)] = 0


def train(
    network: Callable[[Mapping[str, tf.Variable]], Callable],
    initial: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    config: TrainConfig,
    *,
    bounds: Bounds | None = None,
    on_epoch: Callable[[int, dict[str, tf.Variable], float], None] | None = None,
) -> dict[str, np.ndarray]:
    """Trains a network against PGD with random starts.

    Args:
        network: variables -> callable of native pixels, as in each folder's model.py.
        initial: arrays under the network's names.
        x: training images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        config: the recipe.
        bounds: native range of the pixels; [0, 1] for None.
        on_epoch: called with the epochs done, the variables and the epoch's mean training loss.

    Returns:
        The trained arrays under the network's names.

    Source: Madry et al. 2018, Eq. 2.1; the released scripts' training of the FMNIST network.
    """
    bounds = bounds or Bounds()
    variables = {name: tf.Variable(value, name=name) for name, value in initial.items()}
    logits = network(variables)
    update = _compile_update(
        lambda images: logits(bounds.lower + (bounds.upper - bounds.lower) * images),
        list(variables.values()),
        config,
        total=config.epochs * (len(x) // config.batch_size),
    )
    for epoch in range(config.epochs):
        rng = np.random.default_rng((config.seed, epoch))
        order = rng.permutation(len(x))
        losses = []
        for begin in range(0, len(x) - config.batch_size + 1, config.batch_size):
            batch = order[begin : begin + config.batch_size]
            start = ball.uniform_start(x[batch], config.eps, rng)
            losses.append(float(update(x[batch], y[batch], start)))
        if on_epoch is not None:
            on_epoch(epoch + 1, variables, float(np.mean(losses)))
    return {name: variable.numpy() for name, variable in variables.items()}


def _compile_update(
    logits: Callable, variables: list[tf.Variable], config: TrainConfig, total: int
) -> Callable:
    """One update as a single graph: attack the minibatch, then step along the weights' gradient."""
    peak = tf.constant(config.learning_rate)
    step_count = tf.Variable(0, dtype=tf.int64)
    optimizer = tf.keras.optimizers.Adam(config.learning_rate)
    optimizer.build(variables)

    @tf.function
    def update(x: tf.Tensor, y: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        lower, upper = tf.maximum(x - config.eps, 0.0), tf.minimum(x + config.eps, 1.0)
        adv = ball.project(start, lower, upper)
        for _ in tf.range(config.steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(adv)
                loss = tf.reduce_sum(xent(logits(adv), y))
            step = config.step_size * tf.sign(tape.gradient(loss, adv))
            adv = ball.project(adv + step, lower, upper)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(xent(logits(adv), y))
        done = tf.cast(step_count, tf.float32) / total
        optimizer.learning_rate.assign(peak * tf.minimum(5 * done + 0.1, 1.0) * _decay(done))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        step_count.assign_add(1)
        return loss

    return update


def _decay(done: tf.Tensor) -> tf.Tensor:
    """Cosine from 1 after the first fifth to 0.01 at the end."""
    part = tf.clip_by_value((done - 0.2) / 0.8, 0.0, 1.0)
    return 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(np.pi * part))
