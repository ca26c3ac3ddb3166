"""How robust is my Keras model? Trains a small one on the bundled digits and evaluates it.

Runs in a minute and downloads nothing: python examples/own_model.py
"""

from __future__ import annotations

import keras

import daa
from daa import targets


def train() -> keras.Model:
    """A small network that takes pixels from 0 to 255, with its preprocessing inside."""
    data = targets.load_dataset("digits/cnn", "train")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(255 * data.x, data.y, epochs=15, verbose=0)
    return model


def main() -> None:
    model = train()
    test = targets.load_dataset("digits/cnn").first(200)
    report = daa.evaluate(
        model, test.x, test.y, eps=0.1, bounds=(0, 255), budget=50, out="evaluations/own_model"
    )
    print(report)
    print("warnings:", report.warnings)


if __name__ == "__main__":
    main()
