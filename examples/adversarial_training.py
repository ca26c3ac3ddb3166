"""Trains a network with and without PGD, and evaluates both.

The script runs in a minute and downloads nothing: python examples/adversarial_training.py

300 images are enough to see the difference, but not for a good network. `daa train` trains on the
complete training set, and continues after a kill.
"""

import daa
from daa.training.recipe import TrainConfig
from daa.training.training import make_trainer
from locuslab.model import OWN

EPS = 0.1


def train(data: daa.Dataset, **options: float) -> daa.Target:
    """A network of locuslab/own_mnist's architecture with new weights."""
    config = TrainConfig(
        target="locuslab/own_mnist",
        epochs=25,
        batch_size=50,
        learning_rate=0.003,
        **options,
    )
    trainer = make_trainer(config, OWN, len(data))
    for epoch in range(config.epochs):
        loss = trainer.epoch(epoch, data.x, data.y, lambda loss: None)
    print(f"trained with {config.steps} steps, eps {config.eps}, loss {loss:.3f}")
    return daa.Target("mine", OWN.network(trainer.arrays()), OWN.image_shape, OWN.classes)


def main() -> None:
    data = daa.targets.load_dataset("locuslab/own_mnist", images=500)
    seen = daa.Dataset("mnist/last300", data.x[200:], data.y[200:], sha256=None)
    held_out = data.first(200)
    for options in (
        {"eps": 1e-6, "step_size": 1e-6, "steps": 1},  # almost no attack
        {"eps": EPS, "step_size": EPS / 4, "steps": 7, "ramp": 0.5},
    ):
        target = train(seen, **options)
        report = daa.evaluate(target, held_out, eps=EPS, budget=50, progress=False)
        print(report)


if __name__ == "__main__":
    main()
