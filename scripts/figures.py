"""Figures from result records: python scripts/figures.py [FOLDER ...]."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

import cli
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from pictures import examples, save
from records import LOSSES, METHODS, Collected, collect, folders, label, source

from daa import InputError

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {
    "fgsm": "#999999",
    "rand_fgsm": "#E69F00",
    "pgd": "#000000",
    "mi_fgsm": "#F0E442",
    "momentum": "#56B4E9",
    "blob": "#D55E00",
    "dgf": "#009E73",
}
AXES = {"eps": "eps", "c": "c, the weight of the particle terms"}


def write(collected: Collected, folder: Path) -> list[Path]:
    """Draws what an experiment's records allow: restarts, sweep, examples; PNG and SVG each.

    Returns:
        The PNG files.
    """
    written = []
    if collected.sweep and _functions(collected):
        written.append(save(sweep(collected), folder / f"{collected.sweep}.png"))
    elif max(record["restarts"] for record in collected.records) > 1 and _distinct(collected):
        written.append(save(restarts(collected.records), folder / "restarts.png"))
    shown = folder / "examples.json"
    if shown.exists():
        content = json.loads(shown.read_text(encoding="utf-8"))
        by_name = {record["run"]: record for record in collected.records}
        if content["images"] and set(content["rows"]) <= set(by_name):
            attacked = [by_name[row] for row in content["rows"]]
            written.append(save(examples(content, attacked), folder / "examples.png"))
    return written


def _distinct(collected: Collected) -> bool:
    """Whether each line of a panel would have a name of its own."""
    names = [(label(r["attack"]), r["attack"]["loss"]) for r in collected.records]
    return len(set(names)) == len(names)


def _functions(collected: Collected) -> bool:
    """Whether each line of a sweep would have one value per setting."""
    points, values = set(), set()
    for record in collected.records:
        attack = record["attack"]
        point = (attack["loss"], attack["method"], attack[collected.sweep])
        points.add(point)
        values.add((*point, *record["accuracy_per_restart"]))
    return len(points) == len(values)


def restarts(records: list[dict[str, Any]]) -> plt.Figure:
    """Worst-case accuracy after each restart, one panel per loss."""
    figure, axes = _panels(records)
    for axis, loss in zip(axes[0], _losses(records), strict=True):
        for record in (r for r in records if r["attack"]["loss"] == loss):
            accuracy = [100 * a for a in record["robust_accuracy"]]
            axis.plot(
                range(1, len(accuracy) + 1),
                accuracy,
                marker="o",
                markersize=4,
                color=COLOURS[record["attack"]["method"]],
                label=label(record["attack"]),
            )
        axis.set_xlabel("restarts")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel("worst-case accuracy (%)")
    axes[0, -1].legend(frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return figure


def sweep(collected: Collected) -> plt.Figure:
    """Accuracy of a single run against the swept setting; the band spans the repeated runs.

    Where PGD was swept too, panels below show how far the other methods of many steps are from it.
    """
    records, field = collected.records, collected.sweep
    accuracy: dict[tuple[str, str], dict[float, np.ndarray]] = {}
    for record in records:
        attack = record["attack"]
        line = accuracy.setdefault((attack["loss"], attack["method"]), {})
        line[attack[field]] = 100 * np.array(record["accuracy_per_restart"])
    apart = {
        (loss, method): {x: run - pgd[x].mean() for x, run in line.items() if x in pgd}
        for (loss, method), line in accuracy.items()
        if method not in ("fgsm", "rand_fgsm") and (pgd := accuracy.get((loss, "pgd")))
    }
    compared = any(line for (_, method), line in apart.items() if method != "pgd")
    figure, axes = _panels(records, rows=2 if compared else 1)
    for loss, column in zip(_losses(records), axes.T, strict=True):
        for method in METHODS:
            for axis, lines in zip(column, (accuracy, apart), strict=False):
                _band(axis, lines.get((loss, method), {}), method)
        column[-1].set_xlabel(AXES[field])
    axes[0, 0].set_ylabel("accuracy of a single run (%)")
    axes[0, 0].legend(frameon=False)
    if compared:
        axes[1, 0].set_ylabel("minus PGD's (points)")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return figure


def _band(axis: plt.Axes, runs: dict[float, np.ndarray], method: str) -> None:
    if not runs:
        return
    x, values = zip(*sorted(runs.items()), strict=True)
    means = [run.mean() for run in values]
    lows, highs = [run.min() for run in values], [run.max() for run in values]
    style = {"color": COLOURS[method], "label": METHODS[method]}
    axis.plot(x, means, marker="o", markersize=3, **style)
    axis.fill_between(x, lows, highs, color=COLOURS[method], alpha=0.25, linewidth=0)


def _losses(records: list[dict[str, Any]]) -> list[str]:
    return [loss for loss in LOSSES if any(r["attack"]["loss"] == loss for r in records)]


def _panels(records: list[dict[str, Any]], rows: int = 1) -> tuple[plt.Figure, np.ndarray]:
    """Panels, one per loss in each row, under the title, with the numbers' origin below."""
    losses = _losses(records)
    size = (5.2 * len(losses), 1.2 + 3 * rows)
    figure, axes = plt.subplots(
        rows, len(losses), figsize=size, sharex=True, sharey="row", squeeze=False
    )
    for axis, loss in zip(axes[0], losses, strict=True):
        axis.set_title(LOSSES[loss])
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    figure.suptitle(fill(records[0]["title"], 60 * len(losses)), fontsize=11)
    origin = fill(source(records), 110 * len(losses))
    figure.text(0.5, 0.01, origin, ha="center", fontsize=6.5, color="#555555")
    return figure, axes


def main(arguments: list[str] | None = None) -> None:
    for folder in folders(arguments, "Rebuilds figures from records; runs no model."):
        try:
            written = write(collect(folder), folder)
        except (ValueError, KeyError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{folder}: expected whole records, got {error!r}") from error
        print(f"{folder}: {', '.join(path.name for path in written) or 'nothing to draw'}")


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
