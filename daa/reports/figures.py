"""Figures of an experiment's records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from daa import targets
from daa.attacks.losses import LOSSES
from daa.attacks.methods import METHODS
from daa.reports import budget, examples, palette, pictures, plots, plotting, races
from daa.reports.plots import Line, Plot
from daa.reports.results import Collected
from daa.reports.wording import label, source
from daa.runs.records import Record

AXES = {"eps": "eps", "c": "c, the weight of the particle terms"}
# Shapes that tell lines apart without their colours.
_MARKERS = {"pgd": "o", "momentum": "s", "blob": "^", "dgf": "D", "rand_fgsm": "v", "adaptive": "*"}
# Accuracies of repeated single runs in percent, by the value of the swept setting.
Runs = dict[float, np.ndarray]


def write(collected: Collected, folder: Path, out: Path | None = None) -> list[Path]:
    """Draws what the records of an experiment allow: restarts, sweep, examples; PNG and SVG each.

    Args:
        collected: of the folder.
        folder: of the records.
        out: folder of the figures; None for that of the records.

    Returns:
        The paths of the PNG files.
    """
    written, out = [], out or folder
    name, panels = of(collected, folder)
    if panels:
        about = source(collected.records)
        if name == "budget":
            about += " The band spans the seeds."
        figure = plots.figure(panels, collected.title, about)
        written.append(plotting.save(figure, out / f"{name}.png"))
    if (shown := shown_examples(collected, folder)) is not None:
        written.append(plotting.save(shown, out / "examples.png"))
    return written


def of(collected: Collected, folder: Path) -> tuple[str, list[Plot]]:
    """The name and the panels of an experiment's figure; no panels where there is nothing to draw.

    Args:
        collected: the records.
        folder: that they come from; races with AutoAttack lie beside them.
    """
    records = collected.records
    if budget.has_curves(records):
        target = records[0].target
        exact = targets.row(target).robust if targets.exists(target) else None
        floor = None if exact is None else 100 * exact.accuracy
        return "budget", [budget.plot(records, floor, races.load(folder))]
    if collected.sweep and _one_value_each(records, collected.sweep):
        return collected.sweep, sweep(records, collected.sweep)
    if max(record.restarts for record in records) > 1 and _distinct(records):
        return "restarts", restarts(records)
    return "", []


def shown_examples(collected: Collected, folder: Path) -> Figure | None:
    """The images that an experiment shows; None where it shows none."""
    shown = examples.load(folder)
    by_name = {record.run: record for record in collected.records}
    if shown is None or not shown.images or not set(shown.rows) <= set(by_name):
        return None
    return pictures.examples(shown, [by_name[row] for row in shown.rows])


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


def restarts(records: Sequence[Record]) -> list[Plot]:
    """Worst-case accuracy after each restart, one panel per loss."""
    panels = []
    for loss in _losses(records):
        lines = []
        for record in (r for r in records if r.attack.loss == loss):
            method, accuracy = record.attack.method, 100 * np.array(record.robust_accuracy)
            # Markers on many points hide the lines.
            marker = _MARKERS.get(method, "o") if len(accuracy) <= 20 else None
            count = np.arange(1, len(accuracy) + 1)
            name = label(record.attack)
            lines.append(Line(name, palette.of(method), count, accuracy, marker=marker))
        title, axis = LOSSES[loss].title, "worst-case accuracy (%)"
        panels.append(Plot(title, "restarts", axis, tuple(lines), whole=True))
    return plots.alike(panels)


def sweep(records: Sequence[Record], setting: str) -> list[Plot]:
    """How far single runs are from PGD's mean against the swept setting, one panel per loss.

    The band spans the repeated runs. PGD's own accuracy stands below each value. Where PGD was not
    swept, and for methods of one step, the accuracies themselves are drawn.
    """
    accuracy: dict[str, dict[str, Runs]] = {}
    for record in records:
        attack = record.attack
        line = accuracy.setdefault(str(attack.loss), {}).setdefault(attack.method, {})
        line[getattr(attack, setting)] = 100 * np.array(record.accuracy_per_restart)
    panels = []
    for loss in _losses(records):
        of_loss = accuracy[loss]
        pgd = of_loss.get("pgd", {})
        apart = {
            method: {x: run - pgd[x].mean() for x, run in line.items() if x in pgd}
            for method, line in of_loss.items()
            if METHODS[method].steps is None
        }
        compared = any(line for method, line in apart.items() if method != "pgd")
        lines = apart if compared else of_loss
        drawn = [_band(lines[method], method) for method in METHODS if lines.get(method)]
        below = {x: f"\n{run.mean():.1f}" if compared else "" for x, run in sorted(pgd.items())}
        panels.append(
            Plot(
                LOSSES[loss].title,
                f"{AXES[setting]}; below it PGD's accuracy (%)" if compared else AXES[setting],
                "accuracy minus PGD's (points)" if compared else "accuracy of a single run (%)",
                tuple(drawn),
                ticks=tuple((x, f"{x:.4g}{text}") for x, text in below.items()) or None,
            )
        )
    return plots.alike(panels)


def _band(runs: Runs, method: str) -> Line:
    x, values = zip(*sorted(runs.items()), strict=True)
    means, lows, highs = (
        np.array([of_run(run) for run in values]) for of_run in (np.mean, np.min, np.max)
    )
    marker = _MARKERS.get(method, "o")
    title = METHODS[method].title
    return Line(title, palette.of(method), np.array(x), means, lows, highs, marker=marker)


def _losses(records: Sequence[Record]) -> list[str]:
    return [loss for loss in LOSSES if any(record.attack.loss == loss for record in records)]
