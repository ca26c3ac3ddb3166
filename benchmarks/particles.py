"""The figure of docs/differences.md: the effect of the sign of BLOB's kernel gradient.

Left: three particles and their moves under both signs. Right: background pixels of Figure 1 under
the released sign. `python -m benchmarks.particles` draws the figure.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from daa.attacks import directions
from daa.attacks.directions import Formula
from daa.reports import examples, style
from daa.reports.examples import Examples
from daa.runs import config

FOLDER = config.RESULTS / "figure1-locuslab-fast_pgd_mnist"
FIGURE = config.FOLDER.parent / "docs" / "particles.png"
PLACES = (0.0, 0.3, 1.0)
C = 1.1
EPS = 0.3
# Signs in their rows, from above.
_ROWS: tuple[tuple[Formula, str], ...] = (
    ("released", "released: minus"),
    ("paper", "printed: plus"),
)


def directions_of(formula: Formula) -> np.ndarray:
    """BLOB's direction for particles at `PLACES` whose loss has no gradient. [3]."""
    x = np.array(PLACES, np.float32).reshape(3, 1, 1, 1)
    moved: np.ndarray = directions.blob(x, np.zeros_like(x), c=C, formula=formula).numpy()
    return moved.ravel()


def backgrounds(shown: Examples) -> tuple[np.ndarray, np.ndarray]:
    """The backgrounds of the shown images: all pixels that are 0 in the natural image.

    Args:
        shown: images and their adversarial examples by two attacks.

    Returns:
        The values of these pixels under both attacks, not a number elsewhere, [2, N, pixels]; and
        the share of them that lies at an end of what is allowed, 0 or `EPS`, [2, N].
    """
    natural = np.array(shown.natural)
    values = np.where(natural == 0, np.array(shown.adversarial), np.nan)
    at_an_end = (values < 0.001) | (values > EPS - 0.001)
    return values, at_an_end.sum(axis=2) / (natural == 0).sum(axis=1)


def draw(shown: Examples) -> Figure:
    """Three particles under both signs, and backgrounds of the shown images of Figure 1."""
    with style.look():
        figure = Figure(figsize=(10, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _particles(left)
        _histogram(right, shown)
    return figure


def _particles(axis: Axes) -> None:
    for row, (formula, name) in enumerate(_ROWS):
        moves = directions_of(formula)
        axis.axhline(-row, color=style.light("rule"), linewidth=1, zorder=0)
        axis.plot(PLACES, [-row] * 3, "o", color=style.light(style.colour_of("blob")))
        for place, move in zip(PLACES, moves, strict=True):
            # Arrows stand above the line, or opposite ones would hide each other.
            start, end = (place, 0.12 - row), (place + 0.16 * move, 0.12 - row)
            arrow = {"arrowstyle": "->", "color": style.light("ink")}
            axis.annotate("", xy=end, xytext=start, arrowprops=arrow)
            axis.text(place, -0.3 - row, f"{move:+.3f}", ha="center", fontsize=8)
        axis.text(-0.3, -row, name, ha="right", va="center", fontsize=9)
    axis.set(xlim=(-0.25, 1.15), xlabel="x", ylim=(-1.55, 0.55), yticks=[], frame_on=False)
    axis.set_title(f"BLOB's direction without any loss gradient, c = {C}", fontsize=9)


def _histogram(axis: Axes, shown: Examples) -> None:
    values, ends = backgrounds(shown)
    uniform = ends[1] < 0.5
    for row, (method, name) in enumerate((("pgd", "PGD"), ("blob", "DAA-BLOB"))):
        pixels = values[row, uniform]
        axis.hist(
            pixels[np.isfinite(pixels)],
            bins=np.linspace(0, EPS, 31).tolist(),
            histtype="step",
            linewidth=1.5,
            color=style.light(style.colour_of(method)),
            label=name,
        )
    axis.set(xlabel="value of a background pixel (0 in the natural image)", ylabel="pixels")
    axis.legend(frameon=False)
    title = f"Backgrounds of {uniform.sum()} of the {len(uniform)} digits of Figure 1"
    axis.set_title(title, fontsize=9)


if __name__ == "__main__":
    shown = examples.load(FOLDER)
    assert shown is not None, FOLDER
    print(style.save(draw(shown), FIGURE))
