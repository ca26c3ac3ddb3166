"""Trains a network adversarially: python scripts/train.py CONFIG."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cli
import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter
from tqdm import tqdm

from daa import (
    Attack,
    AttackConfig,
    Bounds,
    Dataset,
    InputError,
    Target,
    checkpoints,
    locking,
    results,
)
from daa.config import check, read_yaml
from daa.evaluate import clean_accuracy, margins
from daa.training import TrainConfig, Trainer

EVALUATION_STEPS = 20


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    config = load(args.config)
    model = cli.load_model(config.target)
    data = cli.load_dataset(config.target, "train", args.data_dir)
    test = cli.load_dataset(config.target, "test", args.data_dir)
    if config.holdout > len(data) - config.batch_size:
        most = len(data) - config.batch_size
        raise InputError(f"{args.config}: holdout: expected 0 to {most}, got {config.holdout}")
    out = args.out or cli.weights(config.target)
    folder = out.parent / f"{out.stem}-training"
    kept = len(data) - config.holdout
    train = Dataset(data.name, data.x[:kept], data.y[:kept], data.sha256)
    held = Dataset(f"{data.name}, held out", data.x[kept:], data.y[kept:], data.sha256)

    initial = model.initialize(np.random.default_rng(config.seed))
    trainer = Trainer(
        model.network,
        {name: tf.Variable(value, name=name) for name, value in initial.items()},
        config,
        total=config.epochs * (kept // config.batch_size),
        bounds=getattr(model, "BOUNDS", Bounds()),
        training_network=getattr(model, "training_network", None),
    )
    with locking.sole(folder):
        best = fit(trainer, train, held, folder)
    save(out, best)
    clean, robust = accuracies(attack_on(trainer, checkpoints.cast(best, tf.float32), test), test)
    (folder / "log.jsonl").replace(out.parent / f"{out.stem}.log.jsonl")
    shutil.rmtree(folder)
    print(
        f"{out}: {test.name}, {len(test):,} images: clean {100 * clean:.2f} %, "
        f"{EVALUATION_STEPS}-step PGD {100 * robust:.2f} %"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Trains a network against PGD; goes on where an interrupted training was."
    )
    parser.add_argument("config", type=Path, help="YAML file, as configs/train_*.yaml")
    parser.add_argument("--data-dir", help="folder of the data sets (else DAA_DATA)")
    parser.add_argument(
        "--out", type=Path, help="weights: NAME.npz, or the prefix of a TF1 checkpoint"
    )
    return parser.parse_args(arguments)


def load(path: Path) -> TrainConfig:
    """Reads and checks a training's YAML file."""
    return check(TypeAdapter(TrainConfig), read_yaml(path), str(path))


def fit(trainer: Trainer, train: Dataset, held: Dataset, folder: Path) -> dict[str, np.ndarray]:
    """All epochs, or the rest of them; returns the best weights on the held-out images.

    After each epoch `folder` gets the state, so that at most one epoch is lost, and a line in
    log.jsonl: epoch, loss, accuracies, seconds.
    """
    state = folder / "state.npz"
    config = trainer.config
    fingerprint = json.dumps(config.model_dump(), sort_keys=True)
    lines, best = restore(trainer, state, fingerprint)
    attack = attack_on(trainer, trainer.variables, train)
    updates = len(train) // config.batch_size
    for epoch in range(len(lines), config.epochs):
        if config.patience and since_best(lines) >= config.patience:
            break
        begin = time.perf_counter()
        with tqdm(total=updates, unit="batch", desc=f"epoch {epoch + 1}/{config.epochs}") as bar:

            def show(loss: float, bar: tqdm = bar) -> None:
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
                bar.update()

            loss = trainer.epoch(epoch, train.x, train.y, show)
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
        progress = {f"best/{name}": value for name, value in best.items()}
        notes = {"log": np.array(json.dumps(lines)), "config": np.array(fingerprint)}
        save(state, {**trainer.state(), **progress, **notes})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        results.write_atomically(folder / "log.jsonl", text.encode())
    return best


def restore(trainer: Trainer, state: Path, fingerprint: str) -> tuple[list[dict], dict]:
    """The log and the best weights of an interrupted training, whose state the trainer takes on."""
    if not state.exists():
        return [], {}
    saved = checkpoints.read_npz(state)
    if str(saved.get("config")) != fingerprint:
        raise InputError(
            f"{state}: expected a training of this config, got one of another; "
            "remove it to start anew, or choose another --out"
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


def attack_on(trainer: Trainer, variables: Mapping, data: Dataset) -> Attack:
    """The attack that training is judged by, on the network with these variables."""
    network, config = trainer.network(variables), trainer.config
    target = Target(config.target, network, data.x.shape[1:], 10, bounds=trainer.bounds)
    step_size = 2.5 * config.eps / EVALUATION_STEPS
    return Attack(
        target, AttackConfig("pgd", eps=config.eps, step_size=step_size, steps=EVALUATION_STEPS)
    )


def accuracies(attack: Attack, data: Dataset) -> tuple[float, float]:
    """Clean accuracy and that under the attack, in [0, 1]."""
    clean = clean_accuracy(attack.target, data.x, data.y)
    adv = attack(data.x, data.y)
    return clean, float((margins(attack.target, adv, data.y) > 0).mean())


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file, or a TF1 checkpoint under another name."""
    write = results.save_npz if path.suffix == ".npz" else checkpoints.write
    write(path, arrays)


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
