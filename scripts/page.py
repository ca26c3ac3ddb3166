"""Write the page of all results, index.html and README.md, from their records; no model runs."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from pathlib import Path

from daa.leaderboard import on_page
from daa.reports import page
from daa.reports import results as collection


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "page results/robust_mnist --out build")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    parser.add_argument("--out", type=Path, help="folder (default: that of the result folders)")
    args = parser.parse_args(arguments)
    folders = collection.folders(args.folders)
    written = page.write(folders, args.out, on_page.make)
    print(f"{', '.join(map(str, written))}: experiments: {len(folders)}")
