"""Look of figures and pages: colours for light and dark screens, PNG, SVG, HTML templates."""

import io
import re
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from daa.targets.files import write_atomically


class Colour(NamedTuple):
    """A colour on a light and on a dark background, as lower-case #rrggbb."""

    light: str
    dark: str


# Hues of Okabe and Ito, which colour-blind readers can distinguish; lighter on dark screens.
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
# Other methods are grey and differ in their dashes.
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
# Smallest font size, in points: footnotes.
SMALL = 8
_FONT = "text{font-family:system-ui,'DejaVu Sans',sans-serif!important}"
_FORMS: dict[str, dict[str, Any]] = {"png": {"dpi": 150}, "svg": {"metadata": {"Date": None}}}


def colour_of(method: str) -> str:
    """Name of a method's colour, the same in all figures."""
    return _METHODS.get(method, "grey")


def light(name: str) -> str:
    return COLOURS[name].light


def look() -> Any:
    """Context with the style of all figures."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("templates") / "figure.mplstyle")


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure to a PNG file and to an SVG file next to it, which adapts to dark screens."""
    for suffix in _FORMS:
        content = _draw(figure, suffix)
        if suffix == "svg":
            style = f"<style>{_variables('svg')}\n{_recolour()}\n{_FONT}</style>"
            content = content.decode().replace("<defs>", f"{style}\n <defs>", 1).encode()
        write_atomically(path.with_suffix(f".{suffix}"), content)
    return path


def inline(figure: Figure | str, name: str, alt: str) -> str:
    """A figure, or the text of an SVG file, as an element of a page; `name` prefixes its ids."""
    text = figure if isinstance(figure, str) else _draw(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r' (xmlns(:\w+)?="[^"]*"|(width|height)="[\d.]+pt")', "", text, count=4)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)


def render(template: str, **values: object) -> str:
    """A page from a template; values are escaped in HTML only."""
    loader = PackageLoader("daa.reports")
    strict: dict[str, Any] = {"autoescape": select_autoescape(), "undefined": StrictUndefined}
    environment = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **strict)
    return environment.get_template(template).render(
        colours=f"{_variables(':root')}\n{_recolour()}\nsvg {_FONT}",
        file=lambda name: loader.get_source(environment, name)[0],
        **values,
    )


def _variables(selector: str) -> str:
    """A CSS variable for each colour, for light and dark screens."""
    light = "".join(f"--{name}:{colour.light};" for name, colour in COLOURS.items())
    dark = "".join(f"--{name}:{colour.dark};" for name, colour in COLOURS.items())
    return f"{selector}{{{light}}}\n@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"


def _recolour() -> str:
    """CSS that replaces the light colours of an SVG, where a viewer supports variables."""
    # Text without a colour and matplotlib's defaults are black.
    drawn = [("ink", "#000000"), *((name, colour.light) for name, colour in COLOURS.items())]
    rules = [
        f'svg [style*="{key}: {colour}"]{{{key}:var(--{name})!important}}'
        for name, colour in drawn
        for key in ("stroke", "fill")
    ]
    return "\n".join(["svg text{fill:var(--ink)}", *rules])


def _draw(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    with look():
        figure.savefig(buffer, format=form, **_FORMS[form])
    return buffer.getvalue()
