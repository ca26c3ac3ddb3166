"""Tables of text as lines of Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tabulate import DataRow, TableFormat, tabulate

Align = Literal["left", "right"]
Cells = Sequence[Sequence[str]]


def markdown(header: Sequence[str], rows: Cells, align: Sequence[Align] | None = None) -> list[str]:
    """A Markdown table with aligned columns.

    Args:
        header: names of the columns.
        rows: cells, one per column.
        align: of each column; None for the first one left and the others right.

    Returns:
        Lines.
    """
    align = _default(header) if align is None else align
    bars = DataRow("| ", " | ", " |")
    # The rule is an ordinary row, because tabulate's own rule has dashes over the full width.
    rule = ["---" if side == "left" else "---:" for side in align]
    form = TableFormat(None, None, None, None, bars, bars, padding=0, with_header_hide=None)
    text = tabulate([header, rule, *rows], tablefmt=form, colalign=align, disable_numparse=True)
    return text.splitlines()


def latex(header: Sequence[str], rows: Cells, align: Sequence[Align] | None = None) -> list[str]:
    """A LaTeX tabular with the rules of booktabs; arguments and result as for `markdown`."""
    letters = "".join(side[0] for side in align or _default(header))
    escape = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&"})
    first, *rest = [
        rf"{' & '.join(cell.translate(escape) for cell in cells)} \\" for cells in (header, *rows)
    ]
    lines = [rf"\begin{{tabular}}{{{letters}}}", r"\toprule", first, r"\midrule", *rest]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _default(header: Sequence[str]) -> list[Align]:
    return ["left", *["right"] * (len(header) - 1)]  # type: ignore[list-item]
