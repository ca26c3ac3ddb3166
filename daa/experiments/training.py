"""Adversarial training: epochs that survive a kill, and the best weights of them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa import targets
from daa.attack import Attack
from daa.errors import InputError, require
from daa.experiments import state
from daa.experiments.recipe import TrainConfig
from daa.experiments.trainer import Trainer
from daa.methods import AttackConfig
from daa.restarts import clean_accuracy, margins
from daa.target import Dataset, Target
from daa.targets import Model, checkpoints
from daa.targets.files import read_npz, save_npz, write_atomically
from daa.tensorflow import tf

EVALUATION_STEPS = 20


@dataclass(frozen=True)
class Trained:
    """What a training ended with.

    Args:
        path: of the weights.
        data: name of the test set.
        images: number of its images.
        clean: accuracy on them, in [0, 1].
        robust: accuracy under PGD with `EVALUATION_STEPS` steps, in [0, 1].
    """

    path: Path
    data: str
    images: int
    clean: float
    robust: float


def train(
    config: TrainConfig,
    *,
    out: Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Trains a network, or goes on where an interrupted training was; writes weights and log.

    Args:
        config: the recipe.
        out: of the weights: NAME.npz, or the prefix of a TF1 checkpoint. None for the place in the
            target's folder.
        data_dir: folder of all data sets.
        progress: show a bar for each epoch.

    Raises:
        InputError: a target that is not trained here, data that is missing, more images held out
            than there are, or the state of another training beside `out`.
    """
    model = targets.model_of(config.target)
    out = out or targets.own_weights(config.target)
    data = targets.load_dataset(config.target, "train", data_dir)
    test = targets.load_dataset(config.target, "test", data_dir)
    most = len(data) - config.batch_size
    require(config.holdout <= most, "holdout", f"0 to {most}", config.holdout)
    kept = len(data) - config.holdout
    seen = Dataset(data.name, data.x[:kept], data.y[:kept], data.sha256)
    held = Dataset(f"{data.name}, held out", data.x[kept:], data.y[kept:], data.sha256)
    folder = out.parent / f"{out.stem}-training"
    trainer = make_trainer(config, model, kept)
    with state.sole(folder):
        best = fit(trainer, model, seen, held, folder, progress)
    write = save_npz if out.suffix == ".npz" else checkpoints.write
    write(out, best)
    attack = attack_on(trainer, model, checkpoints.cast(best, "float32"))
    clean, robust = accuracies(attack, test)
    (folder / "log.jsonl").replace(out.parent / f"{out.stem}.log.jsonl")
    shutil.rmtree(folder)
    return Trained(out, test.name, len(test), clean, robust)


def make_trainer(config: TrainConfig, model: Model, images: int) -> Trainer:
    """A network with its first weights, ready to be trained on so many images."""
    if model.initialize is None:
        raise InputError(
            f"{config.target}: expected a network that this project trains, got one without "
            "first weights"
        )
    initial = model.initialize(np.random.default_rng(config.seed))
    return Trainer(
        model.network,
        {name: tf.Variable(value, name=name) for name, value in initial.items()},
        config,
        total=config.epochs * (images // config.batch_size),
        bounds=model.bounds,
        training_network=model.training_network,
    )


def fit(
    trainer: Trainer,
    model: Model,
    seen: Dataset,
    held: Dataset,
    folder: Path,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """All epochs, or the rest of them.

    After each epoch `folder` gets the state, so that a kill loses at most one epoch, and
    log.jsonl gets a line: epoch, loss, accuracies, seconds.

    Args:
        trainer: with its first weights.
        model: its architecture.
        seen: the training images.
        held: the images kept out; there may be none.
        folder: of state and log.
        progress: show a bar for each epoch.

    Returns:
        The weights with the best PGD accuracy on the images kept out, else the last weights.
    """
    kept = folder / "state.npz"
    config = trainer.config
    fingerprint = json.dumps(asdict(config), sort_keys=True)
    lines, best = restore(trainer, kept, fingerprint)
    attack = attack_on(trainer, model, trainer.variables)
    updates = len(seen) // config.batch_size
    for epoch in range(len(lines), config.epochs):
        if config.patience and since_best(lines) >= config.patience:
            break
        begin = time.perf_counter()
        name = f"epoch {epoch + 1}/{config.epochs}"
        with tqdm(total=updates, unit="batch", desc=name, disable=not progress) as bar:

            def show(loss: float, bar: tqdm = bar) -> None:
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
                bar.update()

            loss = trainer.epoch(epoch, seen.x, seen.y, show)
            line = {"epoch": epoch + 1, "loss": round(loss, 4)}
            if len(held):
                clean, robust = accuracies(attack, held)
                line |= {"clean": round(clean, 4), "pgd": round(robust, 4)}
                bar.set_postfix_str(
                    f"loss {loss:.3f}, clean {100 * clean:.1f} %, PGD {100 * robust:.1f} %"
                )
        line["seconds"] = round(time.perf_counter() - begin, 1)
        lines.append(line)
        if since_best(lines) == 0:
            best = trainer.arrays()
        weights = {f"best/{name}": value for name, value in best.items()}
        notes = {"log": np.array(json.dumps(lines)), "config": np.array(fingerprint)}
        save_npz(kept, {**trainer.state(), **weights, **notes})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomically(folder / "log.jsonl", text.encode())
    return best


def restore(trainer: Trainer, kept: Path, fingerprint: str) -> tuple[list[dict], dict]:
    """Gives the trainer the state of an interrupted training.

    Args:
        trainer: with its first weights.
        kept: file of the state, which need not exist.
        fingerprint: the config as text, which must be that of the state.

    Returns:
        The lines of the log and the best weights so far; empty without a state.

    Raises:
        InputError: the state of another config.
    """
    if not kept.exists():
        return [], {}
    saved = read_npz(kept)
    if str(saved.get("config")) != fingerprint:
        raise InputError(
            f"{kept}: expected a training of this config, got one of another; "
            "remove it to start anew, or write the weights elsewhere"
        )
    trainer.restore(saved)
    best = {k.removeprefix("best/"): v for k, v in saved.items() if k.startswith("best/")}
    return json.loads(str(saved["log"])), best


def since_best(lines: list[dict[str, Any]]) -> int:
    """Epochs since the best PGD accuracy; 0 without held-out images, where the last one counts."""
    values = [line.get("pgd") for line in lines]
    if not values or None in values:
        return 0
    return len(values) - 1 - max(range(len(values)), key=lambda k: (values[k], k))


def attack_on(trainer: Trainer, model: Model, variables: Mapping[str, tf.Variable]) -> Attack:
    """The attack that judges a training, on the network with these variables."""
    config = trainer.config
    target = Target(
        config.target,
        model.network(variables),
        model.image_shape,
        model.classes,
        bounds=model.bounds,
    )
    step_size = 2.5 * config.eps / EVALUATION_STEPS
    return Attack(
        target, AttackConfig("pgd", eps=config.eps, step_size=step_size, steps=EVALUATION_STEPS)
    )


def accuracies(attack: Attack, data: Dataset) -> tuple[float, float]:
    """Accuracy on natural images and under the attack, in [0, 1]."""
    clean = clean_accuracy(attack.target, data.x, data.y)
    adv = attack(data.x, data.y)
    return clean, float((margins(attack.target, adv, data.y) > 0).mean())
