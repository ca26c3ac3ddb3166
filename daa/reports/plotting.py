"""How figures look and are written: PNG, SVG, and SVG inside a page."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from daa.reports import palette
from daa.targets.files import write_atomically

_STYLE: dict[str, Any] = {
    # Without it, each SVG file would have random ids in it, so that every rebuild differed.
    "svg.hashsalt": "daa",
    # Text stays text: it can be read aloud, found and copied, and takes the page's font.
    "svg.fonttype": "none",
}
_FONT = "text{font-family:system-ui,'DejaVu Sans',sans-serif!important}"
_FORMS: dict[str, dict[str, Any]] = {"png": {"dpi": 150}, "svg": {"metadata": {"Date": None}}}
# Footnotes in points; nothing in a figure is smaller.
SMALL = 8
# Of everything that is drawn. The colours are those that `palette.recolour` knows.
LOOK: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": palette.light("ink"),
    "axes.labelcolor": palette.light("ink"),
    "axes.titlecolor": palette.light("ink"),
    "axes.edgecolor": palette.light("soft"),
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": palette.light("soft"),
    "xtick.labelcolor": palette.light("ink"),
    "ytick.color": palette.light("soft"),
    "ytick.labelcolor": palette.light("ink"),
    "grid.color": palette.light("rule"),
    "grid.linewidth": 0.7,
    "figure.facecolor": palette.light("back"),
}


def look() -> Any:
    """A context in which figures are made, so that they look alike and take a page's colours."""
    return matplotlib.rc_context(LOOK)


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG and as SVG.

    Args:
        figure: made without pyplot, so that it needs no closing.
        path: of the PNG file; the SVG file lies beside it.

    Returns:
        The path of the PNG file.
    """
    for suffix in _FORMS:
        content = _drawn(figure, suffix)
        if suffix == "svg":
            style = f"<style>{palette.css('svg')}\n{palette.recolour()}\n{_FONT}</style>"
            content = content.decode().replace("<defs>", f"{style}\n <defs>", 1).encode()
        write_atomically(path.with_suffix(f".{suffix}"), content)
    return path.with_suffix(".png")


def inline(figure: Figure, name: str, about: str) -> str:
    """A figure as an SVG element of a page that has the rules of `page_style`.

    Args:
        figure: made without pyplot.
        name: of the figure, as no other one of the page is called.
        about: what the figure shows, for readers who don't see it.
    """
    text = _drawn(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' (xmlns(:\w+)?="[^"]*"|(width|height)="[\d.]+pt")', "", text, count=4)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", text)
    label = about.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def page_style() -> str:
    """The rules that a page needs for its inline figures."""
    return f"{palette.css(':root')}\n{palette.recolour()}\nsvg {_FONT}"


def _drawn(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context({**LOOK, **_STYLE}):
        figure.savefig(buffer, format=form, **_FORMS[form])
    return buffer.getvalue()
