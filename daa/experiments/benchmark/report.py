"""The tables and the figure of the benchmark, from its JSON file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daa.experiments import plotting, tabular
from daa.targets.files import write_atomically


def write(content: dict[str, Any], path: Path) -> str:
    """Writes the tables as .md and the figure as .png and .svg.

    Args:
        content: of the JSON file.
        path: of the JSON file; the others lie beside it.

    Returns:
        The tables.
    """
    text = markdown(content)
    write_atomically(path.with_suffix(".md"), text.encode())
    if has_figure(content):
        plotting.save(draw(content), path)
    return text


def has_figure(content: dict[str, Any]) -> bool:
    """Whether all that the figure shows was measured."""
    return "madry_mnist" in content.get("steps", {}) and "growth" in content


def markdown(content: dict[str, Any]) -> str:
    """All tables that were measured."""
    sections = [
        "# Benchmark",
        "",
        "Medians over rounds, ratios taken within each round; networks with random weights.",
        "Written by `python scripts/benchmark.py`.",
    ]
    for part, section in SECTIONS.items():
        if part in content:
            measured = content["measured"][part]
            devices = {key: measured[key]["device"] for key in content[part]}
            sections += ["", *section(content[part], devices)]
    return "\n".join(sections) + "\n"


def _steps(tables: dict[str, Any], devices: dict[str, str]) -> list[str]:
    lines = ["## One step of a minibatch"]
    header = ["a step of", "ms", "/ gradient", "/ PGD", "released / it"]
    for name, sizes in tables.items():
        for size, rows in sizes.items():
            cells = [
                [
                    label,
                    f"{row['milliseconds']:.2f}",
                    f"{row['over_gradient']:.3f}",
                    f"{row['over_pgd']:.3f}",
                    f"{row['released_over_it']:.2f}",
                ]
                for label, row in rows.items()
            ]
            about = f"{name}, batch {size}, {_rounds(rows)}, {devices[name]}:"
            lines += ["", about, "", *_table(header, cells)]
    return lines


def _rounds(rows: dict[str, Any]) -> str:
    return f"{next(iter(rows.values()))['rounds']} rounds"


def _parts(rows: dict[str, Any], devices: dict[str, str]) -> list[str]:
    base = rows["nothing"]["milliseconds"]
    cells = [
        [name, f"{max(row['milliseconds'] - base, 0):.3f}"]
        for name, row in rows.items()
        if name != "nothing"
    ]
    return [
        "## Where the rest of a DAA step goes",
        "",
        f"Milliseconds for 200 particles of 784 pixels, less an empty loop, {_rounds(rows)}, "
        f"{devices['nothing']}:",
        "",
        *_table(["part", "ms"], cells),
    ]


def _peers(tables: dict[str, Any], devices: dict[str, str]) -> list[str]:
    lines = ["## Peers", "", "Whole attacks of 200 images with a random start, float32:"]
    for name, rows in tables.items():
        cells = [
            [label, f"{row['images_per_second']:.1f}", f"{row['over_faster_peer']:.2f}"]
            for label, row in rows.items()
        ]
        header = ["attack", "images / s", "over the faster peer's PGD"]
        about = f"{name}, {_rounds(rows)}, {devices[name]}:"
        lines += ["", about, "", *_table(header, cells)]
    return lines


def _limit(tables: dict[str, Any], devices: dict[str, str]) -> list[str]:
    header = ["network", "Mflop / image-step", "Gflop/s", "best product", "fraction", "on"]
    cells = [
        [
            name,
            f"{row['megaflops_per_image_step']:.2f}",
            f"{row['gigaflops']:.1f}",
            f"{row['best_product_gigaflops']:.1f}",
            f"{row['fraction']:.2f}",
            f"{devices[name]}, {row['rounds']} rounds",
        ]
        for name, row in tables.items()
    ]
    about = "PGD at batch 200 in float32, over the best matrix product of the same run (Gflop/s):"
    return ["## Fraction of the machine's limit", "", about, "", *_table(header, cells)]


def _growth(axes: dict[str, list[dict[str, Any]]], devices: dict[str, str]) -> list[str]:
    lines = [
        "## Cost as it grows",
        "",
        "DAA-BLOB, 10 steps on the small network; memory is the peak of a process of its own.",
    ]
    for axis, points in axes.items():
        cells = [
            [
                f"{point[axis]:,}",
                f"{point['microseconds_per_image_step']:.1f}",
                f"{point['gigabytes']:.2f}",
            ]
            for point in points
        ]
        lines += ["", f"On {devices[axis]}:", "", *_table([axis, "µs / image-step", "GB"], cells)]
    return lines


SECTIONS = {
    "steps": _steps,
    "parts": _parts,
    "peers": _peers,
    "limit": _limit,
    "growth": _growth,
}


def _table(header: list[str], cells: list[list[str]]) -> list[str]:
    return tabular.markdown(header, cells)


def draw(content: dict[str, Any]) -> Figure:
    """The time of a step over that of the gradient, and the growth of time and memory."""
    layout = [["steps", "particles time", "images time"], ["steps", "particles", "images"]]
    figure = Figure(figsize=(13, 6.5))
    axes: dict[str, Axes] = figure.subplot_mosaic(layout)
    sizes = content["steps"]["madry_mnist"]
    rows = sizes.get("200") or next(iter(sizes.values()))
    names = list(rows)[::-1]
    axes["steps"].barh(names, [rows[name]["over_gradient"] for name in names], color="#0072B2")
    axes["steps"].axvline(1, color="black", linewidth=0.8)
    axes["steps"].set_xlabel("time of a step / the gradient's\n(MadryLab's MNIST network)")
    for kind, points in content["growth"].items():
        for axis, y, what in [
            (axes[f"{kind} time"], "microseconds_per_image_step", "µs per image-step"),
            (axes[kind], "gigabytes", "peak memory (GB)"),
        ]:
            values = [point[y] for point in points]
            axis.plot([point[kind] for point in points], values, marker="o", color="#D55E00")
            axis.set_xlabel(kind)
            axis.locator_params(axis="x", nbins=4)
            axis.set_ylabel(what)
            axis.set_ylim(0, 1.1 * max(values))
    figure.tight_layout()
    return figure
