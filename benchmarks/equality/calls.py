"""The Python part of the equality check: models, data, and calls of the public names of `daa`."""

import gzip
import importlib.util
import json
import os
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tables import digest

# Number of MNIST images for a short training, and the sizes of the headers of MNIST's files.
SMALL = {"train": 700, "t10k": 100}
HEADS = {"images-idx3": 16, "labels-idx1": 8}
MINE = """import numpy as np, tensorflow as tf
w = {name: tf.constant(value) for name, value in np.load("weights.npz").items()}
def logits(x):
    h = tf.nn.relu(tf.nn.conv2d(x, w["conv"], 2, "VALID"))
    return tf.reshape(h, [-1, 1152]) @ w["dense"] + w["bias"]
def model():
    return logits
def module():
    import torch
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 5, 2, bias=False), torch.nn.ReLU(),
                              torch.nn.Flatten(), torch.nn.Linear(1152, 10))
    order = np.arange(1152).reshape(12, 12, 8).transpose(2, 0, 1).ravel()
    with torch.no_grad():
        net[0].weight[:] = torch.tensor(w["conv"].numpy().transpose(3, 2, 0, 1).copy())
        net[3].weight[:] = torch.tensor(w["dense"].numpy()[order].T.copy())
        net[3].bias[:] = torch.tensor(w["bias"].numpy())
    return net
"""


def fixtures() -> None:
    """Writes data.npz, a classifier as model.keras, saved and mine.py, and small/mnist."""
    import keras

    read = {}
    folder, small = Path(os.environ["DAA_DATA"]) / "mnist", Path("small") / "mnist"
    small.mkdir(parents=True)
    for (split, images), (part, head) in product(SMALL.items(), HEADS.items()):
        name = f"{split}-{part}-ubyte.gz"
        content = gzip.decompress((folder / name).read_bytes())
        read[part] = np.frombuffer(content, np.uint8, offset=head)  # of t10k, in the end
        each = 784 if part == "images-idx3" else 1
        shorter = content[:4] + images.to_bytes(4, "big") + content[8 : head + each * images]
        (small / name).write_bytes(gzip.compress(shorter))
    x, y = read["images-idx3"].reshape(-1, 28, 28, 1), read["labels-idx1"].astype(np.int64)
    np.savez("data.npz", x=x[:100], y=y[:100])
    kernel = np.random.default_rng(0).normal(0, 0.2, (5, 5, 1, 8)).astype(np.float32)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    first = [layers.Conv2D(8, 5, 2, activation="relu", use_bias=False), layers.Flatten()]
    model = keras.Sequential([keras.Input((28, 28, 1)), *first, layers.Dense(10), layers.Softmax()])
    model.layers[0].set_weights([kernel])
    features = keras.Sequential([keras.Input((28, 28, 1)), *first])
    many = np.asarray(features(x[1000:4000] / np.float32(255)))
    means = np.stack([many[y[1000:4000] == k].mean(axis=0) for k in range(10)])
    dense, bias = means.T, -(means**2).sum(axis=1) / 2
    model.layers[2].set_weights([dense, bias])
    model.save("model.keras")
    keras.Model(model.inputs, model.layers[2].output).export("saved", verbose=False)
    np.savez("weights.npz", conv=kernel, dense=dense, bias=bias)
    Path("mine.py").write_text(MINE, encoding="utf-8")


def calls() -> dict[str, Any]:
    """The public Python names, on models of one's own and on a target of the project."""
    import daa
    import locuslab

    sys.path.insert(0, "")
    import mine  # type: ignore[import-not-found]

    checkout = Path(os.environ["PYTHONPATH"]).resolve()
    for module in (daa, locuslab):
        assert Path(str(module.__file__)).resolve().is_relative_to(checkout), module.__file__
    found: dict[str, Any] = {}

    def tell(name: str, report: Any) -> None:
        found[name] = {
            "clean": report.clean_accuracy,
            "per restart": [float(a) for a in report.accuracy_per_restart],
            "robust": [float(a) for a in report.robust_accuracy],
            "gradients": [float(report.gradients.mean()), digest(report.gradients)],
            "broken": digest(np.flatnonzero(report.margin <= 0)),
            "arrays": [digest(report.adv), digest(report.margin), digest(report.natural)],
        }

    target, data = locuslab.load_target("own_mnist"), locuslab.load_dataset("test", images=60)
    found["data"] = [digest(data.x), digest(data.y), daa.clean_accuracy(target, data.x, data.y)]
    x, y = data.x, data.y
    settings = {"eps": 0.3, "step_size": 0.05, "steps": 10, "batch_size": 25}
    dgf = daa.AttackConfig("dgf", loss="xent", **settings)
    found["settings"] = dgf.settings() | {"gradients": dgf.gradients_per_image}
    first = daa.Attack(target, dgf)(x, y, seed=3, restart=1)
    found["Attack"] = [digest(first), digest(daa.Attack(target, dgf)(x, y, first=first))]
    several = np.stack([x, first])
    found["Attack versions"] = digest(daa.Attack(target, dgf, jit=False)(x, y, first=several))
    aimed = daa.AttackConfig("pgd", targeted="labels", **settings)
    found["Attack labels"] = digest(daa.Attack(target, aimed)(x, y, target_labels=(y + 1) % 10))
    tell("worst_case labels", daa.worst_case(target, aimed, x, y, target_labels=(y + 3) % 10))
    some = daa.worst_case(target, dgf, x, y, restarts=2)
    tell("worst_case", daa.worst_case(target, dgf, x, y, restarts=3, so_far=some))
    tell(
        "adaptive", daa.worst_case(target, daa.AttackConfig("adaptive", budget=20.0), x, y, seed=1)
    )
    with np.load("data.npz") as arrays:
        pixels, y = arrays["x"][:50], arrays["y"][:50]
    x = pixels / np.float32(255)
    pgd = daa.AttackConfig("pgd", eps=0.05, steps=10, batch_size=25)
    function = daa.Target("mine", mine.logits, (28, 28, 1), 10)
    tell("Target", daa.worst_case(function, pgd, x, y))
    tell("from_keras", daa.worst_case(daa.Target.from_keras("model.keras"), pgd, x, y))
    tell("from_saved_model", daa.worst_case(daa.Target.from_saved_model("saved"), pgd, x, y))
    if importlib.util.find_spec("torch"):
        torch = daa.Target.from_torch(mine.module(), image_shape=(28, 28, 1))
        tell("from_torch", daa.worst_case(torch, pgd, x, y))
    bounds = daa.Bounds(0, 255)
    bright = daa.evaluate(lambda v: mine.logits(v / 255), pixels, y, eps="0.05", bounds=bounds)
    tell("evaluate", bright.report)
    found["evaluate"] |= {"warnings": bright.warnings, "interval": list(bright.interval)}
    return found


if __name__ == "__main__":
    if sys.argv[1] == "fixtures":
        fixtures()
    else:
        print(json.dumps(calls()))
