"""Grids of images: what attacks did to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from daa.reports import plotting
from daa.reports.examples import Examples
from daa.reports.wording import label
from daa.runs.records import Record


def examples(shown: Examples, attacked: Sequence[Record]) -> Figure:
    """Natural images, two attacks on each, and both perturbations; one column per image.

    Args:
        shown: the images.
        attacked: the records of the two attacks.
    """
    shape = (-1, *shown.shape)
    natural = np.array(shown.natural).reshape(shape)
    first, second = (np.array(adv).reshape(shape) for adv in shown.adversarial)
    names = [label(record.attack) for record in attacked]
    # Name, images, and whether the images are perturbations, which have negative values.
    rows = [
        ("natural", natural, False),
        (f"attacked by {names[0]}", first, False),
        (f"attacked by {names[1]}", second, False),
        (f"change by {names[0]}: red is darker, blue is brighter", first - natural, True),
        (f"change by {names[1]}", second - natural, True),
    ]
    count = len(natural)
    with plotting.look():
        height = 0.78 * len(rows) + 0.6
        figure = Figure(figsize=(0.52 * count, height))
        around = {"left": 0.005, "right": 0.995, "bottom": 0.005, "wspace": 0.04, "hspace": 0.5}
        grid = figure.add_gridspec(len(rows), count, top=1 - 0.85 / height, **around)
        axes = grid.subplots(squeeze=False)
        for line, (name, images, signed) in zip(axes, rows, strict=True):
            largest = float(np.abs(images).max()) if signed else 1.0
            limits = (-largest, largest) if signed else (0, 1)
            for axis, image in zip(line, images, strict=False):
                picture = _picture(image)
                if signed and picture.ndim == 3:
                    picture = 0.5 + picture / (2 * largest)
                colours = "RdBu" if signed else "gray"
                # Not smoothed, so that the SVG holds each pixel once.
                axis.imshow(picture, colours, vmin=limits[0], vmax=limits[1], interpolation="none")
            for axis in line:
                axis.axis("off")
            line[0].set_title(name, loc="left", fontsize=11, pad=3)
        of = f"{attacked[0].target} ({attacked[0].weights} weights)"
        title = f"Broken by {names[1]}, not by {names[0]}; restarts: {attacked[0].restarts}; {of}"
        figure.suptitle(fill(title, 6 * count), fontsize=11, parse_math=False)
    return figure


def kinds(
    chosen: Mapping[str, np.ndarray],
    natural: np.ndarray,
    adv: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    count: int = 6,
) -> Figure:
    """Some images of each kind: the natural one, and how two attacks changed it.

    Args:
        chosen: {kind: indices}.
        natural: images in [0, 1]. [N, H, W, C].
        adv: the images as each attack changed them. [N, H, W, C] each.
        names: of the two attacks.
        count: images shown of each kind, at most.
    """
    shown = {name: images[:count] for name, images in chosen.items() if len(images)}
    sources = [("natural", natural), *zip(names, adv, strict=True)]
    with plotting.look():
        figure = Figure(figsize=(0.62 * 3 * count, 0.95 * len(shown) + 0.5), layout="constrained")
        axes = figure.subplots(len(shown), 3 * count, squeeze=False)
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
        figure.suptitle(f"Images broken; each three times: {order}", fontsize=9, parse_math=False)
    return figure


def _picture(image: np.ndarray) -> np.ndarray:
    """An image as imshow takes it: a grey one without its channel."""
    return image[..., 0] if image.shape[-1] == 1 else image
