"""Trains a small Keras model on MNIST digits and evaluates its robustness.

The script runs in a minute and downloads nothing: python examples/own_model.py
"""

from __future__ import annotations

import keras
import numpy as np

import daa
from daa.targets import DATASETS


def train(x: np.ndarray, y: np.ndarray) -> keras.Model:
    """A small network for pixels from 0 to 255; the preprocessing is a layer."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(255 * x, y, epochs=15, verbose=0)
    return model


def main() -> None:
    # The project contains 500 images of MNIST. The last 300 are enough for this example.
    data = DATASETS["mnist"].load(images=500)
    model = train(data.x[200:], data.y[200:])
    test = data.first(200)
    report = daa.evaluate(
        model, test.x, test.y, eps=0.05, bounds=(0, 255), budget=50, out="evaluations/own_model"
    )
    print(report)
    print("warnings:", report.warnings)


if __name__ == "__main__":
    main()
