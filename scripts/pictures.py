"""Grids of images: what attacks did to them; and how every figure is written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from records import label

from daa.results import write_atomically

# Ids in SVG files are random otherwise, and every rebuild would differ.
plt.rcParams["svg.hashsalt"] = "daa"


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
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> Path:
    """Writes a figure as PNG and SVG beside `path`, which it returns."""
    for suffix, options in (("png", {"dpi": 150}), ("svg", {"metadata": {"Date": None}})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, **options)
        write_atomically(path.with_suffix(f".{suffix}"), buffer.getvalue())
    plt.close(figure)
    return path
