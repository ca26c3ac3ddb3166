"""Attack 500 digits with PGD and with Adaptive DAA, in about a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daa.cli import options
from daa.cli.main import command
from daa.cli.reproduce import add_arguments, reproduce

if TYPE_CHECKING:
    from daa.runs.records import Record


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "quickstart --images 100")
    parser.set_defaults(config="quickstart")
    add_arguments(parser)
    ready, text = reproduce(parser.parse_args(arguments))
    folder = ready.folder
    if not all((folder / f"{run}.json").exists() for run in ("pgd-xent", "adaptive")):
        print(text)
        return
    from daa.reports import page, results

    records = results.load(folder).records
    index, _ = page.write([folder], folder)
    print(*table(records), "", sentence(records), "", sep="\n")
    if (folder / "examples.png").exists():
        print(f"figure  {folder / 'examples.png'}")
    print(f"page    {index}")


def table(records: Sequence[Record]) -> list[str]:
    from daa.reports import tabular
    from daa.reports.wording import label

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
    """Compares the images that Adaptive DAA and PGD misclassify, with McNemar's p-value."""
    from daa.reports import stats

    by_method = {record.attack.method: record for record in records}
    pgd, adaptive = by_method["pgd"], by_method["adaptive"]
    first, second = set(pgd.broken), set(adaptive.broken)
    p = stats.mcnemar(len(first - second), len(second - first))
    more = len(second) - len(first)
    compared = f"{more} more than" if more > 0 else f"{-more} fewer than" if more else "as many as"
    cost = "with the same number of gradients"
    if adaptive.gradients_per_image > pgd.gradients_per_image:
        cost = (
            f"with {adaptive.gradients_per_image:.0f} gradients per image against "
            f"{pgd.gradients_per_image:.0f}"
        )
    return (
        f"Adaptive DAA breaks {len(second)} of {adaptive.images} digits, {compared} PGD {cost} "
        f"(p = {p:.2g})."
    )
