"""Tables of text as lines of Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tabulate import DataRow, Line, TableFormat, tabulate

Align = Literal["left", "right"]
Cells = Sequence[Sequence[str]]


def markdown(header: Sequence[str], rows: Cells, align: Sequence[Align] | None = None) -> list[str]:
    """A Markdown table whose columns line up.

    Args:
        header: names of the columns.
        rows: cells, one for each column.
        align: of each column; None for the first one left and the others right.

    Returns:
        Lines.
    """
    align = _aligned(header, align)
    bars = DataRow("| ", " | ", " |")
    # The rule is a row like others, as tabulate's own would have dashes over the whole width.
    rule = ["---" if side == "left" else "---:" for side in align]
    form = TableFormat(None, None, None, None, bars, bars, padding=0, with_header_hide=None)
    text = tabulate([header, rule, *rows], tablefmt=form, colalign=align, disable_numparse=True)
    return text.splitlines()


def latex(header: Sequence[str], rows: Cells, align: Sequence[Align] | None = None) -> list[str]:
    """A LaTeX tabular with the rules of booktabs; arguments and result as of `markdown`."""
    letters = "".join(side[0] for side in _aligned(header, align))
    top = rf"\begin{{tabular}}{{{letters}}}" + "\n" + r"\toprule"
    row = DataRow("", " & ", r" \\")
    form = TableFormat(
        lineabove=Line(top, "", "", ""),
        linebelowheader=Line(r"\midrule", "", "", ""),
        linebetweenrows=None,
        linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
        headerrow=row,
        datarow=row,
        padding=0,
        with_header_hide=None,
    )
    escaped = [[_escape(cell) for cell in cells] for cells in rows]
    text = tabulate(
        escaped,
        headers=[_escape(name) for name in header],
        tablefmt=form,
        stralign=None,
        disable_numparse=True,
    )
    return text.splitlines()


def _aligned(header: Sequence[str], align: Sequence[Align] | None) -> Sequence[Align]:
    if align is not None:
        return align
    right: list[Align] = ["right"] * (len(header) - 1)
    return ["left", *right]


def _escape(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
