"""Write the tables of results anew from their records; no model runs."""

from __future__ import annotations

from pathlib import Path

from daa.experiments import collection, console, tables


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "tables results/robust_mnist")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    for folder in collection.folders(parser.parse_args(arguments).folders):
        tables.write(collection.collect(folder), folder)
        print(f"{folder}: table.md, table.csv, table.tex")


if __name__ == "__main__":
    raise SystemExit(console.run(main))
