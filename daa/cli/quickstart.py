"""Attack 500 digits with PGD and with Adaptive DAA, in about a minute."""

from daa.cli import options
from daa.cli.main import command
from daa.cli.reproduce import add_arguments, reproduce


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "quickstart --images 100")
    parser.set_defaults(config="quickstart")
    add_arguments(parser)
    folder, text = reproduce(parser.parse_args(arguments))
    if not all((folder / f"{run}.json").exists() for run in ("pgd-xent", "adaptive")):
        print(text)
        return
    from daa.reports import page, results, tabular
    from daa.reports.comparisons import Comparison
    from daa.reports.wording import label

    records = results.load(folder).records
    header = ["attack", "breaks", "robust accuracy", "gradients per image", "seconds"]
    rows = []
    for record in records:
        broken, worst = f"{len(record.broken)} of {record.images}", f"{100 * record.worst:.1f} %"
        numbers = (f"{record.gradients_per_image:.0f}", f"{record.seconds:.0f}")
        rows.append([label(record.attack), broken, worst, *numbers])
    index, _ = page.write([folder], folder)
    print(*tabular.markdown(header, rows), "", sep="\n")
    by_method = {record.attack.method: record for record in records}
    pair = Comparison(by_method["adaptive"], by_method["pgd"])
    more = pair.only_daa - pair.only_pgd
    compared = f"{more} more than" if more > 0 else f"{-more} fewer than" if more else "as many as"
    spent, limit = pair.daa.gradients_per_image, pair.pgd.gradients_per_image
    cost = f"{spent:.0f} gradients per image against {limit:.0f}"
    print(
        f"Adaptive DAA breaks {len(pair.daa.broken)} of {pair.daa.images} digits, {compared} PGD "
        f"with {cost if spent > limit else 'the same number of gradients'} (p = {pair.p:.2g}).\n"
    )
    if (folder / "examples.png").exists():
        print(f"figure  {folder / 'examples.png'}")
    print(f"page    {index}")
