"""Draw the figures of results anew from their records; no model runs."""

from __future__ import annotations

from pathlib import Path

from daa.experiments import collection, console, figures


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "figures results/robust_mnist --out build")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    console.add_out(parser)
    args = parser.parse_args(arguments)
    for folder, out in collection.places(args.folders, args.out):
        written = figures.write(collection.collect(folder), folder, out)
        print(f"{out}: {', '.join(path.name for path in written) or 'nothing to draw'}")


if __name__ == "__main__":
    raise SystemExit(console.run(main))
