"""Lines of numbers, from which both a figure and an interactive plot are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from daa.reports import palette, plotting

# Size of a panel in inches: at the width of a phone its text is as large as in print.
_WIDTH, _HEIGHT = 5.2, 3.3
_LEGEND_ROW = 0.22
_DASHES: dict[str, Any] = {"-": "-", "--": "--", ":": ":", "-.": "-."}


@dataclass(frozen=True)
class Line:
    """One line.

    Args:
        label: in the legend.
        colour: name of a colour of the palette.
        x, y: the points. NaN where there is none.
        low, high: a band around them; None for none.
        dash: of matplotlib: "-", "--", ":" or "-.".
        width: in points.
        marker: of matplotlib; None for none.
        step: whether a value holds until the next point.
    """

    label: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dash: str = "-"
    width: float = 1.5
    marker: str | None = None
    step: bool = False


@dataclass(frozen=True)
class Plot:
    """A panel.

    Args:
        title: above it; empty for none.
        x_label, y_label: of the axes.
        lines: at least one.
        log: whether x is logarithmic.
        whole: whether x counts something, so that its ticks are whole numbers.
        ticks: of x, as (value, text); None where the axis chooses.
        limits: of y; None where the axis chooses.
        level: a horizontal line and its text.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log: bool = False
    whole: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None
    limits: tuple[float, float] | None = None
    level: tuple[float, str] | None = None


def alike(plots: Sequence[Plot]) -> list[Plot]:
    """Panels that measure the same, with the same limits of y."""
    lines = [line for plot in plots for line in plot.lines]
    drawn = [v for line in lines for v in (line.y, line.low, line.high) if v is not None]
    low, high = (float(of(np.concatenate(drawn))) for of in (np.nanmin, np.nanmax))
    around = 0.05 * (high - low or 1)
    return [replace(plot, limits=(low - around, high + around)) for plot in plots]


def draw(axis: Axes, plot: Plot) -> None:
    """Draws a panel, without its legend."""
    for line in plot.lines:
        colour = palette.light(line.colour)
        style: dict[str, Any] = {"drawstyle": "steps-post"} if line.step else {}
        axis.plot(
            line.x,
            line.y,
            color=colour,
            label=line.label,
            linestyle=_DASHES[line.dash],
            linewidth=line.width,
            marker=line.marker,
            markersize=4.5,
            **style,
        )
        if line.low is not None and line.high is not None:
            step: Any = "post" if line.step else None
            axis.fill_between(
                line.x, line.low, line.high, color=colour, alpha=0.2, linewidth=0, step=step
            )
    if plot.level:
        soft = palette.light("soft")
        axis.axhline(plot.level[0], color=soft, linestyle=":", label=plot.level[1])
    if plot.log:
        axis.set_xscale("log")
    if plot.whole:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if plot.ticks:
        axis.set_xticks([tick for tick, _ in plot.ticks], [text for _, text in plot.ticks])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
    if plot.limits:
        axis.set_ylim(*plot.limits)
    if plot.title:
        axis.set_title(plot.title)
    axis.set_xlabel(plot.x_label)
    axis.set_ylabel(plot.y_label)
    axis.grid()


def panel(plot: Plot) -> Figure:
    """A figure of one panel with its legend below, for a page that has its title and notes."""
    return _drawn([plot], (_WIDTH, _HEIGHT), columns=2 if len(plot.lines) > 3 else 3)


def figure(plots: Sequence[Plot], title: str, about: str) -> Figure:
    """Panels side by side with one legend, under a title; a footnote stands below.

    Args:
        plots: the panels.
        title: of the figure.
        about: what the numbers were computed on.
    """
    alone = len(plots) == 1
    width = 1.5 * _WIDTH if alone else _WIDTH * len(plots)
    note = fill(about, round(18 * width))
    foot = 0.16 * (note.count("\n") + 1)
    drawn = _drawn(plots, (width, _HEIGHT + foot + 0.3), None if alone else 3 * len(plots), foot)
    with plotting.look():
        # Over the panel alone, where the legend stands beside it. Texts of a user may hold dollar
        # signs that are no formula.
        text = fill(title, round((7 if alone else 11) * width))
        style: dict[str, Any] = {"x": 0.01, "ha": "left"} if alone else {}
        drawn.suptitle(text, fontsize=12, parse_math=False, **style)
        soft, small = palette.light("soft"), plotting.SMALL
        style = {"fontsize": small, "color": soft, "parse_math": False}
        drawn.text(0.5, 0.01, note, ha="center", va="bottom", **style)
    return drawn


def _drawn(
    plots: Sequence[Plot], size: tuple[float, float], columns: int | None, foot: float = 0
) -> Figure:
    """The panels; the legend stands below in some columns, or on the right for None."""
    with plotting.look():
        labels = {line.label for plot in plots for line in plot.lines}
        legend = _LEGEND_ROW * math.ceil(len(labels) / columns) + 0.1 if columns else 0
        height = size[1] + legend
        drawn = Figure((size[0], height))
        bottom = (foot + legend) / height
        drawn.set_layout_engine("constrained", rect=(0, bottom, 1, 1 - bottom))
        same = len({plot.y_label for plot in plots}) == 1
        axes = drawn.subplots(1, len(plots), sharey=same, squeeze=False)[0]
        handles: dict[str, Any] = {}
        for axis, plot in zip(axes, plots, strict=True):
            draw(axis, plot)
            if same and axis is not axes[0]:
                axis.set_ylabel("")
            found, texts = axis.get_legend_handles_labels()
            handles |= dict(zip(texts, found, strict=True))
        if len(handles) > 1:
            below = {"loc": "lower center", "bbox_to_anchor": (0.5, foot / height)}
            place: dict[str, Any] = below if columns else {"loc": "outside right upper"}
            drawn.legend(handles.values(), handles.keys(), ncols=columns or 1, **place)
    return drawn


def interactive(plot: Plot) -> dict[str, Any]:
    """The same numbers, rounded, as the page's script takes them."""
    return {
        "title": plot.title,
        "x": plot.x_label,
        "y": plot.y_label,
        "log": plot.log,
        "whole": plot.whole,
        "ticks": plot.ticks,
        "limits": plot.limits and [round(limit, 3) for limit in plot.limits],
        "level": plot.level,
        "lines": [_rounded(line) for line in plot.lines],
    }


def _rounded(line: Line) -> dict[str, Any]:
    there = np.isfinite(line.y)
    found: dict[str, Any] = {
        "label": line.label,
        "colour": line.colour,
        "dash": line.dash,
        "width": line.width,
        "points": bool(line.marker),
        "step": line.step,
        "x": [float(f"{x:.4g}") for x in line.x[there]],
        "y": _percent(line.y[there]),
    }
    if line.low is not None and line.high is not None and (line.low < line.high).any():
        found |= {"low": _percent(line.low[there]), "high": _percent(line.high[there])}
    return found


def _percent(values: Iterable[float]) -> list[float]:
    return [round(float(value), 2) for value in values]
