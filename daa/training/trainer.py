"""Adversarial training: minimizes the loss at adversarial images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from daa.attacks.balls import BALLS
from daa.attacks.losses import xent
from daa.targets import Model
from daa.tensorflow import tf
from daa.training.recipe import TrainConfig

# Decay of the moving moments of batch normalization, as in MadryLab's CIFAR10 code.
_MOMENTS_DECAY = 0.9


@dataclass
class Trainer:
    """A network in training.

    All random numbers of an epoch come from (seed, epoch), so a training that continues from a
    saved `state()` gives the same weights as an uninterrupted training.

    Args:
        model: The architecture.
        variables: Variables of the network, float32.
        config: The recipe.
        total: Number of updates of the complete training, for the schedule.

    Source: Madry et al. 2018, Eq. 2.1; the released scripts' training of the FMNIST network.
    """

    model: Model
    variables: dict[str, tf.Variable]
    config: TrainConfig
    total: int

    def __post_init__(self) -> None:
        adam, sgd = tf.keras.optimizers.Adam, tf.keras.optimizers.SGD
        self.optimizer = adam() if self.config.optimizer == "adam" else sgd(momentum=0.9)
        self.trainable = [v for name, v in self.variables.items() if "/moving_" not in name]
        self.optimizer.build(self.trainable)
        self._update = tf.function(self._attack_and_update)

    def epoch(self, number: int, x: np.ndarray, y: np.ndarray, on_batch: Callable) -> float:
        """One pass over the images; returns the mean loss at the adversarial images.

        Calls `on_batch` with the loss of each update. Epochs count from 0.
        """
        rng = np.random.default_rng((self.config.seed, number))
        order = rng.permutation(len(x))
        size, losses = self.config.batch_size, []
        for begin in range(0, len(x) - size + 1, size):
            batch = order[begin : begin + size]
            images = augment(x[batch], rng) if self.config.augment else x[batch]
            noise = BALLS[self.config.norm].uniform(rng, images.shape, 1.0)
            losses.append(float(self._update(images, y[batch], noise)))
            on_batch(losses[-1])
        return float(np.mean(losses))

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Weights and optimizer variables: all that further updates depend on."""
        optimizer = {f"optimizer/{i}": v.numpy() for i, v in enumerate(self.optimizer.variables)}
        return {**{f"network/{k}": v for k, v in self.arrays().items()}, **optimizer}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        for name, variable in self.variables.items():
            variable.assign(state[f"network/{name}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])

    def _logits(self, variables: Mapping[str, tf.Tensor], on_moments: Callable) -> Callable:
        if self.model.training_network is None:
            logits = self.model.network(variables)
        else:
            logits = self.model.training_network(variables, on_moments)
        return lambda x: logits(self.model.bounds.to_native(x))

    def _track(self, name: str, mean: tf.Tensor, variance: tf.Tensor) -> None:
        for kind, value in (("mean", mean), ("variance", variance)):
            moving = self.variables[f"{name}/moving_{kind}"]
            moving.assign(_MOMENTS_DECAY * moving + (1 - _MOMENTS_DECAY) * value)

    def _attack_and_update(self, x: tf.Tensor, y: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        config, ball = self.config, BALLS[self.config.norm]
        done = tf.cast(self.optimizer.iterations, tf.float32) / self.total
        scale = tf.minimum(1.0, done / config.ramp) if config.ramp else 1.0
        eps, step_size = config.eps * scale, config.step_size * scale
        limits = ball.around(x, eps)
        adv = ball.project(x + eps * noise, *limits)
        cast = {name: tf.cast(v, config.precision) for name, v in self.variables.items()}
        attacked = self._logits(cast, lambda *_: None)
        for _ in tf.range(config.steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(adv)
                loss = tf.reduce_sum(xent(attacked(adv), y))
            step = step_size * ball.steepest(tape.gradient(loss, adv))
            adv = ball.project(adv + step, *limits)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(xent(self._logits(self.variables, self._track)(adv), y))
            kernels = [v for v in self.trainable if v.shape.rank > 1]
            decay = tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
            objective = loss + config.weight_decay * decay
        rate = config.learning_rate * _schedule(config.schedule, done)
        self.optimizer.learning_rate.assign(rate)
        gradients = tape.gradient(objective, self.trainable)
        self.optimizer.apply_gradients(zip(gradients, self.trainable, strict=True))
        return loss


def _schedule(name: str, done: tf.Tensor) -> tf.Tensor:
    """Factor of the learning rate after the fraction `done` of all updates."""
    if name == "constant":
        return tf.ones([])
    if name == "steps":
        return tf.where(done < 0.5, 1.0, tf.where(done < 0.75, 0.1, 0.01))
    rise = tf.minimum(5 * done + 0.1, 1.0)
    fall = tf.clip_by_value((done - 0.2) / 0.8, 0.0, 1.0)
    return rise * (0.01 + 0.99 * 0.5 * (1.0 + tf.cos(np.pi * fall)))


def augment(x: np.ndarray, rng: np.random.Generator, pad: int = 4) -> np.ndarray:
    """Random crops of images with a black border of `pad` pixels; half of them are mirrored.

    Source: MadryLab/cifar10_challenge, cifar10_input.py.
    """
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = rng.integers(0, 2 * pad + 1, (2, len(x)))
    mirrored = rng.random(len(x)) < 0.5
    out = np.empty_like(x)
    for i, (r, c) in enumerate(zip(rows, columns, strict=True)):
        crop = padded[i, r : r + height, c : c + width]
        out[i] = crop[:, ::-1] if mirrored[i] else crop
    return out
