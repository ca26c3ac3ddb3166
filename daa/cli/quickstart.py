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
    from daa.reports import page, results, tabular
    from daa.reports.wording import label

    records = results.load(folder).records
    header = ["attack", "breaks", "robust accuracy", "gradients per image", "seconds"]
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
    index, _ = page.write([folder], folder)
    print(*tabular.markdown(header, rows), "", sentence(records), "", sep="\n")
    if (folder / "examples.png").exists():
        print(f"figure  {folder / 'examples.png'}")
    print(f"page    {index}")


def sentence(records: Sequence[Record]) -> str:
    """Compares the images that Adaptive DAA and PGD break, with McNemar's p-value."""
    from daa.reports.comparisons import Comparison

    by_method = {record.attack.method: record for record in records}
    pair = Comparison(by_method["adaptive"], by_method["pgd"])
    more = pair.only_daa - pair.only_pgd
    compared = f"{more} more than" if more > 0 else f"{-more} fewer than" if more else "as many as"
    spent, limit = pair.daa.gradients_per_image, pair.pgd.gradients_per_image
    cost = f"{spent:.0f} gradients per image against {limit:.0f}"
    cost = cost if spent > limit else "the same number of gradients"
    return (
        f"Adaptive DAA breaks {len(pair.daa.broken)} of {pair.daa.images} digits, {compared} PGD "
        f"with {cost} (p = {pair.p:.2g})."
    )
