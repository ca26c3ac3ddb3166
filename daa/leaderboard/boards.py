"""Leaderboards: MadryLab's boards in boards.yaml, and the living board of this project.

The living board ranks verified arrays for networks whose weights come with this project. Each entry
is one small JSON file, `FOLDER/TARGET/NAME.json`, with the hash of the array.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from daa import targets
from daa.errors import InputError, require
from daa.leaderboard import arrays, submission
from daa.reports import tabular, wording
from daa.runs import config, records
from daa.targets.files import read_json, sha256, write_atomically

_FILE = Path(__file__).parent / "boards.yaml"
# Networks of the living board, in its order.
TARGETS = tuple(name for name in targets.every_target(targets.FOLDERS) if targets.row(name).board)
# Folder of the living board.
FOLDER = config.RESULTS / "board"


def _on_board(target: str) -> str:
    if target not in TARGETS:
        raise ValueError(f"expected one of {', '.join(TARGETS)}, got {target!r}")
    return target


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _sluggable(name: str) -> str:
    if not _slug(name):
        raise ValueError(f"expected a name with a letter from a to z or a digit, got {name!r}")
    return name


# One line that neither Markdown nor HTML takes for markup.
Line = Annotated[str, Field(pattern=r"^[\w(][\w ,.;:()+/='%-]{0,119}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BoardEntry(BaseModel):
    """A verified array on the living board."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    schema_version: Literal[1] = Field(alias="schema", description="Version of this format.")
    name: Annotated[Line, AfterValidator(_sluggable)] = Field(description="Name of the attack.")
    by: Line = Field(description="Author of the array.")
    method: Line = Field(description="How the images were made, in one line.")
    url: Annotated[str, Field(pattern=r"^https://[^\s<>\"'()|]+$")] | None = Field(
        description="A paper, code, or the array itself; null for none."
    )
    target: Annotated[str, AfterValidator(_on_board)] = Field(description="`folder/name`.")
    weights_sha256: Sha256 = Field(description="Hash of the file of the network's weights.")
    data_sha256: Sha256 = Field(description="Hash of the files of the test set.")
    images: Literal[10000] = Field(description="Number of images: the complete test set.")
    eps: float = Field(description="Radius of the L-infinity ball, for images in [0, 1].")
    accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Verified accuracy of the network on the array."
    )
    array_sha256: Sha256 = Field(description="Hash of the .npy file.")
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = Field(
        description="Day of the verification, YYYY-MM-DD."
    )

    def path(self, folder: Path) -> Path:
        """File of the entry in the folder of a board."""
        return folder / self.target.replace("/", "-") / f"{_slug(self.name)}.json"


class Entry(NamedTuple):
    """An attack on a leaderboard; accuracy in percent, `verified` for the living board."""

    target: str
    name: str
    accuracy: float
    verified: BoardEntry | None = None


class Ranked(NamedTuple):
    """A line of a leaderboard; accuracy in percent, `own` for an attack of this project."""

    rank: int
    name: str
    accuracy: float
    own: bool = False
    entry: BoardEntry | None = None


@dataclass(frozen=True)
class Board:
    """A leaderboard.

    Args:
        target: Network that the attacks are ranked on, `folder/name`.
        title: Data set or network, and radius.
        source: Where the entries come from, and when they were read.
        entries: Attacks on the network.
    """

    target: str
    title: str
    source: str
    entries: tuple[Entry, ...]

    def ranked(self, own: Sequence[Entry] = ()) -> list[Ranked]:
        """The entries in their order, with this project's; equal accuracies share a rank."""
        rows = [(entry, False) for entry in self.entries]
        rows += [(entry, True) for entry in own if entry.target == self.target]
        rows.sort(key=lambda row: (row[0].accuracy, row[1]))
        # Boards show two decimals, so two decimals decide.
        rounded = [round(entry.accuracy, 2) for entry, _ in rows]
        return [
            Ranked(1 + rounded.index(accuracy), entry.name, entry.accuracy, is_own, entry.verified)
            for (entry, is_own), accuracy in zip(rows, rounded, strict=True)
        ]


def load() -> list[Board]:
    """MadryLab's leaderboards."""
    raw = config.read_yaml(_FILE)
    source = f"{raw['source']}, read {raw['read']}"
    return [
        Board(
            board["target"],
            board["title"],
            source,
            tuple(Entry(board["target"], name, accuracy) for name, accuracy in board["entries"]),
        )
        for board in raw["boards"]
    ]


def value(target: str, entry: str) -> float:
    """Accuracy in percent of an entry on one of MadryLab's leaderboards.

    Raises:
        InputError: There is no such board or entry.
    """
    for board in load():
        if board.target == target:
            accuracies = {line.name: line.accuracy for line in board.entries}
            require(entry in accuracies, f"{_FILE}: {target}", f"an entry {entry!r}", "none")
            return accuracies[entry]
    raise InputError(f"{_FILE}: no board of {target}")


def markdown(boards: Sequence[Board], own: Sequence[Entry]) -> str:
    """MadryLab's leaderboards as Markdown tables, with this project's entries in bold."""
    lines = []
    for board in boards:
        rows = [
            [str(rank), f"**{name}**" if is_own else name, f"{accuracy:.2f} %"]
            for rank, name, accuracy, is_own, _ in board.ranked(own)
        ]
        header = ["rank", "attack", "accuracy"]
        lines += [board.title, "", *tabular.markdown(header, rows, ["right", "left", "right"]), ""]
    return "\n".join([*lines, f"Source: {boards[0].source}."])


def load_living(folder: Path = FOLDER) -> list[Board]:
    """The living board: one board per network; of equal accuracies the older entry comes first.

    Raises:
        InputError: A file is no entry, or lies in the folder of another network.
    """
    boards = []
    for target in TARGETS:
        verified = []
        for path in sorted((folder / target.replace("/", "-")).glob("*.json")):
            content = read_json(path, "an entry of the board")
            entry: BoardEntry = config.check(TypeAdapter(BoardEntry), content, str(path))
            require(entry.target == target, f"{path}: target", repr(target), entry.target)
            verified.append(entry)
        verified.sort(key=lambda entry: (entry.date, entry.name))
        entries = tuple(Entry(target, e.name, 100 * e.accuracy, e) for e in verified)
        title = f"{target}, eps {wording.radius(targets.row(target).eps)}"
        boards.append(Board(target, title, "", entries))
    return boards


def make(**values: object) -> BoardEntry:
    """An entry of the living board with today's date.

    Raises:
        InputError: A value is wrong; the message names its field.
    """
    content = {"schema": 1, "date": datetime.date.today().isoformat(), **values}
    entry: BoardEntry = config.check(TypeAdapter(BoardEntry), content, "board")
    return entry


def insert(entry: BoardEntry, folder: Path = FOLDER) -> tuple[Path, bool]:
    """Writes an entry to the living board, unless the same array is there under the same name.

    Args:
        entry: Verified entry.
        folder: Folder of the board.

    Returns:
        File of the entry, and whether it is new. An existing entry never changes.

    Raises:
        InputError: The array is on the board under another name, or the name for another array.
    """
    path = entry.path(folder)
    for _, _, _, _, other in _board(entry.target, folder).ranked():
        assert other is not None
        same_file, same_array = other.path(folder) == path, other.array_sha256 == entry.array_sha256
        if same_file and same_array:
            before = f"{other.accuracy}, the accuracy verified before"
            require(other.accuracy == entry.accuracy, f"{path}: accuracy", before, entry.accuracy)
            return path, False
        if same_array:
            raise InputError(f"{entry.name}: this array is already on the board as {other.name!r}")
        if same_file:
            raise InputError(
                f"{path}: the name {entry.name!r} is on the board for another array; choose "
                "another name, or remove the file to replace the entry"
            )
    records.write_json(path, entry.model_dump(mode="json", by_alias=True))
    return path, True


def living_markdown(boards: Sequence[Board], folder: str = FOLDER.name) -> str:
    """The living board as Markdown, with links to the files of the entries.

    Args:
        boards: Result of `load_living`.
        folder: Folder of the entries, relative to the Markdown file.
    """
    lines = [
        "# The living board",
        "",
        "Arrays of adversarial images for networks whose weights come with this project, each "
        "verified on all 10,000 test images. The lower the accuracy, the stronger the attack. "
        "[docs/board.md](../docs/board.md) has the rules and says how to enter.",
    ]
    header = ["rank", "attack", "accuracy", "by", "method", "date", "array"]
    align: list[tabular.Align] = ["right", "left", "right", "left", "left", "left", "left"]
    for board in boards:
        rows = []
        for rank, name, accuracy, _, entry in board.ranked():
            assert entry is not None
            link = f"[{name}]({entry.url})" if entry.url else name
            cells = [str(rank), link, f"{accuracy:.2f} %", entry.by, entry.method, entry.date]
            rows.append([*cells, f"[{entry.array_sha256[:12]}]({entry.path(Path(folder))})"])
        table = tabular.markdown(header, rows, align) if rows else ["No entry yet."]
        lines += ["", f"## {board.title}", "", *table]
    return "\n".join(lines) + "\n"


def board(
    array: Path | None = None,
    target: str | None = None,
    *,
    words: Mapping[str, str | None],
    folder: Path = FOLDER,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> str:
    """Shows all leaderboards, ranks an array, or enters it on the living board; returns text.

    Args:
        array: The .npy file.
        target: Network that the array attacks.
        words: Name, by, method and url of an entry; without them nothing is written.
        folder: Folder of the living board.
        data_dir, model_dir: Folders of data sets and weights.

    Raises:
        InputError: The array or its target is missing, a text of the entry is missing or wrong,
            the array can't be verified, or its name is on the board.
    """
    if (array is None) != (target is None):
        raise InputError("board: give an array together with its target")
    entered = {key: text for key, text in words.items() if text is not None}
    if array is None or target is None:
        if entered:
            raise InputError(f"board: a {next(iter(entered))} needs an array to enter")
        return f"{markdown(load(), [])}\n\n{living_markdown(load_living(folder))}"
    if entered:
        require(target in TARGETS, "board: target", f"one of {', '.join(TARGETS)}", target)
        for key in ("name", "by", "method"):
            require(key in entered, f"board: {key}", "a text", None)
    challenge = submission.load_challenge(target, data_dir=data_dir, model_dir=model_dir)
    if entered:
        return enter(challenge, array, entered, folder)
    accuracy = arrays.verify(challenge, array).accuracy
    if target not in TARGETS:
        entry = Entry(target, f"{array} (verified here)", 100 * accuracy)
        return markdown(load(), [entry])
    lines, digest = _board(target, folder).ranked(), sha256(array)
    rank = 1 + sum(round(line.accuracy, 2) < round(100 * accuracy, 2) for line in lines)
    status = f"rank {rank} of {len(lines) + 1} if entered"
    for line in lines:
        if line.entry and line.entry.array_sha256 == digest:
            status = f"rank {line.rank} of {len(lines)}, entered as {line.name!r}"
    text = living_markdown(load_living(folder))
    return f"{array}: accuracy {100 * accuracy:.2f} % of {challenge.name}; {status}\n\n{text}"


def enter(challenge: arrays.Challenge, path: Path, words: Mapping[str, str], folder: Path) -> str:
    """Verifies an array, enters it on the living board and writes the board's Markdown file.

    Raises:
        InputError: As `board`.
    """
    require(path.is_file(), str(path), "an .npy file", None)
    # A wrong text is refused before the verification, which takes minutes.
    entry = make(
        **{"url": None, **words},
        target=challenge.target.name,
        weights_sha256=challenge.target.weights_sha256,
        data_sha256=challenge.data.sha256,
        images=len(challenge.data),
        eps=challenge.eps,
        accuracy=1.0,
        array_sha256=sha256(path),
    )
    # Accuracies of 10,000 images have four decimals; more decimals are floating-point noise.
    accuracy = round(arrays.verify(challenge, path).accuracy, 6)
    entry = entry.model_copy(update={"accuracy": accuracy})
    written, new = insert(entry, folder)
    page = folder.with_suffix(".md")
    write_atomically(page, living_markdown(load_living(folder), folder.name).encode())
    lines = _board(entry.target, folder).ranked()
    (rank,) = [p.rank for p in lines if p.entry and p.entry.array_sha256 == entry.array_sha256]
    result = f"{path}: accuracy {100 * accuracy:.2f} % of {challenge.name}, rank {rank} of"
    done = f"entered: {written}, {page}" if new else f"already on the board: {written}"
    return f"{result} {len(lines)}\n{done}"


def _board(target: str, folder: Path) -> Board:
    return next(board for board in load_living(folder) if board.target == target)
