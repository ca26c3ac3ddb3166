"""Composes an attack from components: a new direction with a step rule of this project.

The script runs in seconds and downloads nothing: python examples/custom_attack.py
"""

from __future__ import annotations

import tensorflow as tf

import locuslab
from daa import AttackConfig, steps, worst_case
from daa.attacks.methods import METHODS, Method


def smoothed(grad: tf.Tensor, *, weight: float = 1.0) -> tf.Tensor:
    """The gradient plus its average over the neighbouring pixels.

    Args:
        grad: gradient of the summed loss. [M, H, W, C].
        weight: factor of the average.
    """
    # Numbers enter the graph as tensors, so all weights share one compiled graph.
    return grad + weight * tf.nn.avg_pool2d(grad, 3, 1, "SAME")


METHODS["smoothed"] = Method("Smoothed PGD", direction=smoothed, step=steps.geometric)


def main() -> None:
    target = locuslab.load_target("own_mnist")
    data = locuslab.load_dataset("test", images=200)
    for config in (
        AttackConfig("pgd", eps=0.3, steps=50, step="geometric"),
        AttackConfig("smoothed", eps=0.3, steps=50, weight=2.0),
    ):
        report = worst_case(target, config, data.x, data.y)
        print(f"{config.method:10} robust accuracy {100 * report.robust_accuracy[-1]:.1f} %")


if __name__ == "__main__":
    main()
