"""Runs an experiment: python scripts/reproduce.py CONFIG."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cli
import figures
import tables
from tqdm import tqdm

from daa import Report, config, results, worst_case
from daa.evaluate import clean_accuracy


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    experiment = config.load(args.config)
    target = cli.load_target(experiment.target, model_dir=args.model_dir)
    images = args.images or experiment.images
    data = cli.load_dataset(experiment.target, experiment.split, args.data_dir, images)
    restarts = args.restarts or experiment.restarts
    seed = experiment.seed if args.seed is None else args.seed
    folder = args.out / experiment.name

    # All records are looked at before the first run, so that a clash costs no hours.
    plan = []
    for row in experiment.rows:
        ident = results.identity(experiment, row, target, data, restarts, seed)
        path = folder / f"{row.name}.json"
        plan.append((row, ident, path, not args.force and results.finished(path, ident)))
    clean = clean_accuracy(target, data.x, data.y)
    print(
        f"{experiment.title}\n{target.name} ({target.weights} weights), {data.name}, "
        f"{len(data):,} images, clean accuracy {100 * clean:.2f} %"
    )
    records = []
    for number, (row, ident, path, done) in enumerate(plan, start=1):
        if done:
            print(f"{row.name}: kept from {path}")
            records.append(results.load(path))
            continue
        label = f"{number}/{len(plan)} {row.name}"
        report, seconds = attack(target, row, data, restarts, seed, label)
        content = results.record(ident, experiment.title, row.paper, clean, report, seconds)
        results.save(path, content)
        records.append(content)
    publish(records, folder)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs an experiment and writes its records.")
    parser.add_argument("config", type=Path, help="YAML file, as in configs/")
    parser.add_argument(
        "--data-dir", help="folder of the data sets (else DAA_DATA, else the cache)"
    )
    parser.add_argument(
        "--model-dir", help="folder of the weights (else DAA_MODELS, else the cache)"
    )
    parser.add_argument("--images", type=cli.positive, help="attack the first IMAGES only")
    parser.add_argument("--restarts", type=cli.positive, help="instead of the config's")
    parser.add_argument("--seed", type=int, help="instead of the config's")
    parser.add_argument("--out", type=Path, default=Path("results"), help="default: results")
    parser.add_argument("--force", action="store_true", help="run anew what is already there")
    return parser.parse_args(arguments)


def attack(
    target: Any, row: config.Row, data: Any, restarts: int, seed: int, label: str
) -> tuple[Report, float]:
    """One run with its progress bar; returns the report and the seconds it took."""
    total = restarts * len(data) * row.attack.gradients_per_image
    begin = time.perf_counter()
    with tqdm(total=total, unit="image-step", unit_scale=True, desc=f"{label} restart 1") as bar:

        def show(report: Report) -> None:
            done = len(report.correct_per_restart)
            bar.set_description(f"{label} restart {min(done + 1, restarts)}/{restarts}")
            bar.set_postfix_str(f"worst case {100 * report.robust_accuracy[-1]:.2f} %")

        report = worst_case(
            target,
            row.attack,
            data.x,
            data.y,
            restarts=restarts,
            seed=seed,
            on_steps=bar.update,
            on_restart=show,
        )
    return report, time.perf_counter() - begin


def publish(records: list[dict[str, Any]], folder: Path) -> None:
    """Writes table and figure of an experiment and prints the table."""
    table = tables.markdown(records)
    results.write_atomically(folder / "table.md", table.encode())
    figures.restarts(records, folder / "restarts.png")
    print(f"\n{table}\n{folder}: {len(records)} records, table.md, restarts.png")


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
