"""Write the page of all results, index.html and README.md, from their records; no model runs."""

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    args = options.parse_results(__doc__, "page results/robust_mnist --out build", arguments)
    from daa.leaderboard import boards
    from daa.reports import page, results

    folders = results.folders(args.folders)
    written = page.write(folders, args.out, boards.on_page)
    print(f"{', '.join(map(str, written))}: experiments: {len(folders)}")
