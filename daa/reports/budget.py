"""The figure of attacks under the same budget: robust accuracy against gradients per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from daa.attacks.methods import METHODS
from daa.reports import palette, plots
from daa.reports.plots import Line, Plot
from daa.reports.races import Point, Race
from daa.reports.wording import loss, source
from daa.runs.records import Record

# Gradients per image at which the seeds of a method are compared.
_POINTS = 200
# The methods that a figure is about come first in its legend, in this order.
_ORDER = ("adaptive", "blob", "dgf", "pgd", "apgd", "apgd_t", "square")
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
    about = f"{source(records)} The band spans the seeds."
    return plots.figure([plot(records, floor, races)], records[0].title, about)


def plot(records: Sequence[Record], floor: float | None = None, races: Sequence[Race] = ()) -> Plot:
    """The lines of the figure; arguments as of `figure`."""
    most = max(record.gradients_per_image for record in records)
    points = np.geomspace(_FIRST, most, _POINTS)
    lines = [*_methods(records, points)]
    for race in races[-1:]:
        lines += _autoattack(race, records[0].images)
    most = max([most, *(race.autoattack.last.gradients for race in races)])
    raced = [course for race in races[-1:] for course in (race.autoattack, race.adaptive[0])]
    ends = [record.worst for record in records] + [course.last.accuracy for course in raced]
    low = 100 * min(ends)
    high = 100 * max(record.clean_accuracy for record in records)
    return Plot(
        "",
        "gradients per image (a forward pass alone counts half)",
        "robust accuracy (%)",
        tuple(lines),
        log=True,
        ticks=tuple((tick, f"{tick:,}") for tick in _TICKS if tick <= 1.1 * most),
        limits=(low - 0.06 * (high - low), low + 0.75 * (high - low)),
        level=None if floor is None else (floor, f"exact: {floor:.2f}"),
    )


def _methods(records: Sequence[Record], points: np.ndarray) -> Iterator[Line]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.attack.method, loss(record.attack)), []).append(record)
    order = {method: k for k, method in enumerate(_ORDER)}
    used: dict[str, int] = {}
    for method, of in sorted(groups, key=lambda key: order.get(key[0], len(order))):
        several = sum(key[0] == method for key in groups) > 1
        curves = np.array([curve(record, points) for record in groups[method, of]])
        kept = _changes(curves)
        curves = curves[:, kept]
        colour = palette.of(method)
        dash = _DASHES[used.get(colour, 0) % len(_DASHES)]
        used[colour] = used.get(colour, 0) + 1
        yield Line(
            METHODS[method].title + (f", {of}" if several else ""),
            colour,
            points[kept],
            curves.mean(axis=0),
            curves.min(axis=0),
            curves.max(axis=0),
            dash=dash,
            width=2.8 if method == "adaptive" else 1.4,
            step=True,
        )


def _changes(curves: np.ndarray) -> np.ndarray:
    """Where a curve takes another value, and the ends; a step needs no points between these."""
    there = np.flatnonzero(np.isfinite(curves).all(axis=0))
    changed = (np.diff(curves[:, there], axis=1) != 0).any(axis=0)
    return there[np.concatenate([[True], changed[:-1], [True]])]


def _autoattack(race: Race, images: int) -> Iterator[Line]:
    """AutoAttack's attacks as points, and Adaptive DAA on the same images where those are fewer."""
    same = race.images == images
    on = "" if same else f", first {race.images:,} images"
    colour = palette.of("autoattack")
    x, y = _course(race.autoattack.points)
    yield Line(f"AutoAttack{on}", colour, x, y, dash=":", marker="*")
    if not same:
        x, y = _course(race.adaptive[0].points)
        yield Line(f"Adaptive DAA{on}", palette.of("adaptive"), x, y, dash="--", width=1, step=True)


def _course(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    gradients = np.array([point.gradients for point in points])
    return gradients, 100 * np.array([point.accuracy for point in points])
