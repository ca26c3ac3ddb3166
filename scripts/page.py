"""Write the page of all results, index.html and README.md, from their records; no model runs."""

from __future__ import annotations

from pathlib import Path

from daa.experiments import collection, console, page


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "page")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    folders = collection.folders(parser.parse_args(arguments).folders)
    written = page.write(folders)
    print(f"{', '.join(map(str, written))}: experiments: {len(page.shown(folders))}")


if __name__ == "__main__":
    raise SystemExit(console.run(main))
