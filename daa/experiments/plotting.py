"""How figures are written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from daa.targets.files import write_atomically

# Without them, each SVG file would have the time and random ids in it, so that every rebuild
# differed.
_SAME_IDS = {"svg.hashsalt": "daa"}
_FORMS: dict[str, dict[str, Any]] = {"png": {"dpi": 150}, "svg": {"metadata": {"Date": None}}}


def save(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG and as SVG.

    Args:
        figure: made without pyplot, so that it needs no closing.
        path: of the PNG file; the SVG file lies beside it.

    Returns:
        The path of the PNG file.
    """
    for suffix, options in _FORMS.items():
        buffer = io.BytesIO()
        with matplotlib.rc_context(_SAME_IDS):
            figure.savefig(buffer, format=suffix, **options)
        write_atomically(path.with_suffix(f".{suffix}"), buffer.getvalue())
    return path.with_suffix(".png")
