"""The leaderboards of the results page."""

from __future__ import annotations

from collections.abc import Sequence

from daa.leaderboard import boards, living
from daa.leaderboard.boards import Entry
from daa.reports import page
from daa.reports.results import ResultSet
from daa.reports.wording import label, radius

# MadryLab's leaderboards rank attacks on the whole test set.
_IMAGES = 10_000


def make(results: Sequence[ResultSet], of_paper: bool) -> list[page.Board]:
    """The leaderboards of a page: all of them on the paper's page, else those of its networks."""
    networks = {record.target for one in results for record in one.records}
    made = []
    for target, places in living.load(results[0].folder.parent / living.FOLDER.name).items():
        if places and (of_paper or target in networks):
            entries = [
                page.Entry(number, entry.name, 100 * entry.accuracy, entry.by, entry.url)
                for number, entry in places
            ]
            title = f"{target}, eps {radius(places[0].entry.eps)}"
            about = (
                "The living board: verified arrays for a network that comes with this project; "
                "docs/board.md has the rules."
            )
            made.append(page.Board(title, about, entries))
    ours = own(results)
    for board in boards.load():
        if of_paper or board.target in networks:
            entries = [
                page.Entry(line.rank, line.name, line.accuracy, own=line.own)
                for line in board.ranked(ours)
            ]
            if not any(entry.own for entry in entries):
                vacant = f"this project: no run on {board.target}"
                entries.append(page.Entry(None, vacant, None, own=True))
            about = f"MadryLab's white-box leaderboard. {board.source}."
            made.append(page.Board(board.title, about, entries))
    return made


def own(results: Sequence[ResultSet]) -> list[Entry]:
    """Runs of this project on the networks of MadryLab's leaderboards, without stand-ins."""
    return [
        Entry(record.target, f"{label(record.attack)} (this project)", 100 * record.worst)
        for one in results
        for record in one.records
        if record.weights == "original" and record.images == _IMAGES
    ]
