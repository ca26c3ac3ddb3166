"""Figures of an experiment's records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from daa import targets
from daa.experiments import budget, examples, pictures, plotting, races
from daa.experiments.collection import Collected
from daa.experiments.records import Record
from daa.experiments.wording import label, source
from daa.losses import LOSSES
from daa.methods import METHODS

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
# Matplotlib's colours, for methods that the palette has none for.
_MORE = [f"C{k}" for k in range(10)]
AXES = {"eps": "eps", "c": "c, the weight of the particle terms"}
# Accuracies of repeated single runs in percent, by the value of the swept setting.
Runs = dict[float, np.ndarray]


def write(collected: Collected, folder: Path) -> list[Path]:
    """Draws what the records of an experiment allow: restarts, sweep, examples; PNG and SVG each.

    Returns:
        The paths of the PNG files.
    """
    written = []
    if budget.has_curves(collected.records):
        name = collected.records[0].target
        exact = targets.row(name).robust if name in targets.every_target() else None
        floor = None if exact is None else 100 * exact.accuracy
        drawn = budget.figure(collected.records, floor, races.load(folder))
        written.append(plotting.save(drawn, folder / "budget.png"))
    elif collected.sweep and _one_value_each(collected.records, collected.sweep):
        path = folder / f"{collected.sweep}.png"
        written.append(plotting.save(sweep(collected.records, collected.sweep), path))
    elif max(record.restarts for record in collected.records) > 1 and _distinct(collected.records):
        written.append(plotting.save(restarts(collected.records), folder / "restarts.png"))
    shown = examples.load(folder)
    by_name = {record.run: record for record in collected.records}
    if shown is not None and shown.images and set(shown.rows) <= set(by_name):
        figure = pictures.examples(shown, [by_name[row] for row in shown.rows])
        written.append(plotting.save(figure, folder / "examples.png"))
    return written


def _distinct(records: Iterable[Record]) -> bool:
    """Whether each line of a panel would have a name of its own."""
    names = [(label(record.attack), record.attack.loss) for record in records]
    return len(set(names)) == len(names)


def _one_value_each(records: Iterable[Record], setting: str) -> bool:
    """Whether each line of a sweep would have one value at each point."""
    points, values = set(), set()
    for record in records:
        attack = record.attack
        point = (attack.loss, attack.method, getattr(attack, setting))
        points.add(point)
        values.add((*point, *record.accuracy_per_restart))
    return len(points) == len(values)


def restarts(records: Sequence[Record]) -> Figure:
    """Worst-case accuracy after each restart, one panel per loss."""
    figure, axes = _panels(records)
    for axis, loss in zip(axes[0], _losses(records), strict=True):
        for record in (r for r in records if r.attack.loss == loss):
            accuracy = [100 * a for a in record.robust_accuracy]
            axis.plot(
                range(1, len(accuracy) + 1),
                accuracy,
                marker="o",
                markersize=4,
                color=colour(record.attack.method),
                label=label(record.attack),
            )
        axis.set_xlabel("restarts")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0, 0].set_ylabel("worst-case accuracy (%)")
    axes[0, -1].legend(frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return figure


def sweep(records: Sequence[Record], setting: str) -> Figure:
    """Accuracy of a single run against the swept setting; the band spans the repeated runs.

    Where PGD was swept too, panels below show how far the other methods of many steps are from it.
    """
    accuracy: dict[tuple[str, str], Runs] = {}
    for record in records:
        attack = record.attack
        line = accuracy.setdefault((str(attack.loss), attack.method), {})
        line[getattr(attack, setting)] = 100 * np.array(record.accuracy_per_restart)
    apart = {
        (loss, method): {x: run - pgd[x].mean() for x, run in line.items() if x in pgd}
        for (loss, method), line in accuracy.items()
        if METHODS[method].steps is None and (pgd := accuracy.get((loss, "pgd")))
    }
    compared = any(line for (_, method), line in apart.items() if method != "pgd")
    figure, axes = _panels(records, rows=2 if compared else 1)
    for loss, column in zip(_losses(records), axes.T, strict=True):
        for method in METHODS:
            for axis, lines in zip(column, (accuracy, apart), strict=False):
                _band(axis, lines.get((loss, method), {}), method)
        column[-1].set_xlabel(AXES[setting])
    axes[0, 0].set_ylabel("accuracy of a single run (%)")
    axes[0, 0].legend(frameon=False)
    if compared:
        axes[1, 0].set_ylabel("minus PGD's (points)")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return figure


def colour(method: str) -> str:
    """The colour of a method in all figures."""
    return COLOURS.get(method, _MORE[list(METHODS).index(method) % len(_MORE)])


def _band(axis: Axes, runs: Runs, method: str) -> None:
    if not runs:
        return
    x, values = zip(*sorted(runs.items()), strict=True)
    means = [run.mean() for run in values]
    lows, highs = [run.min() for run in values], [run.max() for run in values]
    axis.plot(x, means, marker="o", markersize=3, color=colour(method), label=METHODS[method].title)
    axis.fill_between(x, lows, highs, color=colour(method), alpha=0.25, linewidth=0)


def _losses(records: Sequence[Record]) -> list[str]:
    return [loss for loss in LOSSES if any(record.attack.loss == loss for record in records)]


def _panels(records: Sequence[Record], rows: int = 1) -> tuple[Figure, np.ndarray]:
    """Panels, one per loss in each row, under the title; the numbers' origin stands below."""
    losses = _losses(records)
    figure = Figure(figsize=(5.2 * len(losses), 1.2 + 3 * rows))
    axes = figure.subplots(rows, len(losses), sharex=True, sharey="row", squeeze=False)
    for axis, loss in zip(axes[0], losses, strict=True):
        axis.set_title(LOSSES[loss].title)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    figure.suptitle(fill(records[0].title, 60 * len(losses)), fontsize=11)
    origin = fill(source(records), 110 * len(losses))
    figure.text(0.5, 0.01, origin, ha="center", fontsize=6.5, color="#555555")
    return figure, axes
