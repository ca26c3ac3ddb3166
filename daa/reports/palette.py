"""Colours of figures and pages, for a light and for a dark background.

A figure is drawn in the light colours. Its SVG names them as variables, too, so that it takes the
dark ones where the reader's system is dark, and a page's where the page has others.
"""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """A colour on a light and on a dark background, as #rrggbb in small letters."""

    light: str
    dark: str


# The hues are Okabe and Ito's, which colour-blind readers can tell apart. On the dark background
# they are lighter and keep their order.
COLOURS = {
    "ink": Colour("#14181d", "#eef1f5"),
    "soft": Colour("#56606c", "#a9b3bf"),
    "rule": Colour("#d5dae1", "#39414b"),
    "back": Colour("#ffffff", "#14181d"),
    "vermillion": Colour("#d55e00", "#ff8a3d"),
    "blue": Colour("#0072b2", "#3d9be0"),
    "green": Colour("#009e73", "#21c392"),
    "sky": Colour("#4aa8dd", "#9ad4f7"),
    "orange": Colour("#e69f00", "#f2cf5b"),
    "purple": Colour("#aa4499", "#d06fb8"),
    "wine": Colour("#882255", "#f2789f"),
    "grey": Colour("#8a929c", "#7e8791"),
}
# Methods that have none share the grey and differ in their dashes.
_METHODS = {
    "adaptive": "vermillion",
    "blob": "blue",
    "dgf": "green",
    "pgd": "ink",
    "momentum": "sky",
    "rand_fgsm": "orange",
    "apgd": "purple",
    "apgd_t": "orange",
    "autoattack": "wine",
}


def of(method: str) -> str:
    """The name of a method's colour, the same in all figures."""
    return _METHODS.get(method, "grey")


def light(name: str) -> str:
    """The colour of this name on a light background."""
    return COLOURS[name].light


def css(selector: str) -> str:
    """A variable for each colour, of the same name, for both backgrounds."""
    modes = [
        "".join(f"--{name}:{colour[mode]};" for name, colour in COLOURS.items()) for mode in (0, 1)
    ]
    dark = f"@media (prefers-color-scheme:dark){{{selector}{{{modes[1]}}}}}"
    return f"{selector}{{{modes[0]}}}\n{dark}"


def recolour() -> str:
    """Rules by which shapes drawn in a light colour take the variable of that colour.

    Viewers that know no variables keep the light colours.
    """
    # Text without a colour is black, as is what matplotlib draws by default.
    drawn = [("ink", "#000000"), *((name, colour.light) for name, colour in COLOURS.items())]
    rules = [
        f'svg [style*="{what}: {colour}"]{{{what}:var(--{name})!important}}'
        for name, colour in drawn
        for what in ("stroke", "fill")
    ]
    text = f"svg text{{fill:var(--{drawn[0][0]})}}"
    return "\n".join([text, *rules])
