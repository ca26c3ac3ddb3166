"""The list of all targets, as the command line prints it; no weights are read."""

from __future__ import annotations

from daa.errors import InputError
from daa.reports.wording import radius
from daa.targets import every_target, family, row


def text() -> str:
    """One line for each target: name, radius, where its weights come from, whether they are there.

    Weights are looked for in the places that need no argument: the target folders, the folder that
    the environment names, the cache.
    """
    rows = [("target", "eps", "weights", "at hand", "what it is")]
    for reference in every_target():
        about = row(reference)
        there = "yes" if _found(reference) else "no"
        cells = (reference, radius(about.eps), about.provenance, there, about.description)
        rows.append(cells)
    widths = [max(len(cells[k]) for cells in rows) for k in range(4)]
    return "\n".join(
        "  ".join([*(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=False)), last])
        for *cells, last in rows
    )


def _found(reference: str) -> bool:
    try:
        family(reference).find_weights(reference.partition("/")[2])
    except InputError:
        return False
    return True
