"""Adversarial training that resumes after a kill and keeps the best weights."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa import targets
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import clean_accuracy, margins
from daa.errors import InputError, require
from daa.runs import state
from daa.runs.state import LOCK, OWNER
from daa.target import Dataset, Target
from daa.targets import Model, checkpoints
from daa.targets.files import parse_json, read_npz, save_npz, write_atomically
from daa.tensorflow import tf
from daa.training.recipe import TrainConfig
from daa.training.trainer import Trainer

EVALUATION_STEPS = 20
STATE, LOG = "state.npz", "log.jsonl"


@dataclass(frozen=True)
class Trained:
    """Path of the new weights, and their clean and PGD accuracy on the test images, in [0, 1]."""

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
    """Trains a network, or continues an interrupted training; writes weights and log.

    `out` is NAME.npz, the prefix of a TF1 checkpoint, or None for the default path in the folder of
    the target. Existing weights stay unchanged if the training fails.
    """
    model = targets.row(config.target).model
    if model.initialize is None:
        raise InputError(f"{config.target}: this project can't train this network")
    out = out or targets.own_weights(config.target)
    folder = out.parent / f"{out.stem}-training"
    _check_folder(folder)
    data = targets.load_dataset(config.target, "train", data_dir)
    test = targets.load_dataset(config.target, "test", data_dir)
    most = len(data) - config.batch_size
    require(config.holdout <= most, "holdout", f"0 to {most}", config.holdout)
    n = len(data) - config.holdout
    seen = Dataset(data.name, data.x[:n], data.y[:n], data.sha256)
    held = Dataset(f"{data.name}, held out", data.x[n:], data.y[n:], data.sha256)
    trainer = make_trainer(config, model, n)
    with state.sole(folder):
        best = fit(trainer, seen, held, folder, progress)
        clean, robust = judge(trainer, best, test, folder)
        write = save_npz if out.suffix == ".npz" else checkpoints.write
        write(out, best)
        (folder / LOG).replace(out.parent / f"{out.stem}.log.jsonl")
        (folder / STATE).unlink()
    (folder / LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the user has put a file into the folder
        folder.rmdir()
    return Trained(out, test.name, len(test), clean, robust)


def _check_folder(folder: Path) -> None:
    require(folder.is_dir() or not folder.exists(), str(folder), "a folder", "a file")
    names = {path.name for path in folder.glob("*") if path.suffix != ".partial"}
    other = names - ({LOCK, OWNER, STATE, LOG} if STATE in names else {LOCK, OWNER})
    if other:
        raise InputError(
            f"{folder}: this is not the folder of an interrupted training, because it holds "
            f"{', '.join(sorted(other)[:4])}; move it away, or write the weights elsewhere"
        )


def make_trainer(config: TrainConfig, model: Model, images: int) -> Trainer:
    """The network with its initial weights, for a training on `images` images."""
    assert model.initialize is not None
    initial = model.initialize(np.random.default_rng(config.seed))
    variables = {name: tf.Variable(value, name=name) for name, value in initial.items()}
    return Trainer(model, variables, config, config.epochs * (images // config.batch_size))


def fit(
    trainer: Trainer, seen: Dataset, held: Dataset, folder: Path, progress: bool
) -> dict[str, np.ndarray]:
    """Trains the remaining epochs on the images `seen`.

    Each epoch writes the state and a line of log.jsonl to `folder`. Returns the weights with the
    best PGD accuracy on the held-out images; without held-out images the last weights.
    """
    config = trainer.config
    fingerprint = json.dumps(config.model_dump(), sort_keys=True)
    lines, best = restore(trainer, folder / STATE, fingerprint)
    attack = attack_on(trainer, trainer.variables)
    for epoch in range(len(lines), config.epochs):
        if config.patience and since_best(lines) >= config.patience:
            break
        begin, updates = time.perf_counter(), len(seen) // config.batch_size
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
                text = f"loss {loss:.3f}, clean {100 * clean:.1f} %, PGD {100 * robust:.1f} %"
                bar.set_postfix_str(text)
        line["seconds"] = round(time.perf_counter() - begin, 1)
        lines.append(line)
        if since_best(lines) == 0:
            best = trainer.arrays()
        arrays = {**trainer.state(), **{f"best/{name}": value for name, value in best.items()}}
        arrays |= {"log": np.array(json.dumps(lines)), "config": np.array(fingerprint)}
        save_npz(folder / STATE, arrays)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomically(folder / LOG, text.encode())
    return best


def restore(trainer: Trainer, path: Path, fingerprint: str) -> tuple[list[dict], dict]:
    """Continues from a saved state, if there is one of the config with this `fingerprint`.

    Returns the lines of the log and the best weights so far.
    """
    if not path.exists():
        return [], {}
    saved = read_npz(path)
    if str(saved.get("config")) != fingerprint:
        raise InputError(
            f"{path}: this state belongs to a training with another config; remove it to start "
            "again, or write the weights elsewhere"
        )
    weights = {f"best/{name}": value for name, value in trainer.arrays().items()}
    for name, array in {**trainer.state(), **weights}.items():
        got = saved.get(name)
        same = got is not None and (got.shape, got.dtype) == (array.shape, array.dtype)
        expected = f"{array.dtype} of shape {list(array.shape)} (remove a damaged state)"
        require(same, f"{path}: {name}", expected, got)
    lines = parse_json(str(saved.get("log")), f"{path}: log", "the lines of a log")
    require(isinstance(lines, list), f"{path}: log", "the lines of a log", lines)
    trainer.restore(saved)
    return lines, {name: saved[f"best/{name}"] for name in trainer.variables}


def since_best(lines: list[dict[str, Any]]) -> int:
    """Number of epochs since the best PGD accuracy; always 0 without held-out images."""
    values = [line.get("pgd") for line in lines]
    if not values or None in values:
        return 0
    return len(values) - 1 - max(range(len(values)), key=lambda k: (values[k], k))


def judge(
    trainer: Trainer, best: Mapping[str, np.ndarray], test: Dataset, folder: Path
) -> tuple[float, float]:
    """Clean and robust accuracy on the test set; weights no better than a guess are refused."""
    advice = "existing weights are unchanged. Change the config, and remove this folder"
    for name, array in best.items():
        if not np.isfinite(array).all():
            raise InputError(f"{folder}: the training diverged: {name} is not finite; {advice}")
    clean, robust = accuracies(attack_on(trainer, checkpoints.cast(best, "float32")), test)
    guess = float(np.bincount(test.y).max() / len(test))
    if not clean > guess:
        raise InputError(
            f"{folder}: the training failed: the accuracy on {test.name} is {100 * clean:.2f} %, "
            f"the accuracy of a guess is {100 * guess:.2f} %; {advice}"
        )
    return clean, robust


def attack_on(trainer: Trainer, variables: Mapping[str, tf.Variable]) -> Attack:
    """The attack that measures robust accuracy, on the network with these variables.

    Source: Madry et al. 2018: steps of 2.5 eps divided by their number.
    """
    config, model, steps = trainer.config, trainer.model, EVALUATION_STEPS
    network, step = model.network(variables), 2.5 * config.eps / steps
    target = Target(config.target, network, model.image_shape, model.classes, model.bounds)
    pgd = AttackConfig("pgd", eps=config.eps, norm=config.norm, step_size=step, steps=steps)
    return Attack(target, pgd)


def accuracies(attack: Attack, data: Dataset) -> tuple[float, float]:
    """Accuracy on the clean images and under the attack, in [0, 1]."""
    clean = clean_accuracy(attack.target, data.x, data.y)
    robust = margins(attack.target, attack(data.x, data.y), data.y) > 0
    return clean, float(robust.mean())
