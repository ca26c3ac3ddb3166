"""Draw the figures of results anew from their records; no model runs."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from pathlib import Path

from daa.reports import figures
from daa.reports import results as collection


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "figures results/robust_mnist --out build")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    console.add_out(parser)
    args = parser.parse_args(arguments)
    for folder, out in collection.places(args.folders, args.out):
        written = figures.write(collection.load(folder), out)
        print(f"{out}: {', '.join(path.name for path in written) or 'nothing to draw'}")
