"""Draw the figures of results anew from their records; no model runs."""

from __future__ import annotations

from pathlib import Path

from daa.experiments import collection, console, figures


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "figures results/robust_mnist")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    for folder in collection.folders(parser.parse_args(arguments).folders):
        written = figures.write(collection.collect(folder), folder)
        print(f"{folder}: {', '.join(path.name for path in written) or 'nothing to draw'}")


if __name__ == "__main__":
    raise SystemExit(console.run(main))
