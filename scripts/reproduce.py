"""Runs an experiment: python scripts/reproduce.py CONFIG."""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import cli
import examples
import figures
import numpy as np
import records
import tables
from tqdm import tqdm

from daa import Dataset, Report, Target, config, device, engine, locking, progress, results
from daa.attack import Precision
from daa.config import Experiment, Row
from daa.evaluate import clean_accuracy, fold
from daa.target import predict

# Data sets with this many classes are also judged by whether the label is among the first five.
TOP5_FROM = 100


@dataclass(frozen=True)
class Run:
    """One row of an experiment: its record, and how far it is."""

    row: Row
    ident: dict[str, Any]
    path: Path
    finished: bool
    restarts_done: int

    @property
    def images(self) -> Path:
        """The worst images so far, beside the record."""
        return self.path.with_suffix(".npz")


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    # Asked for now, as a commit made during the run is not the code that runs.
    results.git_commit()
    device.use(args.device)
    experiment = config.load(args.config)
    load = cli.loader(args.target or experiment.target, args.model_dir)
    target = load()
    instead_of = {} if target.name == experiment.target else {"instead_of": experiment.target}
    if instead_of:
        experiment = aimed_elsewhere(experiment, target)
    here = args.engine == "local" or not args.address
    experiment = in_precision(experiment, args.precision, here)
    images = args.images or experiment.images
    data = cli.load_dataset(experiment.target, experiment.split, args.data_dir, images)
    folder = args.out / experiment.name
    with locking.sole(folder):
        # All that is there is looked at before the first run, so that a clash costs no hours.
        runs = plan(experiment, target, data, folder, args)
        clean = clean_accuracy(target, data.x, data.y)
        print(
            f"{experiment.title}\n{target.name} ({target.weights} weights), {data.name}, "
            f"{len(data):,} images, clean accuracy {100 * clean:.2f} %"
        )
        bars: list[tqdm] = []  # the last one is that of the run at work
        found = start(args, load, target, data, runs, lambda n: bars[-1].update(n))
        for number, run in enumerate(runs, start=1):
            if run.finished:
                print(f"{run.row.name}: kept from {run.path}")
                continue
            label = f"{number}/{len(runs)} {run.row.name}"
            report, seconds, origin = attack(run, data.x, found, bars, label)
            top5 = top5_accuracy(target, report.adv, data.y) if target.classes > TOP5_FROM else None
            content = results.record(
                run.ident, experiment.title, run.row, clean, report, seconds, origin, top5
            )
            results.save(run.path, {**content, "config": args.config.stem, **instead_of})
        if experiment.examples:
            examples.save(experiment, folder, data)
        publish(experiment, folder)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs an experiment and writes its records.")
    parser.add_argument("config", type=Path, help="YAML file, as in configs/")
    parser.add_argument(
        "--data-dir", help="folder of the data sets (else DAA_DATA, else the cache)"
    )
    parser.add_argument(
        "--model-dir", help="folder of the weights (else DAA_MODELS, else the cache)"
    )
    parser.add_argument("--target", help="instead of the config's, as madry_mnist/surrogate")
    parser.add_argument("--precision", choices=get_args(Precision), help="of the gradients")
    parser.add_argument("--images", type=cli.positive, help="attack the first IMAGES only")
    parser.add_argument("--restarts", type=cli.positive, help="instead of the config's")
    parser.add_argument("--seed", type=cli.whole, help="instead of the config's")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument(
        "--jit", choices=("auto", "on", "off"), default="auto", help="XLA; auto: on a GPU only"
    )
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--address", help="of a Ray cluster; else one is started here")
    parser.add_argument(
        "--cpus-per-unit", type=cli.positive, default=1, help="cores of a restart under Ray"
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="default: results")
    parser.add_argument("--force", action="store_true", help="run anew what is already there")
    return parser.parse_args(arguments)


def aimed_elsewhere(experiment: Experiment, target: Target) -> Experiment:
    """The same experiment on another target: a name of its own, and a title that says so."""
    original = target.weights == "original"
    other = experiment.target if original else "the paper's weights"
    return experiment.model_copy(
        update={
            "name": f"{experiment.name}-{target.name.replace('/', '-')}",
            "title": f"{experiment.title}; on {target.name}, not on {other}",
            "target": target.name,
        }
    )


def in_precision(experiment: Experiment, precision: str | None, here: bool) -> Experiment:
    """The experiment with gradients as asked for, in float32 if it runs here without bfloat16."""
    rows = []
    for row in experiment.rows:
        wanted = precision or row.attack.precision
        if wanted == "bfloat16" and here and not device.fast_bfloat16():
            warnings.warn(
                "bfloat16: not in this device's instructions; float32 it is", stacklevel=2
            )
            wanted = "float32"
        config = dataclasses.replace(row.attack, precision=wanted)
        rows.append(row.model_copy(update={"attack": config}))
    return experiment.model_copy(update={"rows": tuple(rows)})


def plan(
    experiment: Experiment, target: Target, data: Dataset, folder: Path, args: argparse.Namespace
) -> list[Run]:
    """The runs of an experiment, and what is there of each."""
    restarts = args.restarts or experiment.restarts
    seed = experiment.seed if args.seed is None else args.seed
    runs = []
    for row in experiment.rows:
        ident = results.identity(experiment, row, target, data, restarts, seed)
        path = folder / f"{row.name}.json"
        kept = path.with_suffix(".npz")
        if args.force:
            path.unlink(missing_ok=True)
            kept.unlink(missing_ok=True)
        finished = results.finished(path, ident, extend=kept.exists())
        so_far = None if finished else progress.load(kept, ident)[0]
        done = 0 if so_far is None else len(so_far.correct_per_restart)
        runs.append(Run(row, ident, path, finished, done))
    return runs


def start(
    args: argparse.Namespace,
    load: partial[Target],
    target: Target,
    data: Dataset,
    runs: list[Run],
    on_steps: Callable[[int], None],
) -> Iterator[engine.Result]:
    """All restarts that are left, run after run, computed as they are asked for."""
    units = [
        engine.Unit(run.row.attack, run.ident["seed"], restart)
        for run in runs
        if not run.finished
        for restart in range(run.restarts_done, run.ident["restarts"])
    ]
    jit = {"auto": None, "on": True, "off": False}[args.jit]
    if args.engine == "ray":
        sha256 = target.weights_sha256
        cluster = (args.address, args.cpus_per_unit)
        return engine.on_ray(load, sha256, data.x, data.y, units, jit, *cluster)
    return engine.local(target, data.x, data.y, units, jit, on_steps)


def attack(
    run: Run, x: np.ndarray, found: Iterator[engine.Result], bars: list[tqdm], label: str
) -> tuple[Report, float, progress.Origin]:
    """One run with its progress bar, from where it was; returns report, seconds and origin.

    The worst images so far lie beside the record as .npz after each restart.
    """
    so_far, seconds, origin = progress.load(run.images, run.ident)
    restarts = run.ident["restarts"]
    per_restart = len(x) * run.row.attack.gradients_per_image
    with tqdm(
        total=restarts * per_restart,
        initial=run.restarts_done * per_restart,
        unit="image-step",
        unit_scale=True,
        desc=f"{label} restart {min(run.restarts_done + 1, restarts)}/{restarts}",
    ) as bar:
        bars.append(bar)

        def show(report: Report) -> None:
            done = len(report.correct_per_restart)
            bar.update(done * per_restart - bar.n)
            bar.set_description(f"{label} restart {min(done + 1, restarts)}/{restarts}")
            bar.set_postfix_str(f"worst case {100 * report.robust_accuracy[-1]:.2f} %")
            progress.save(run.images, run.ident, report, seconds, origin)

        def left() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            nonlocal seconds
            for adv, margin, spent, device_name in islice(found, restarts - run.restarts_done):
                seconds += spent
                progress.add(origin, device_name)
                yield adv, margin

        report = fold(x, left(), so_far, show)
    return report, seconds, origin


def top5_accuracy(target: Target, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images whose label is among the five largest logits, in [0, 1]."""
    logits = predict(target, x, batch_size=50)
    above = (logits >= logits[np.arange(len(y)), y][:, None]).sum(axis=1)
    return float((above <= 5).mean())


def publish(experiment: Experiment, folder: Path) -> None:
    """Writes tables and figures of an experiment and prints the table."""
    collected = records.collect(folder, experiment)
    tables.write(collected, folder)
    written = figures.write(collected, folder)
    names = ", ".join(["table.md", "table.csv", "table.tex", *(path.name for path in written)])
    print(f"\n{tables.markdown(collected)}\n{folder}: {len(collected.records)} records, {names}")


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
