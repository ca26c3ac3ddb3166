"""Writes a SavedModel, as another program would, and evaluates its robustness.

The script runs in a minute and downloads nothing: python examples/saved_model.py

A SavedModel can run code when it is loaded, so evaluate only files that you trust.
"""

from __future__ import annotations

import tempfile

import tensorflow as tf

import daa
import locuslab


class Digits(tf.Module):
    """A network for pixels from 0 to 255, with its preprocessing."""

    def __init__(self) -> None:
        super().__init__()
        self.network = locuslab.load_target("own_mnist").network

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32)])
    def serve(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.network(pixels / 255)


def main() -> None:
    data = locuslab.load_dataset("test", images=200)
    with tempfile.TemporaryDirectory() as folder:
        model = Digits()
        tf.saved_model.save(model, folder, signatures={"serve": model.serve})
        report = daa.evaluate(
            folder,
            data.x,
            data.y,
            eps=0.3,
            budget=50,
            bounds=(0, 255),
            signature="serve",
            name="digits",
        )
    print(report)


if __name__ == "__main__":
    main()
