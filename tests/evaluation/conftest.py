import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny

from daa.evaluation import checks

MODULE = """
import numpy as np, tensorflow as tf
w = tf.Variable(np.random.default_rng(0).normal(size=(64, 10)).astype("float32"))
def function():
    return lambda x: tf.reshape(x, [-1, 64]) @ w
def heads():
    return lambda x: {"a": 0 * x, "b": tf.reshape(x, [-1, 64]) @ w}
def module():
    import tiny, torch
    data, linear = tiny.load_dataset("train"), torch.nn.Linear(64, 10)
    means = torch.tensor(np.stack([data.x[data.y == k].mean(axis=0).ravel() for k in range(10)]))
    linear.weight.data, linear.bias.data = 4 * means, -2 * (means**2).sum(dim=1)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), linear)
def broken():
    return 1 / 0
number = 3
"""


@pytest.fixture
def user_model(tmp_path, monkeypatch):
    """A Keras model, in a working directory with its file, a module of models and data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(MODULE, encoding="utf-8")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    model.save("net.keras")
    data = tiny.load_dataset("test").first(60)
    np.savez("d.npz", x=np.rint(255 * data.x).astype(np.uint8), y=data.y)
    return model


@pytest.fixture
def no_checks(monkeypatch):
    """No small attacks after the attack, which take most of the time."""
    monkeypatch.setattr(checks, "after", lambda *_: [])


@pytest.fixture(autouse=True)
def slow_checks(monkeypatch):
    """No check is left out on a busy machine."""
    monkeypatch.setattr(checks, "_LEAST", 1e9)
