"""The figure of attacks under the same budget: robust accuracy against gradients per image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from daa.experiments.races import Race
from daa.experiments.records import Record
from daa.experiments.wording import loss, source
from daa.methods import METHODS

# Gradients per image at which the seeds of a method are compared.
_POINTS = 200
# Of the methods that a figure is about, in the order of the legend; others are grey.
_COLOURS = {
    "adaptive": "#D55E00",
    "blob": "#0072B2",
    "dgf": "#009E73",
    "pgd": "#000000",
    "apgd": "#CC79A7",
    "apgd_t": "#E69F00",
    "square": "#56B4E9",
}
_DASHES = ("-", "--", ":", "-.")
_FIRST = 4.0
_TICKS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def has_curves(records: Iterable[Record]) -> bool:
    """Whether the records say after how many gradients which accuracy was reached."""
    return all(record.gradients_after is not None for record in records)


def steps(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Gradients per image after each unit, and the accuracies in percent; both begin before it."""
    after = np.array(record.gradients_after)
    accuracy = 100 * np.array([record.clean_accuracy, *record.robust_accuracy])
    return np.concatenate([[0.0], after]), accuracy


def curve(record: Record, points: np.ndarray) -> np.ndarray:
    """Accuracy in percent at some numbers of gradients; nan beyond the record's last unit."""
    spent, accuracy = steps(record)
    reached = accuracy[np.searchsorted(spent, points, side="right") - 1]
    # The last unit's accuracy holds up to the budget it was stopped by, and a little beyond.
    return np.where(points <= 1.05 * spent[-1], reached, np.nan)


def figure(
    records: Sequence[Record], floor: float | None = None, races: Sequence[Race] = ()
) -> Figure:
    """Robust accuracy against gradients per image, a line per attack, a band over the seeds.

    Args:
        records: with `gradients_after`.
        floor: exact robust accuracy in percent, where it is known.
        races: beside AutoAttack; its attacks become points.
    """
    drawn = Figure(figsize=(7.6, 5.0))
    axis = drawn.subplots()
    most = max(record.gradients_per_image for record in records)
    points = np.geomspace(_FIRST, most, _POINTS)
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.attack.method, loss(record.attack)), []).append(record)
    order = list(_COLOURS)
    named = sorted(groups, key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    used: dict[str, int] = {}
    for method, of in named:
        several = sum(key[0] == method for key in groups) > 1
        title = METHODS[method].title + (f", {of}" if several else "")
        curves = np.array([curve(record, points) for record in groups[method, of]])
        colour = _COLOURS.get(method, "#888888")
        dashes = _DASHES[used.get(colour, 0) % len(_DASHES)]
        used[colour] = used.get(colour, 0) + 1
        _line(axis, points, curves, title, colour, dashes, 2.5 if method == "adaptive" else 1.3)
    if floor is not None:
        axis.axhline(floor, color="#555555", linestyle=":", label=f"exact: {floor:.2f}")
    for race in races[-1:]:
        _autoattack(axis, race, records[0].images)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(ScalarFormatter())
    if races:
        most = max(most, *(race.autoattack.last.gradients for race in races))
    axis.set_xticks([tick for tick in _TICKS if tick <= 1.1 * most])
    axis.minorticks_off()
    low = min(100 * record.worst for record in records)
    high = 100 * max(record.clean_accuracy for record in records)
    axis.set_ylim(low - 0.06 * (high - low), low + 0.75 * (high - low))
    axis.set_xlabel("gradients per image (a forward pass alone counts half)")
    axis.set_ylabel("robust accuracy (%)")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=8.5)
    axis.set_title(fill(records[0].title, 80), fontsize=11)
    drawn.text(0.5, 0.01, fill(_about(records), 120), ha="center", fontsize=8, color="#555555")
    drawn.tight_layout(rect=(0, 0.07, 1, 1))
    return drawn


def _line(
    axis: Axes,
    points: np.ndarray,
    curves: np.ndarray,
    title: str,
    colour: str,
    dashes: str,
    width: float,
) -> None:
    style: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": width, "linestyle": dashes}
    axis.plot(points, curves.mean(axis=0), color=colour, label=title, **style)
    low, high = curves.min(axis=0), curves.max(axis=0)
    axis.fill_between(points, low, high, color=colour, alpha=0.2, linewidth=0, step="post")


def _autoattack(axis: Axes, race: Race, images: int) -> None:
    """AutoAttack's attacks as points, and Adaptive DAA on the same images where those are fewer."""
    same = race.images == images
    on = "" if same else f", first {race.images:,} images"
    points = race.autoattack.points
    gradients, accuracy = [p.gradients for p in points], [100 * p.accuracy for p in points]
    style: dict[str, Any] = {"color": "#882255", "marker": "*", "markersize": 9, "linestyle": ":"}
    axis.plot(gradients, accuracy, label=f"AutoAttack{on}", **style)
    if not same:
        course = race.adaptive[0].points
        x, y = [p.gradients for p in course], [100 * p.accuracy for p in course]
        thin: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1, "linestyle": "--"}
        axis.plot(x, y, color=_COLOURS["adaptive"], label=f"Adaptive DAA{on}", **thin)


def _about(records: Sequence[Record]) -> str:
    seeds = sorted({record.seed for record in records})
    text = source(records).replace(f"seed {records[0].seed}", f"seeds {', '.join(map(str, seeds))}")
    return f"{text} The band spans the seeds."
