"""The page of all results: python scripts/page.py [FOLDER ...] writes index.html and README.md."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import boards
import cli
import records
import tables
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from daa.results import write_atomically

# Not committed, so it is no part of a page that is.
LEFT_OUT = ("quickstart",)
# Beginnings of names, in the order that a reader would ask for them; others follow.
ORDER = ("robust_mnist", "table", "merged", "headline", "public", "provable", "figure")


def main(arguments: list[str] | None = None) -> None:
    folders = records.folders(arguments, "Builds the page of all results; runs no model.")
    folders = shown(folders)
    root = folders[0].parent
    collected = {folder: records.collect(folder) for folder in folders}
    write_atomically(root / "index.html", html(collected).encode())
    write_atomically(root / "README.md", markdown(collected).encode())
    print(f"{root / 'index.html'}, {root / 'README.md'}: {len(folders)} experiments")


def shown(folders: list[Path]) -> list[Path]:
    """The folders that are part of the page, in its order."""

    def place(folder: Path) -> tuple[int, str]:
        starts = [k for k, start in enumerate(ORDER) if folder.name.startswith(start)]
        return min(starts, default=len(ORDER)), folder.name

    return sorted((folder for folder in folders if folder.name not in LEFT_OUT), key=place)


def html(collected: dict[Path, records.Collected]) -> str:
    """One self-contained page; figures are part of it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    parts = [part(folder, found) for folder, found in collected.items()]
    own = entries(collected)
    lists = [(board, board.ranked(own)) for board in boards.load()]
    page = environment.get_template("index.html")
    return page.render(parts=parts, text=tables.TEXT, boards=lists, mark=_mark(own))


def entries(collected: dict[Path, records.Collected]) -> list[boards.Entry]:
    """This project's runs on the very networks of the leaderboards; no surrogate among them."""
    return [
        (run["target"], f"{records.label(run['attack'])} (this project)", 100 * worst)
        for found in collected.values()
        for run in found.records
        if run["weights"] == "original" and run["images"] == 10_000
        for worst in run["robust_accuracy"][-1:]
    ]


def part(folder: Path, collected: records.Collected) -> dict[str, Any]:
    """What the page shows of one experiment."""
    rows = tables.cells(collected)
    links = [f"{folder.name}/{record['run']}.json" for record in collected.records]
    links += [""] * (len(rows) - len(links))
    return {
        "folder": folder.name,
        "title": collected.title,
        "weights": collected.records[0]["weights"],
        "header": list(rows[0]),
        "rows": list(zip(rows, links, strict=True)),
        "source": records.source(collected.records),
        "verdict": tables.verdict(collected),
        "tests": tables.tests(collected),
        "figures": [
            (path.stem, base64.b64encode(path.read_bytes()).decode())
            for path in sorted(folder.glob("*.png"))
        ],
    }


def markdown(collected: dict[Path, records.Collected]) -> str:
    """The same in Markdown, with links to the figures."""
    parts = [
        "# Results",
        "",
        "Written by `python scripts/page.py` from the records in the folders beside this file; "
        "[index.html](index.html) is the same with sortable tables.",
    ]
    for folder, found in collected.items():
        parts += ["", tables.markdown(found).replace("# ", "## ", 1).rstrip()]
        for path in sorted(folder.glob("*.png")):
            parts += ["", f"![{path.stem} of {found.title}]({folder.name}/{path.name})"]
        parts += ["", f"[Records]({folder.name})"]
    own = entries(collected)
    parts += ["", "## Leaderboards", "", _mark(own), "", boards.markdown(boards.load(), own)]
    return "\n".join(parts) + "\n"


def _mark(own: list[boards.Entry]) -> str:
    if own:
        return "This project's runs stand in bold."
    return "This project has no run on the original weights yet."


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
