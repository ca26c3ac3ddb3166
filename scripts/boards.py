"""MadryLab's leaderboards, kept in boards.yaml, with entries of this project inserted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from tables import aligned

_FILE = Path(__file__).parent / "boards.yaml"

Entry = tuple[str, str, float]  # target, name, accuracy in %


@dataclass(frozen=True)
class Board:
    """One leaderboard, lowest accuracy first."""

    target: str
    title: str
    source: str
    entries: tuple[tuple[str, float], ...]

    def ranked(self, own: list[Entry]) -> list[tuple[int, str, float, bool]]:
        """Rank, name, accuracy and whether it was inserted; equal accuracies share a rank."""
        rows = [(name, accuracy, False) for name, accuracy in self.entries]
        rows += [(name, accuracy, True) for target, name, accuracy in own if target == self.target]
        rows.sort(key=lambda row: (row[1], row[2]))
        # Boards show two decimals, so two decimals decide.
        shown = [round(accuracy, 2) for _, accuracy, _ in rows]
        return [(1 + sum(s < a for s in shown), *row) for a, row in zip(shown, rows, strict=True)]


def load() -> list[Board]:
    """Both boards."""
    raw = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    source = f"{raw['source']}, read {raw['read']}"
    return [
        Board(b["target"], b["title"], source, tuple((name, acc) for name, acc in b["entries"]))
        for b in raw["boards"]
    ]


def markdown(boards: list[Board], own: list[Entry]) -> str:
    """Both boards as tables; inserted entries stand in bold."""
    lines = []
    for board in boards:
        rows = [["rank", "attack", "accuracy"], ["---:", "---", "---:"]]
        for rank, name, accuracy, inserted in board.ranked(own):
            rows.append([str(rank), f"**{name}**" if inserted else name, f"{accuracy:.2f} %"])
        lines += [board.title, "", *aligned(rows), ""]
    return "\n".join([*lines, f"Source: {boards[0].source}."])
