"""The first run: what Adaptive DAA breaks and PGD does not, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daa.reports import page, stats, tabular
from daa.reports import results as collection
from daa.reports.wording import label
from daa.runs.records import Record


def finish(folder: Path) -> str:
    """Writes the page of a finished first run.

    Args:
        folder: of its records.

    Returns:
        A short table, the sentence, and the paths of figure and page; empty while the run of PGD or
        of Adaptive DAA is not finished.
    """
    if not all((folder / f"{run}.json").exists() for run in ("pgd-xent", "adaptive")):
        return ""
    found = collection.load(folder).records
    index, _ = page.write([folder], folder)
    lines = [*table(found), "", sentence(found), ""]
    figure = folder / "examples.png"
    lines += [f"figure  {figure}"] if figure.exists() else []
    return "\n".join([*lines, f"page    {index}"])


def table(records: Sequence[Record]) -> list[str]:
    """What each attack broke, and what it spent."""
    rows = [
        [
            label(record.attack),
            f"{len(record.broken)} of {record.images}",
            f"{100 * record.worst:.1f} %",
            f"{record.gradients_per_image:.0f}",
            f"{record.seconds:.0f}",
        ]
        for record in records
    ]
    header = ["attack", "breaks", "robust accuracy", "gradients per image", "seconds"]
    return tabular.markdown(header, rows)


def sentence(records: Sequence[Record]) -> str:
    """How many images Adaptive DAA breaks, and how many PGD breaks less."""
    by_method = {record.attack.method: record for record in records}
    pgd, adaptive = by_method["pgd"], by_method["adaptive"]
    first, second = set(pgd.broken), set(adaptive.broken)
    p = stats.mcnemar(len(first - second), len(second - first))
    more = len(second) - len(first)
    compared = f"{more} more than" if more > 0 else f"{-more} fewer than" if more else "as many as"
    spent = "with the same number of gradients"
    if adaptive.gradients_per_image > pgd.gradients_per_image:
        spent = (
            f"with {adaptive.gradients_per_image:.0f} gradients per image against "
            f"{pgd.gradients_per_image:.0f}"
        )
    return (
        f"Adaptive DAA breaks {len(second)} of {adaptive.images} digits, {compared} PGD {spent} "
        f"(p = {p:.2g})."
    )
