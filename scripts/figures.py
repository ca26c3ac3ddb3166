"""Figures from result records: python scripts/figures.py [FOLDER ...]."""

from __future__ import annotations

import io
import json
from pathlib import Path
from textwrap import fill
from typing import Any

import cli
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from records import LOSSES, METHODS, Collected, collect, folders, label, source

from daa import InputError
from daa.results import write_atomically

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
# Ids in SVG files are random otherwise, and every rebuild would differ.
plt.rcParams["svg.hashsalt"] = "daa"


def write(collected: Collected, folder: Path) -> list[Path]:
    """Draws what an experiment's records allow: restarts, sweep, examples; PNG and SVG each.

    Returns:
        The PNG files.
    """
    written = []
    if collected.sweep:
        written.append(_save(sweep(collected), folder / f"{collected.sweep}.png"))
    elif max(record["restarts"] for record in collected.records) > 1 and _distinct(collected):
        written.append(_save(restarts(collected.records), folder / "restarts.png"))
    shown = folder / "examples.json"
    if shown.exists():
        content = json.loads(shown.read_text(encoding="utf-8"))
        by_name = {record["run"]: record for record in collected.records}
        if content["images"] and set(content["rows"]) <= set(by_name):
            attacked = [by_name[row] for row in content["rows"]]
            written.append(_save(examples(content, attacked), folder / "examples.png"))
    return written


def _distinct(collected: Collected) -> bool:
    """Whether each line of a panel would have a name of its own."""
    names = [(label(r["attack"]), r["attack"]["loss"]) for r in collected.records]
    return len(set(names)) == len(names)


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
    figure, axes = _panels(records, rows=2 if apart else 1)
    for loss, column in zip(_losses(records), axes.T, strict=True):
        for method in METHODS:
            for axis, lines in zip(column, (accuracy, apart), strict=False):
                _band(axis, lines.get((loss, method), {}), method)
        column[-1].set_xlabel(AXES[field])
    axes[0, 0].set_ylabel("accuracy of a single run (%)")
    axes[0, 0].legend(frameon=False)
    if apart:
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


def examples(content: dict[str, Any], attacked: list[dict[str, Any]]) -> plt.Figure:
    """Natural images, two attacks on each, and both perturbations; one column per image.

    Args:
        content: of examples.json.
        attacked: the two attacks' records.
    """
    shape = (-1, *content["shape"])
    natural = np.array(content["natural"]).reshape(shape)
    first, second = (np.array(adv).reshape(shape) for adv in content["adversarial"])
    names = [label(record["attack"]) for record in attacked]
    rows = [
        ("natural", natural, False),
        (names[0], first, False),
        (names[1], second, False),
        (f"{names[0]} - natural", first - natural, True),
        (f"{names[1]} - natural", second - natural, True),
    ]
    count = len(natural)
    figure, axes = plt.subplots(
        len(rows),
        count,
        figsize=(1.1 * count + 1.6, 1.15 * len(rows) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for line, (name, images, signed) in zip(axes, rows, strict=True):
        largest = float(np.abs(images).max()) if signed else 1.0
        for axis, image in zip(line, images, strict=False):
            picture = _picture(image)
            if signed and picture.ndim == 3:
                picture = 0.5 + picture / (2 * largest)
            limits = (-largest, largest) if signed else (0, 1)
            axis.imshow(picture, cmap="RdBu" if signed else "gray", vmin=limits[0], vmax=limits[1])
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    of = f"{attacked[0]['target']} ({attacked[0]['weights']} weights)"
    title = f"Broken by {names[1]}, not by {names[0]}; restarts: {attacked[0]['restarts']}; {of}"
    figure.suptitle(title, fontsize=11)
    return figure


def _picture(image: np.ndarray) -> np.ndarray:
    """As imshow takes it: grey images without their channel."""
    return image[..., 0] if image.shape[-1] == 1 else image


def kinds(
    chosen: dict[str, np.ndarray],
    natural: np.ndarray,
    adv: list[np.ndarray],
    names: list[str],
    path: Path,
    count: int = 6,
) -> None:
    """Some images of each kind: natural, and as two attacks changed them; PNG and SVG.

    Args:
        chosen: {kind: indices}.
        natural: images in [0, 1]. [N, H, W, C].
        adv: two versions of them. [N, H, W, C] each.
        names: of the two versions.
        path: of the PNG file.
        count: images shown of each kind.
    """
    shown = {name: images[:count] for name, images in chosen.items() if len(images)}
    sources = [("natural", natural), *zip(names, adv, strict=True)]
    figure, axes = plt.subplots(
        len(shown),
        3 * count,
        figsize=(0.62 * 3 * count, 0.95 * len(shown) + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for line, (kind, images) in zip(axes, shown.items(), strict=True):
        title = line[0].set_title(f"by {kind} ({len(chosen[kind]):,})", loc="left", fontsize=8)
        title.set_in_layout(False)  # it may be wider than its image
        for k, image in enumerate(images):
            for j, (_, pixels) in enumerate(sources):
                picture = _picture(np.clip(pixels[image], 0, 1))
                line[3 * k + j].imshow(picture, cmap="gray", vmin=0, vmax=1)
    order = ", ".join(name for name, _ in sources)
    figure.suptitle(f"Images broken; each three times: {order}", fontsize=9)
    _save(figure, path)


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


def _save(figure: plt.Figure, path: Path) -> Path:
    for suffix, options in (("png", {"dpi": 150}), ("svg", {"metadata": {"Date": None}})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, **options)
        write_atomically(path.with_suffix(f".{suffix}"), buffer.getvalue())
    plt.close(figure)
    return path


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
