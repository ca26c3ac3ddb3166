"""Lines of numbers, drawn as a figure and as an interactive plot of the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from daa.reports import style

# Size of a panel in inches; the text stays legible at the width of a phone.
_WIDTH, _HEIGHT = 5.2, 3.3
_LEGEND_ROW = 0.22


@dataclass(frozen=True)
class Line:
    """One line, with a band from `low` to `high`; NaN in `y` is a gap.

    `colour` is a name in `style.COLOURS`, and with `step` a value holds until the next point.
    """

    label: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    dash: Any = "-"
    width: float = 1.5
    marker: str | None = None
    step: bool = False


@dataclass(frozen=True)
class Plot:
    """A panel.

    `log`, `whole` (integers) and `ticks`, as (value, text), are of x; `limits` are of y; `level`
    is a horizontal line with text.
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


def share_limits(plots: Sequence[Plot]) -> list[Plot]:
    """Panels of the same quantity, with the same limits of y."""
    lines = [line for plot in plots for line in plot.lines]
    drawn = [v for line in lines for v in (line.y, line.low, line.high) if v is not None]
    low, high = (float(of(np.concatenate(drawn))) for of in (np.nanmin, np.nanmax))
    margin = 0.05 * (high - low or 1)
    return [replace(plot, limits=(low - margin, high + margin)) for plot in plots]


def draw(axis: Axes, plot: Plot) -> None:
    """Draws a panel without legend."""
    for line in plot.lines:
        colour = style.light(line.colour)
        axis.plot(
            line.x,
            line.y,
            color=colour,
            label=line.label,
            linestyle=line.dash,
            linewidth=line.width,
            marker=line.marker,
            markersize=4.5,
            drawstyle="steps-post" if line.step else "default",
        )
        if line.low is not None and line.high is not None:
            step: Any = "post" if line.step else None
            look: Any = {"color": colour, "alpha": 0.2, "linewidth": 0}
            axis.fill_between(line.x, line.low, line.high, step=step, **look)
    if plot.level:
        value, text = plot.level
        axis.axhline(value, color=style.light("soft"), linestyle=":", label=text)
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
    axis.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    axis.grid()


def panel(plot: Plot) -> Figure:
    """A figure of a panel with the legend below, for a page."""
    return _figure([plot], (_WIDTH, _HEIGHT), columns=2 if len(plot.lines) > 3 else 3)


def figure(plots: Sequence[Plot], title: str, note: str) -> Figure:
    """Panels side by side with a shared legend, a title and a footnote."""
    single = len(plots) == 1
    width = 1.5 * _WIDTH if single else _WIDTH * len(plots)
    note = fill(note, round(18 * width))
    foot = 0.16 * (note.count("\n") + 1)
    columns = None if single else 3 * len(plots)
    drawn = _figure(plots, (width, _HEIGHT + foot + 0.3), columns, foot)
    with style.look():
        # The legend of a single panel is on its right. `parse_math=False`: dollar signs of a
        # user's title are not a formula.
        text = fill(title, round((7 if single else 11) * width))
        head = drawn.suptitle(text, fontsize=12, parse_math=False)
        if single:
            head.set(x=0.01, ha="left")
        below = drawn.text(0.5, 0.01, note, fontsize=style.SMALL, parse_math=False)
        below.set(color=style.light("soft"), ha="center", va="bottom")
    return drawn


def _figure(
    plots: Sequence[Plot], size: tuple[float, float], columns: int | None, foot: float = 0
) -> Figure:
    """The panels; the legend is below in some columns, or on the right for None."""
    with style.look():
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
            artists, texts = axis.get_legend_handles_labels()
            handles |= dict(zip(texts, artists, strict=True))
        if len(handles) > 1:
            place: dict[str, Any] = {"loc": "outside right upper"}
            if columns:
                place = {"loc": "lower center", "bbox_to_anchor": (0.5, foot / height)}
            drawn.legend(handles.values(), handles.keys(), ncols=columns or 1, **place)
    return drawn


def interactive(plot: Plot) -> dict[str, Any]:
    """The same numbers, rounded, for the page's script."""
    same = {name: getattr(plot, name) for name in ("title", "log", "whole", "ticks", "level")}
    return same | {
        "x": plot.x_label,
        "y": plot.y_label,
        "limits": plot.limits and np.round(plot.limits, 3).tolist(),
        "lines": [_rounded(line) for line in plot.lines],
    }


def _rounded(line: Line) -> dict[str, Any]:
    there = np.isfinite(line.y)
    values = {name: getattr(line, name) for name in ("label", "colour", "dash", "width", "step")}
    values |= {
        "points": bool(line.marker),
        "x": [float(f"{x:.4g}") for x in line.x[there]],
        "y": line.y[there].round(2).tolist(),
    }
    if line.low is not None and line.high is not None and (line.low < line.high).any():
        values["low"] = line.low[there].round(2).tolist()
        values["high"] = line.high[there].round(2).tolist()
    return values
