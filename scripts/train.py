"""Trains a network adversarially: python scripts/train.py CONFIG."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import cli
import numpy as np
import tensorflow as tf
import yaml
from pydantic import TypeAdapter
from tqdm import tqdm

from daa import Attack, AttackConfig, Bounds, Dataset, InputError, Target, checkpoints, results
from daa.config import check
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
    best = fit(trainer, train, held, folder)
    save(out, best)
    clean, robust = accuracies(live_target(trainer, model.network, best, test.x), config, test)
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
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected a readable YAML file, got {reason}") from error
    return check(TypeAdapter(TrainConfig), raw, str(path))


def fit(trainer: Trainer, train: Dataset, held: Dataset, folder: Path) -> dict[str, np.ndarray]:
    """All epochs, or the rest of them; returns the best weights on the held-out images.

    After each epoch `folder` gets the state, so that at most one epoch is lost, and a line in
    log.jsonl: epoch, loss, accuracies, seconds.
    """
    state = folder / "state.npz"
    config = trainer.config
    fingerprint = json.dumps(config.model_dump(), sort_keys=True)
    lines, best = restore(trainer, state, fingerprint)
    live = Target("training", trainer.network(trainer.variables), train.x.shape[1:], 10,
                  bounds=trainer.bounds)  # fmt: skip
    attack = Attack(live, evaluation(config))
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
                clean = float((margins(live, held.x, held.y) > 0).mean())
                robust = float((margins(live, attack(held.x, held.y), held.y) > 0).mean())
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


def evaluation(config: TrainConfig) -> AttackConfig:
    """The attack that training is judged by."""
    step_size = 2.5 * config.eps / EVALUATION_STEPS
    return AttackConfig("pgd", eps=config.eps, step_size=step_size, steps=EVALUATION_STEPS)


def live_target(trainer: Trainer, network: Any, arrays: dict, x: np.ndarray) -> Target:
    constants = {name: tf.constant(value) for name, value in arrays.items()}
    return Target(trainer.config.target, network(constants), x.shape[1:], 10, bounds=trainer.bounds)


def accuracies(target: Target, config: TrainConfig, data: Dataset) -> tuple[float, float]:
    """Clean and PGD accuracy, in [0, 1]."""
    adv = Attack(target, evaluation(config))(data.x, data.y)
    return clean_accuracy(target, data.x, data.y), float((margins(target, adv, data.y) > 0).mean())


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz file, or a TF1 checkpoint under another name."""
    if path.suffix != ".npz":
        checkpoints.write(path, arrays)
        return
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    results.write_atomically(path, buffer.getvalue())


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
