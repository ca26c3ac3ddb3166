"""Adversarial training: epochs that survive a kill, and the best weights of them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa import targets
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import clean_accuracy, margins
from daa.errors import InputError, is_number, require
from daa.runs import state
from daa.runs.state import LOCK, OWNER
from daa.target import Dataset, Target
from daa.targets import Model, checkpoints
from daa.targets.files import parse_json, save_npz, write_atomically
from daa.targets.npy import read_npz
from daa.tensorflow import tf
from daa.training.recipe import TrainConfig
from daa.training.trainer import Trainer

EVALUATION_STEPS = 20
STATE, LOG = "state.npz", "log.jsonl"


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
            than there are, the state of another training or foreign files beside `out`, or new
            weights that are no better than a guess. Older weights stay as they are then.
    """
    model = targets.model_of(config.target)
    out = out or targets.own_weights(config.target)
    folder = out.parent / f"{out.stem}-training"
    check_folder(folder)
    data = targets.load_dataset(config.target, "train", data_dir)
    test = targets.load_dataset(config.target, "test", data_dir)
    most = len(data) - config.batch_size
    require(config.holdout <= most, "holdout", f"0 to {most}", config.holdout)
    kept = len(data) - config.holdout
    seen = Dataset(data.name, data.x[:kept], data.y[:kept], data.sha256)
    held = Dataset(f"{data.name}, held out", data.x[kept:], data.y[kept:], data.sha256)
    trainer = make_trainer(config, model, kept)
    with state.sole(folder):
        best = fit(trainer, model, seen, held, folder, progress)
        clean, robust = judge(trainer, model, best, test, folder)
        write = save_npz if out.suffix == ".npz" else checkpoints.write
        write(out, best)
        (folder / LOG).replace(out.parent / f"{out.stem}.log.jsonl")
        (folder / STATE).unlink()
    (folder / LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody has put a file of their own into it meanwhile
        folder.rmdir()
    return Trained(out, test.name, len(test), clean, robust)


def check_folder(folder: Path) -> None:
    """Checks that the folder of a training is new, or that of an interrupted training.

    Raises:
        InputError: it holds something else, which a training could overwrite.
    """
    if not folder.exists():
        return
    require(folder.is_dir(), str(folder), "a folder", "a file")
    names = {path.name for path in folder.iterdir() if path.suffix != ".partial"}
    own = {LOCK, OWNER, STATE, LOG} if STATE in names else {LOCK, OWNER}
    foreign = sorted(names - own)
    if foreign:
        raise InputError(
            f"{folder}: expected no folder, or that of an interrupted training, got "
            f"{', '.join(foreign[:4])} in it; move it away, or write the weights elsewhere"
        )


def judge(
    trainer: Trainer, model: Model, best: Mapping[str, np.ndarray], test: Dataset, folder: Path
) -> tuple[float, float]:
    """The accuracies of the weights of a training on the test set.

    Args:
        trainer, model: of the training.
        best: its weights.
        test: the images.
        folder: of its state, for the message.

    Returns:
        Accuracy on natural images and under attack, in [0, 1].

    Raises:
        InputError: weights that are no finite numbers, or that are right no more often than the
            most frequent label is.
    """
    refused = f"{folder}: expected weights that have learned something, got"
    after = "; older weights are as they were. Change the config, and remove this folder"
    for name, array in best.items():
        if not np.isfinite(array).all():
            raise InputError(f"{refused} {name} with numbers that are not finite{after}")
    clean, robust = accuracies(attack_on(trainer, model, checkpoints.cast(best, "float32")), test)
    guess = float(np.bincount(test.y).max() / len(test))
    if not clean > guess:
        raise InputError(
            f"{refused} accuracy {100 * clean:.2f} % on {test.name}, where a guess has "
            f"{100 * guess:.2f} %{after}"
        )
    return clean, robust


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
    kept = folder / STATE
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
        write_atomically(folder / LOG, text.encode())
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
        InputError: the state of another config, or a damaged one.
    """
    if not kept.exists():
        return [], {}
    saved = read_npz(kept)
    if str(saved.get("config")) != fingerprint:
        raise InputError(
            f"{kept}: expected a training of this config, got one of another; "
            "remove it to start anew, or write the weights elsewhere"
        )
    expected = {**trainer.state(), **{f"best/{k}": v for k, v in trainer.arrays().items()}}
    for name, array in expected.items():
        found = saved.get(name)
        fits = found is not None and (found.shape, found.dtype) == (array.shape, array.dtype)
        got = None if found is None else f"{found.dtype} of shape {list(found.shape)}"
        require(fits, f"{kept}: {name}", f"{array.dtype} of shape {list(array.shape)}", got)
    lines = parse_json(str(saved.get("log")), f"{kept}: log", "the lines of a log")
    fits = isinstance(lines, list) and all(
        isinstance(line, dict) and is_number(line.get("pgd", 0)) for line in lines
    )
    require(fits, f"{kept}: log", "the lines of a log", lines)
    trainer.restore(saved)
    return lines, {name: saved[f"best/{name}"] for name in trainer.variables}


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
