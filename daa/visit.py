"""What a minibatch goes through before it is shuffled again, as one graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from daa import ball, directions, kernels
from daa.losses import LOSSES
from daa.target import Target

if TYPE_CHECKING:
    from daa.attack import AttackConfig

MOMENTUM = ("mi_fgsm", "momentum")
PARTICLES = ("blob", "dgf")


def compile_visit(target: Target, config: AttackConfig, jit: bool | None = None) -> Callable:
    """One visit of a minibatch as a single graph: `config.steps_per_visit` projected ascent steps.

    The graph takes images, labels, lower and upper bounds and returns the new images; nan for an
    image whose gradient was not finite, and then no other image means anything. It never returns to
    Python in between, so on a GPU everything stays there and one copy back is the only
    synchronisation. It is traced once per shape, so a smaller last minibatch traces a second time.
    """
    jit = kernels.on_gpu() if jit is None else jit
    loss, sign = LOSSES[config.loss], -1.0 if config.targeted else 1.0
    step, steps = np.float32(config.step), config.steps_per_visit

    def ascend(x: tf.Tensor, grad: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if config.method in MOMENTUM:
            velocity = directions.momentum(velocity, grad, decay=config.decay)
            return velocity, velocity
        if config.method in PARTICLES:
            particles = directions.blob if config.method == "blob" else directions.dgf
            return particles(x, grad, c=config.weight, formula=config.formula), velocity
        return directions.gradient(x, grad), velocity

    @tf.function(jit_compile=jit)
    def visit(x: tf.Tensor, labels: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor) -> tf.Tensor:
        velocity = tf.zeros_like(x) if config.method in MOMENTUM else tf.zeros([])
        finite = tf.ones([x.shape[0]], tf.bool)
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = sign * tf.reduce_sum(loss(target(x), labels))
            grad = tape.gradient(total, x)
            # A sum is as finite as its terms, and costs less than a look at each of them. Once one
            # gradient is not, the particles spread it, so the first step alone tells whose it was.
            now = tf.math.is_finite(tf.reduce_sum(grad, axis=[1, 2, 3]))
            finite = tf.where(tf.reduce_all(finite), now, finite)
            v, velocity = ascend(x, grad, velocity)
            x = ball.project(x + step * tf.sign(v), lower, upper)
        named = tf.where(finite[:, None, None, None], lower, np.nan)
        return tf.where(tf.reduce_all(finite), x, named)

    return visit
