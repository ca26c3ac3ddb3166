"""Runs PGD of Foolbox and DAA of this project inside Foolbox, on the same network.

It needs Foolbox, runs in a minute and downloads nothing: python examples/foolbox_attack.py
"""

import foolbox
import tensorflow as tf

import locuslab
from daa.plugins.foolbox import AdaptiveDAA, DAABlob


def main() -> None:
    target = locuslab.load_target("own_mnist")
    data = locuslab.load_dataset("test", images=100)
    model = foolbox.TensorFlowModel(target.network, bounds=(0, 1), device="/CPU:0")
    images, labels = tf.constant(data.x), tf.constant(data.y)
    for attack in (
        foolbox.attacks.LinfPGD(rel_stepsize=0.03, steps=50),
        DAABlob(steps=50, batch_size=100),
        AdaptiveDAA(budget=50),
    ):
        _, _, success = attack(model, images, labels, epsilons=[0.1, 0.3])
        accuracy = 1 - tf.reduce_mean(tf.cast(success, tf.float32), axis=1).numpy()
        print(f"{type(attack).__name__:12} eps 0.1: {accuracy[0]:.2f}   eps 0.3: {accuracy[1]:.2f}")


if __name__ == "__main__":
    main()
