"""Tables and figure of the benchmark, from its JSON file."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daa.attacks.methods import METHODS
from daa.errors import InputError, require
from daa.reports import curves, style, tabular
from daa.reports.curves import Line, Plot
from daa.runs.records import SCHEMA
from daa.targets.files import read_json, reason, write_atomically

# Endings of the tables and the figure in the folder of the JSON file.
_ENDINGS = (".md", ".png", ".svg")
# The network whose steps the figure shows.
_NETWORK = "madry_mnist"


def write(content: dict[str, Any], path: Path) -> str:
    """Writes the tables as .md and the figure as .png and .svg.

    Args:
        content: content of the JSON file.
        path: path of the JSON file.

    Returns:
        The tables.
    """
    text = markdown(content)
    write_atomically(path.with_suffix(".md"), text.encode())
    if drawable(content):
        style.save(draw(content), path)
    return text


def load(path: Path) -> dict[str, Any]:
    """The content of a benchmark's JSON file.

    Raises:
        InputError: the file is no such file.
    """
    content = read_json(path, "the JSON file of a benchmark")
    schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
    require(schema == SCHEMA, f"{path}: schema", str(SCHEMA), schema)
    try:
        markdown(content)
        if drawable(content):
            draw(content)
        content.setdefault("measured", {}).items()
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise InputError(
            f"{path}: expected the JSON file of a benchmark, got another: {reason(error)}"
        ) from error
    return content


def replaceable(path: Path) -> dict[str, Any]:
    """The content of a JSON file that a benchmark may replace; empty if there is no file.

    Raises:
        InputError: the file is not a benchmark's, or its tables would replace other files.
    """
    require(path.suffix == ".json", "out", "a file with the ending .json", path.name)
    if path.exists():
        return load(path)
    for other in (path.with_suffix(ending) for ending in _ENDINGS):
        if other.exists():
            raise InputError(
                f"{other}: not written by the benchmark {path.name}; "
                "move the file, or choose another --out"
            )
    return {}


def drawable(content: dict[str, Any]) -> bool:
    """Whether the figure has all its measurements."""
    return _NETWORK in content.get("steps", {}) and "growth" in content


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
    columns = {
        "ms": "{milliseconds:.2f}",
        "/ gradient": "{over_gradient:.3f}",
        "/ PGD": "{over_pgd:.3f}",
        "released / it": "{released_over_it:.2f}",
    }
    for name, sizes in tables.items():
        for size, rows in sizes.items():
            about = f"{name}, batch {size}, {_rounds(rows)}, {devices[name]}:"
            lines += ["", about, "", *_table("a step of", columns, rows)]
    return lines


def _rounds(rows: dict[str, Any]) -> str:
    return f"{next(iter(rows.values()))['rounds']} rounds"


def _parts(rows: dict[str, Any], devices: dict[str, str]) -> list[str]:
    base = rows["nothing"]["milliseconds"]
    beyond = {
        name: {"milliseconds": max(row["milliseconds"] - base, 0)}
        for name, row in rows.items()
        if name != "nothing"
    }
    return [
        "## Where the rest of a DAA step goes",
        "",
        f"Milliseconds for 200 particles of 784 pixels, less an empty loop, {_rounds(rows)}, "
        f"{devices['nothing']}:",
        "",
        *_table("part", {"ms": "{milliseconds:.3f}"}, beyond),
    ]


def _peers(tables: dict[str, Any], devices: dict[str, str]) -> list[str]:
    lines = ["## Peers", "", "Whole attacks of 200 images with a random start, float32:"]
    columns = {
        "images / s": "{images_per_second:.1f}",
        "over the faster peer's PGD": "{over_faster_peer:.2f}",
    }
    for name, rows in tables.items():
        about = f"{name}, {_rounds(rows)}, {devices[name]}:"
        lines += ["", about, "", *_table("attack", columns, rows)]
    return lines


def _limit(tables: dict[str, Any], devices: dict[str, str]) -> list[str]:
    columns = {
        "Mflop / image-step": "{megaflops_per_image_step:.2f}",
        "Gflop/s": "{gigaflops:.1f}",
        "best product": "{best_product_gigaflops:.1f}",
        "fraction": "{fraction:.2f}",
        "on": "{device}, {rounds} rounds",
    }
    rows = {name: row | {"device": devices[name]} for name, row in tables.items()}
    about = "PGD at batch 200 in float32, over the best matrix product of the same run (Gflop/s):"
    return ["## Fraction of the machine's limit", "", about, "", *_table("network", columns, rows)]


def _growth(axes: dict[str, list[dict[str, Any]]], devices: dict[str, str]) -> list[str]:
    lines = [
        "## Cost as it grows",
        "",
        "DAA-BLOB, 10 steps on the small network; memory is the peak of a process of its own.",
    ]
    columns = {"µs / image-step": "{microseconds_per_image_step:.1f}", "GB": "{gigabytes:.2f}"}
    for axis, points in axes.items():
        rows = {f"{point[axis]:,}": point for point in points}
        lines += ["", f"On {devices[axis]}:", "", *_table(axis, columns, rows)]
    return lines


SECTIONS = {"steps": _steps, "parts": _parts, "peers": _peers, "limit": _limit, "growth": _growth}


def _table(first: str, columns: dict[str, str], rows: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of a table with the names of rows in its first column, and {header: format} after."""
    forms = columns.values()
    cells = [[name, *(form.format(**row) for form in forms)] for name, row in rows.items()]
    return tabular.markdown([first, *columns], cells)


def names(row: str) -> str:
    """The label of a row: the title of the method instead of its name."""
    first, *rest = row.split(", ")
    if first == "gradient":
        return ", ".join(["the gradient alone", *rest])
    if rest and rest[-1] in METHODS:
        return f"{METHODS[rest[-1]].title}, {first}"
    return ", ".join([METHODS[first].title if first in METHODS else first, *rest])


def draw(content: dict[str, Any]) -> Figure:
    """Time of a step relative to the gradient, and growth of time and memory."""
    with style.look():
        figure = Figure(figsize=(13, 6.5), layout="constrained")
        layout = [["steps", "0", "1"], ["steps", "2", "3"]]
        axes: dict[str, Axes] = figure.subplot_mosaic(layout, width_ratios=[1.2, 1, 1])
        _bars(axes["steps"], content)
        for k, plot in enumerate(growth(content)):
            curves.draw(axes[str(k)], plot)
        figure.suptitle("What a step of an attack costs, and how the cost grows", fontsize=13)
        figure.supxlabel(about(content), fontsize=style.SMALL, color=style.light("soft"))
    return figure


def about(content: dict[str, Any]) -> str:
    """Network, minibatch and device of the figure's times."""
    size, rows = _size(content)
    device = content["measured"]["steps"][_NETWORK]["device"]
    return (
        f"Steps: MadryLab's MNIST network, random weights, minibatches of {size}, medians of "
        f"{_rounds(rows)}. Growth: DAA-BLOB, 10 steps on the small network. {device}."
    )


def growth(content: dict[str, Any]) -> list[Plot]:
    """Time and memory of DAA-BLOB against the numbers of particles and of images."""
    measures = [
        ("microseconds_per_image_step", "µs per image and step"),
        ("gigabytes", "peak memory (GB)"),
    ]
    panels = []
    for measure, what in measures:
        for kind, points in content["growth"].items():
            x, y = (np.array([point[name] for point in points]) for name in (kind, measure))
            line = Line("DAA-BLOB", style.colour_of("blob"), x, y, marker="o")
            ticks = tuple((x, f"{x:,.0f}") for x in np.linspace(0, x.max(), 5))
            limits = (0, 1.1 * y.max())
            panels.append(Plot("", kind, what, (line,), ticks=ticks, limits=limits))
    return panels


def _size(content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The size of the minibatches that the figure shows, and its rows."""
    sizes = content["steps"][_NETWORK]
    size = "200" if "200" in sizes else next(iter(sizes))
    return size, sizes[size]


def _bars(axis: Axes, content: dict[str, Any]) -> None:
    _, rows = _size(content)
    order = list(rows)[::-1]
    times = [rows[name]["over_gradient"] for name in order]
    drawn = axis.barh([names(name) for name in order], times, color=style.light("blue"))
    axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=9, color=style.light("ink"))
    axis.axvline(1, color=style.light("soft"), linewidth=0.8)
    axis.set_xlim(0, 1.15 * max(times))
    axis.set_xlabel("time of a step over that of the gradient alone")
    axis.tick_params(axis="y", length=0)
