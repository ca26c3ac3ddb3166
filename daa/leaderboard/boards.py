"""MadryLab's leaderboards, kept in boards.yaml, with this project's entries among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from daa.errors import InputError, require
from daa.reports import tabular
from daa.runs.config import read_yaml

_FILE = Path(__file__).parent / "boards.yaml"


class Entry(NamedTuple):
    """An attack of this project on the network of a leaderboard; accuracy in percent."""

    target: str
    name: str
    accuracy: float


class Ranked(NamedTuple):
    """A line of a leaderboard; accuracy in percent, `own` for an attack of this project."""

    rank: int
    name: str
    accuracy: float
    own: bool


class Board(NamedTuple):
    """A leaderboard.

    Args:
        target: the network that the attacks are ranked on, `folder/name`.
        title: data set, radius, clean accuracy.
        source: where the entries come from, and when they were read.
        entries: name and accuracy in percent, the lowest first.
    """

    target: str
    title: str
    source: str
    entries: tuple[tuple[str, float], ...]

    def ranked(self, own: Sequence[Entry]) -> list[Ranked]:
        """The lines with this project's entries among them; equal accuracies share a rank."""
        rows = [(name, accuracy, False) for name, accuracy in self.entries]
        rows += [(entry.name, entry.accuracy, True) for entry in own if entry.target == self.target]
        rows.sort(key=lambda row: (row[1], row[2]))
        # Boards show two decimals, so two decimals decide.
        shown = [round(accuracy, 2) for _, accuracy, _ in rows]
        ranks = [1 + sum(other < accuracy for other in shown) for accuracy in shown]
        return [Ranked(rank, *row) for rank, row in zip(ranks, rows, strict=True)]


def load() -> list[Board]:
    """All leaderboards."""
    raw = read_yaml(_FILE)
    source = f"{raw['source']}, read {raw['read']}"
    return [
        Board(b["target"], b["title"], source, tuple((name, acc) for name, acc in b["entries"]))
        for b in raw["boards"]
    ]


def value(target: str, entry: str) -> float:
    """The accuracy in percent of an entry of a target's leaderboard.

    Raises:
        InputError: no such board or entry.
    """
    for board in load():
        found = dict(board.entries)
        if board.target == target:
            require(entry in found, f"{_FILE}: {target}", f"an entry {entry!r}", "none")
            return found[entry]
    raise InputError(f"{_FILE}: expected a board of {target}, got none")


def markdown(boards: Sequence[Board], own: Sequence[Entry]) -> str:
    """The leaderboards as tables; this project's entries stand in bold."""
    lines = []
    for board in boards:
        rows = [
            [
                str(line.rank),
                f"**{line.name}**" if line.own else line.name,
                f"{line.accuracy:.2f} %",
            ]
            for line in board.ranked(own)
        ]
        header = ["rank", "attack", "accuracy"]
        lines += [board.title, "", *tabular.markdown(header, rows, ["right", "left", "right"]), ""]
    return "\n".join([*lines, f"Source: {boards[0].source}."])
