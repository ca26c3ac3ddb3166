"""Trains a network adversarially: python scripts/train.py CONFIG."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import cli
import numpy as np
import yaml
from pydantic import TypeAdapter
from tqdm import tqdm

from daa import AttackConfig, InputError, Target, worst_case
from daa.config import check
from daa.evaluate import clean_accuracy
from daa.results import write_atomically
from daa.training import TrainConfig, train


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Trains a network against PGD.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, help="weights file (default: the target's own)")
    args = parser.parse_args(arguments)

    try:
        raw = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{args.config}: expected a YAML file, got {error}") from error
    config = check(TypeAdapter(TrainConfig), raw, str(args.config))
    model = cli.load_model(config.target)
    data = cli.load_dataset(config.target, "train", args.data_dir)
    test = cli.load_dataset(config.target, "test", args.data_dir)
    name = config.target.split("/")[1]
    out = args.out or cli.folder(config.target) / "weights" / f"{name}.npz"
    attack = AttackConfig("pgd", eps=config.eps, step_size=config.step_size, steps=20)

    with tqdm(total=config.epochs, unit="epoch", desc=config.target) as bar:

        def report(epoch: int, variables: dict, loss: float) -> None:
            bar.set_postfix_str(f"training loss {loss:.3f}")
            bar.update()

        arrays = train(
            model.network,
            model.initialize(np.random.default_rng(config.seed)),
            data.x,
            data.y,
            config,
            on_epoch=report,
        )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(out, buffer.getvalue())
    target = Target(config.target, model.network(arrays), data.x.shape[1:], 10)
    robust = worst_case(target, attack, test.x, test.y).robust_accuracy[-1]
    clean = clean_accuracy(target, test.x, test.y)
    print(
        f"{out}: {test.name}, {len(test)} images: clean {100 * clean:.2f} %, "
        f"20-step PGD {100 * robust:.2f} %"
    )


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
