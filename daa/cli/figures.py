"""Draw the figures of results from their records; no model runs."""

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    args = options.parse_results(__doc__, "figures results/robust_mnist --out build", arguments)
    from daa.reports import figures, results

    for folder, out in results.places(args.folders, args.out):
        written = figures.write(results.load(folder), out)
        print(f"{out}: {', '.join(path.name for path in written) or 'nothing to draw'}")
