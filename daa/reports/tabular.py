"""Tables of text as lines of Markdown."""

from collections.abc import Sequence
from typing import Literal

from tabulate import DataRow, TableFormat, tabulate

Align = Literal["left", "right"]


def markdown(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[Align] | None = None
) -> list[str]:
    """A table with aligned columns; by default, all but the first are aligned to the right."""
    align = align or ["left", *["right"] * (len(header) - 1)]  # type: ignore[list-item]
    bars = DataRow("| ", " | ", " |")
    # The rule is an ordinary row, because tabulate draws dashes over the full width.
    rule = ["---" if side == "left" else "---:" for side in align]
    form = TableFormat(None, None, None, None, bars, bars, padding=0, with_header_hide=None)
    text = tabulate([header, rule, *rows], tablefmt=form, colalign=align, disable_numparse=True)
    return text.splitlines()
