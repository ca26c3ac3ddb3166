"""Write the tables of results from their records; no model runs."""

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    args = options.parse_results(__doc__, "tables results/robust_mnist --out build", arguments)
    from daa.reports import results, tables

    for folder, out in results.places(args.folders, args.out):
        tables.write(results.load(folder), out)
        print(f"{out}: table.md, table.csv, table.tex")
