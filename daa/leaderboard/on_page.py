"""The leaderboards of the results page."""

from collections.abc import Sequence

from daa.leaderboard import boards
from daa.leaderboard.boards import Entry
from daa.reports import page
from daa.reports.results import ResultSet
from daa.reports.wording import label

# MadryLab's leaderboards rank attacks on the complete test set.
_IMAGES = 10_000
_LIVING = "The living board: verified arrays for a network that comes with this project. "
_LIVING += "docs/board.md has the rules."


def make(results: Sequence[ResultSet], of_paper: bool) -> list[page.Board]:
    """The leaderboards of a page: all of them on the paper's page, else those of its networks."""
    networks = {record.target for one in results for record in one.records}
    living = boards.load_living(results[0].folder.parent / boards.FOLDER.name)
    ours, made = own(results), []
    for board in [*(board for board in living if board.entries), *boards.load()]:
        if not of_paper and board.target not in networks:
            continue
        about, entries = _LIVING, []
        ranked = board.ranked(ours if board.source else ())
        for rank, (_, name, accuracy, is_own, verified) in ranked:
            by, url = (verified.by, verified.url) if verified else ("", None)
            entries.append(page.Entry(rank, name, accuracy, by, url, is_own))
        if board.source:
            about = f"MadryLab's white-box leaderboard. {board.source}."
            if not any(entry.own for entry in entries):
                vacant = f"this project: no run on {board.target}"
                entries.append(page.Entry(None, vacant, None, own=True))
        made.append(page.Board(board.title, about, entries))
    return made


def own(results: Sequence[ResultSet]) -> list[Entry]:
    """Runs of this project on the networks of MadryLab's leaderboards, without stand-ins."""
    return [
        Entry(record.target, f"{label(record.attack)} (this project)", 100 * record.worst, own=True)
        for one in results
        for record in one.records
        if record.weights == "original" and record.images == _IMAGES
    ]
