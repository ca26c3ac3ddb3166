"""Figures of an experiment: restarts, a swept setting, equal budgets, attacked images."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from daa import targets
from daa.attacks.losses import LOSSES
from daa.attacks.methods import METHODS
from daa.reports import autoattack, curves, examples, style
from daa.reports.curves import Line, Plot
from daa.reports.results import ResultSet
from daa.reports.wording import label, loss, source
from daa.runs.records import Record

AXES = {"eps": "eps", "c": "c, the weight of the particle terms"}
# Shapes distinguish lines without colours.
_MARKERS = {"pgd": "o", "momentum": "s", "blob": "^", "dgf": "D", "rand_fgsm": "v", "adaptive": "*"}
# Order of the legend of equal budgets; other methods follow.
_ORDER = ("adaptive", "blob", "dgf", "pgd", "apgd", "apgd_t", "square")
_DASHES = ("-", "--", ":", "-.")
_TICKS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def write(results: ResultSet, out: Path) -> list[Path]:
    """Writes all possible figures, as PNG and SVG; returns the PNG files."""
    written = []
    name, panels = of(results)
    if panels:
        note = source(results.records)
        if name == "budget":
            note += " Lines are means over the seeds, bands span the seeds."
        written.append(style.save(curves.figure(panels, results.title, note), out / f"{name}.png"))
    if (images := attacked_images(results)) is not None:
        written.append(style.save(images, out / "examples.png"))
    return written


def of(results: ResultSet) -> tuple[str, list[Plot]]:
    """Name and panels of an experiment's figure; no panels if there is nothing to draw."""
    records, setting = results.records, results.sweep
    if results.has_curves and not setting:
        return "budget", [budget(results)]
    if setting:
        # A line of a sweep has a single value at each point.
        values: dict[tuple, set] = {}
        for record in records:
            point = (record.attack.loss, record.attack.method, getattr(record.attack, setting))
            values.setdefault(point, set()).add(record.accuracy_per_restart)
        if all(len(runs) == 1 for runs in values.values()):
            return setting, sweep(records, setting)
    labels = [(label(record.attack), record.attack.loss) for record in records]
    if max(record.restarts for record in records) > 1 and len(set(labels)) == len(labels):
        return "restarts", restarts(records)
    return "", []


def restarts(records: Sequence[Record]) -> list[Plot]:
    """Worst-case accuracy after each restart, a panel per loss."""
    panels = []
    for name in _losses(records):
        lines = []
        for record in records:
            method, accuracy = record.attack.method, 100 * np.array(record.robust_accuracy)
            # Markers on many points hide the lines.
            marker = _MARKERS.get(method, "o") if len(accuracy) <= 20 else None
            count, colour = np.arange(1, len(accuracy) + 1), style.colour_of(method)
            if record.attack.loss == name:
                lines.append(Line(label(record.attack), colour, count, accuracy, marker=marker))
        axis = "worst-case accuracy (%)"
        panels.append(Plot(LOSSES[name].title, "restarts", axis, tuple(lines), whole=True))
    return curves.share_limits(panels)


def sweep(records: Sequence[Record], setting: str) -> list[Plot]:
    """Difference between single runs and PGD's mean against a swept setting, a panel per loss.

    The band spans the restarts. PGD's accuracy is below each value of the setting. Without
    PGD, and for methods of one step, the accuracies themselves are drawn. An attack with a budget
    has one value, the accuracy at its end.
    """
    # Accuracies of the restarts in percent, {loss: {method: {value of the setting: accuracies}}}.
    accuracy: dict[str, dict[str, dict[float, np.ndarray]]] = {}
    for record in records:
        attack = record.attack
        line = accuracy.setdefault(str(attack.loss), {}).setdefault(attack.method, {})
        runs = (record.worst,) if record.gradients_after else record.accuracy_per_restart
        line[getattr(attack, setting)] = 100 * np.array(runs)
    panels = []
    for name in [*_losses(records), *{"None"}.intersection(accuracy)]:
        pgd = accuracy[name].get("pgd", {})
        relative = {
            method: {x: run - pgd[x].mean() for x, run in line.items() if x in pgd}
            for method, line in accuracy[name].items()
            if METHODS[method].steps is None
        }
        one = " of a single run" if name in LOSSES else ""
        compared = any(relative[method] for method in relative if method != "pgd")
        lines = relative if compared else accuracy[name]
        below = {x: f"\n{run.mean():.1f}" if compared else "" for x, run in sorted(pgd.items())}
        panels.append(
            Plot(
                LOSSES[name].title if name in LOSSES else "",
                f"{AXES[setting]}; below it PGD's accuracy (%)" if compared else AXES[setting],
                "accuracy minus PGD's (points)" if compared else f"accuracy{one} (%)",
                tuple(_band(lines[method], method) for method in METHODS if lines.get(method)),
                ticks=tuple((x, f"{x:.4g}{text}") for x, text in below.items()) or None,
            )
        )
    return curves.share_limits(panels)


def _band(runs: dict[float, np.ndarray], method: str) -> Line:
    x, values = zip(*sorted(runs.items()), strict=True)
    mean, low, high = (np.array([of(run) for run in values]) for of in (np.mean, np.min, np.max))
    marker, colour = _MARKERS.get(method, "o"), style.colour_of(method)
    return Line(METHODS[method].title, colour, np.array(x), mean, low, high, marker=marker)


def _losses(records: Sequence[Record]) -> list[str]:
    return [name for name in LOSSES if any(record.attack.loss == name for record in records)]


def budget(results: ResultSet) -> Plot:
    """Robust accuracy against gradients per image; mean and band over the seeds.

    The attacks of AutoAttack are points, and the exact robust accuracy is a horizontal line.
    """
    records, races = results.records, autoattack.load(results.folder)
    most = max(record.gradients_per_image for record in records)
    lines = [*_methods(records, np.geomspace(4, most, 200))]
    for race in races[-1:]:
        on = "" if race.images == records[0].images else f", first {race.images:,} images"
        x, y = race.autoattack.arrays
        lines.append(Line(f"AutoAttack{on}", "wine", x, y, dash=":", marker="*"))
        if on or race.adaptive[0].last.gradients > 1.1 * most:
            x, y = race.adaptive[0].arrays
            name = f"Adaptive DAA{on or ', budget of the race'}"
            colour = style.colour_of("adaptive")
            lines.append(Line(name, colour, x, y, dash="--", width=1, step=True))
    most = max([most, *(race.autoattack.last.gradients for race in races)])
    courses = [course for race in races[-1:] for course in (race.autoattack, race.adaptive[0])]
    ends = [record.worst for record in records] + [course.last.accuracy for course in courses]
    low, high = 100 * min(ends), 100 * max(record.clean_accuracy for record in records)
    name = records[0].target
    exact = targets.row(name).robust if targets.exists(name) else None
    return Plot(
        "",
        "gradients per image (a forward pass alone counts half)",
        "robust accuracy (%)",
        tuple(lines),
        log=True,
        ticks=tuple((tick, f"{tick:,}") for tick in _TICKS if tick <= 1.1 * most),
        limits=(low - 0.06 * (high - low), low + 0.75 * (high - low)),
        level=(100 * exact.accuracy, f"exact: {100 * exact.accuracy:.2f}") if exact else None,
    )


def accuracy_after(record: Record, gradients: np.ndarray) -> np.ndarray:
    """Robust accuracy in percent after some numbers of gradients; NaN beyond the last unit."""
    spent = np.concatenate([[0.0], np.array(record.gradients_after)])
    accuracy = 100 * np.array([record.clean_accuracy, *record.robust_accuracy])
    value = accuracy[np.searchsorted(spent, gradients, side="right") - 1]
    # The accuracy of the last unit holds up to the budget, a little beyond its gradients.
    return np.where(gradients <= 1.05 * spent[-1], value, np.nan)


def _methods(records: Sequence[Record], gradients: np.ndarray) -> Iterator[Line]:
    """A line per method and loss; of several settings, the one with most seeds, then the best."""
    groups: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in records:
        settings = groups.setdefault((record.attack.method, loss(record.attack)), {})
        settings.setdefault(label(record.attack), []).append(record)
    used: Counter[str] = Counter()
    for method, name in sorted(groups, key=lambda key: (*_ORDER, key[0]).index(key[0])):
        several = sum(key[0] == method for key in groups) > 1
        own = max(groups[method, name].values(), key=lambda runs: (len(runs), -runs[0].worst))
        attack = own[0].attack
        title = METHODS[method].title
        title += f", {attack.steps} steps" if attack.budget and attack.loss else ""
        runs = np.array([accuracy_after(record, gradients) for record in own])
        # A line of steps needs only the points where some run changes, and the ends.
        there = np.flatnonzero(np.isfinite(runs).all(axis=0))
        changed = (np.diff(runs[:, there], axis=1) != 0).any(axis=0)
        points = there[np.concatenate([[True], changed[:-1], [True]])]
        runs = runs[:, points]
        colour = style.colour_of(method)
        dash = _DASHES[used[colour] % len(_DASHES)]
        used[colour] += 1
        yield Line(
            title + (f", {name}" if several else ""),
            colour,
            gradients[points],
            runs.mean(axis=0),
            runs.min(axis=0),
            runs.max(axis=0),
            dash=dash,
            width=2.8 if method == "adaptive" else 1.4,
            step=True,
        )


def attacked_images(results: ResultSet) -> Figure | None:
    """Clean images, two attacks on each and both perturbations; None without examples.json."""
    selected = examples.load(results.folder)
    by_name = {record.run: record for record in results.records}
    if selected is None or not selected.images or not set(selected.rows) <= set(by_name):
        return None
    attacked = [by_name[row] for row in selected.rows]
    clean, first, second = (
        np.array(pixels).reshape(-1, *selected.shape)
        for pixels in (selected.natural, *selected.adversarial)
    )
    names = [label(record.attack) for record in attacked]
    # Title, images, and whether they are perturbations, which have negative values.
    rows = [
        ("clean", clean, False),
        (f"attacked by {names[0]}", first, False),
        (f"attacked by {names[1]}", second, False),
        (f"perturbation by {names[0]}: red is darker, blue is brighter", first - clean, True),
        (f"perturbation by {names[1]}", second - clean, True),
    ]
    count, height = len(clean), 0.78 * len(rows) + 0.6
    with style.look():
        figure = Figure(figsize=(0.52 * count, height))
        around = {"left": 0.005, "right": 0.995, "bottom": 0.005, "wspace": 0.04, "hspace": 0.5}
        grid = figure.add_gridspec(len(rows), count, top=1 - 0.85 / height, **around)
        for line, (name, images, signed) in zip(grid.subplots(squeeze=False), rows, strict=True):
            largest = float(np.abs(images).max() or 1) if signed else 1.0
            for axis, image in zip(line, images, strict=True):
                low, colours = (-largest, "RdBu") if signed else (0, "gray")
                if signed and image.shape[-1] == 3:
                    image = 0.5 + image / (2 * largest)
                # Without interpolation the SVG holds each pixel once.
                axis.imshow(image, colours, vmin=low, vmax=largest, interpolation="none")
                axis.axis("off")
            line[0].set_title(name, loc="left", fontsize=11, pad=3)
        on = f"{attacked[0].target} ({attacked[0].weights} weights)"
        title = f"Broken by {names[1]}, not by {names[0]}; restarts: {attacked[0].restarts}; {on}"
        figure.suptitle(fill(title, 6 * count), fontsize=11, parse_math=False)
    return figure


def kinds(
    chosen: Mapping[str, np.ndarray],
    clean: np.ndarray,
    adv: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    count: int = 6,
) -> Figure:
    """At most `count` images of each kind: clean and as two attacks changed them.

    `chosen` is {kind: indices}, `clean` [N, H, W, C], and `adv` one such array for each attack.
    """
    selected = {name: images[:count] for name, images in chosen.items() if len(images)}
    with style.look():
        size = 0.62 * 3 * count, 0.95 * len(selected) + 0.5
        figure = Figure(figsize=size, layout="constrained")
        widths = (count * [1, 1, 1, 0.4])[:-1]  # a gap between two images
        axes = figure.subplots(len(selected), len(widths), squeeze=False, width_ratios=widths)
        for axis in axes.flat:
            axis.axis("off")
        for line, (kind, images) in zip(axes, selected.items(), strict=True):
            title = line[0].set_title(f"by {kind} ({len(chosen[kind]):,})", loc="left", fontsize=8)
            title.set_in_layout(False)  # it may be wider than the image
            for k, image in enumerate(images):
                for j, pixels in enumerate((clean, *adv)):
                    picture = np.clip(pixels[image], 0, 1)
                    line[4 * k + j].imshow(picture, cmap="gray", vmin=0, vmax=1)
        order = ", ".join(("clean", *names))
        figure.suptitle(f"Broken images, three times each: {order}", fontsize=9, parse_math=False)
    return figure
