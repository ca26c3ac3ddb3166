"""Leaderboards: MadryLab's boards in boards.yaml, and the living board of this project.

The living board ranks verified arrays for networks whose weights come with this project. Each entry
is one small JSON file, `FOLDER/TARGET/NAME.json`, with the hash of the array.
"""

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from daa import targets
from daa.errors import InputError, require
from daa.leaderboard import arrays, submission
from daa.reports import page, tabular
from daa.reports.page import Board, Entry
from daa.reports.results import ResultSet
from daa.reports.wording import label, radius
from daa.runs import config, records
from daa.targets.files import sha256, write_atomically

_FILE = Path(__file__).parent / "boards.yaml"
# Networks of the living board, in its order.
TARGETS = tuple(name for name in targets.every_target(targets.FOLDERS) if targets.row(name).board)
# Folder of the living board.
FOLDER = config.RESULTS / "board"
_LIVING = "The living board: verified arrays for a network that comes with this project. "
_LIVING += "docs/board.md has the rules."

# One line that neither Markdown nor HTML takes for markup. A name has a letter or a digit.
_START, _REST = r"[\w(]", r"[\w ,.;:()+/='%-]"
Line = Annotated[str, Field(pattern=f"^{_START}{_REST}{{0,119}}$")]
Name = Annotated[str, Field(pattern=f"^({_START}{_REST}*)?[A-Za-z0-9]{_REST}*$", max_length=120)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BoardEntry(BaseModel, extra="forbid", strict=True, frozen=True):
    """A verified array on the living board; docs/board.md describes the fields of its file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    by: Line
    method: Line
    url: Annotated[str, Field(pattern=r"^https://[^\s<>\"'()|]+$")] | None
    target: str
    weights_sha256: Sha256
    data_sha256: Sha256
    images: Literal[10000]
    eps: float
    accuracy: Annotated[float, Field(ge=0, le=1)]
    array_sha256: Sha256
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]

    def path(self, folder: Path) -> Path:
        """File of the entry in the folder of a board."""
        name = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        return folder / self.target.replace("/", "-") / f"{name}.json"


def load() -> list[Board]:
    """MadryLab's leaderboards."""
    raw = config.read_yaml(_FILE)
    about, boards = f"MadryLab's white-box leaderboard. {raw['source']}, read {raw['read']}.", []
    for board in raw["boards"]:
        entries = [Entry(None, name, accuracy) for name, accuracy in board["entries"]]
        boards.append(Board(board["title"], about, entries, board["target"]))
    return boards


def value(target: str, entry: str) -> float:
    """Accuracy in percent of an entry on one of MadryLab's leaderboards."""
    values = {(board.target, e.name): e.accuracy for board in load() for e in board.entries}
    require((target, entry) in values, f"{_FILE}: {target}", f"an entry {entry!r}", "none")
    return values[target, entry]


def markdown(target: str = "", own: Sequence[Entry] = ()) -> str:
    """MadryLab's leaderboards as Markdown tables, with entries of this project on one of them."""
    lines, boards = [], load()
    for board in boards:
        ranked = board.ranked(own if board.target == target else ())
        lines += [board.title, "", ranked.markdown, ""]
    return "\n".join([*lines, boards[0].about])


def verified(target: str, folder: Path = FOLDER) -> list[BoardEntry]:
    """Entries of a network on the living board; of equal accuracies the older one comes first."""
    entries = []
    for path in sorted((folder / target.replace("/", "-")).glob("*.json")):
        entry = config.read(BoardEntry, path, "an entry of the board")
        require(entry.target == target, f"{path}: target", repr(target), entry.target)
        entries.append(entry)
    return sorted(entries, key=lambda entry: (entry.accuracy, entry.date, entry.name))


def load_living(folder: Path = FOLDER) -> list[Board]:
    """The living board: one board per network."""
    return [_living(target, verified(target, folder)) for target in TARGETS]


def _living(target: str, verified: Sequence[BoardEntry]) -> Board:
    entries = [Entry(None, e.name, 100 * e.accuracy, e.by, e.url) for e in verified]
    return Board(f"{target}, eps {radius(targets.row(target).eps)}", _LIVING, entries, target)


def make(**values: object) -> BoardEntry:
    """An entry of the living board with today's date. InputError names a wrong field."""
    content = {"schema": 1, "date": datetime.date.today().isoformat(), **values}
    return config.check(BoardEntry, content, "board")


def insert(entry: BoardEntry, folder: Path = FOLDER) -> tuple[Path, bool]:
    """Writes a verified entry; returns its file and whether it is new.

    An existing entry never changes. It is an error if the array is on the board under another name,
    or the name for another array.
    """
    path = entry.path(folder)
    for other in verified(entry.target, folder):
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


def living_markdown(folder: Path = FOLDER) -> str:
    """The living board as Markdown, with links to the files of the entries."""
    lines = [
        "# The living board",
        "",
        "Arrays of adversarial images for networks whose weights come with this project, each "
        "verified on all 10,000 test images. The lower the accuracy, the stronger the attack. "
        "[docs/board.md](../docs/board.md) has the rules and says how to enter.",
    ]
    header = ["rank", "attack", "accuracy", "by", "method", "date", "array"]
    align: list[tabular.Align] = ["right", "left", "right", "left", "left", "left", "left"]
    for target in TARGETS:
        entries, rows = verified(target, folder), []
        board = _living(target, entries).ranked()
        for ranked, entry in zip(board.entries, entries, strict=True):
            link = f"[{entry.name}]({entry.url})" if entry.url else entry.name
            array = f"[{entry.array_sha256[:12]}]({entry.path(Path(folder.name))})"
            cells = [f"{ranked.accuracy:.2f} %", entry.by, entry.method, entry.date, array]
            rows.append([str(ranked.rank), link, *cells])
        table = tabular.markdown(header, rows, align) if rows else ["No entry yet."]
        lines += ["", f"## {board.title}", "", *table]
    return "\n".join(lines) + "\n"


def board(
    array: Path | None = None,
    target: str | None = None,
    *,
    words: Mapping[str, str | None],
    folder: Path = FOLDER,
    **folders: Any,
) -> str:
    """Shows all leaderboards, ranks an array, or enters it on the living board; returns text.

    `words` are the name, by, method and url of an entry; without them nothing is written.
    """
    if (array is None) != (target is None):
        raise InputError("board: give an array together with its target")
    entered = {key: text for key, text in words.items() if text is not None}
    if array is None or target is None:
        if entered:
            raise InputError(f"board: a {next(iter(entered))} needs an array to enter")
        return f"{markdown()}\n\n{living_markdown(folder)}"
    if entered:
        require(target in TARGETS, "board: target", f"one of {', '.join(TARGETS)}", target)
        for key in ("name", "by", "method"):
            require(key in entered, f"board: {key}", "a text", None)
    challenge = submission.load_challenge(target, **folders)
    if entered:
        return _enter(challenge, array, entered, folder)
    accuracy = 100 * arrays.verify(challenge, array).accuracy
    if target not in TARGETS:
        return markdown(target, [Entry(None, f"{array} (verified here)", accuracy, own=True)])
    entries, digest = verified(target, folder), sha256(array)
    rank = _rank(accuracy, entries)
    status = f"rank {rank} of {len(entries) + 1} if entered"
    for entry in entries:
        if entry.array_sha256 == digest:
            status = f"rank {rank} of {len(entries)}, entered as {entry.name!r}"
    result = f"{array}: accuracy {accuracy:.2f} % of {challenge.name}; {status}"
    return f"{result}\n\n{living_markdown(folder)}"


def _enter(challenge: arrays.Challenge, path: Path, words: Mapping[str, str], folder: Path) -> str:
    """Verifies an array, enters it on the living board and writes the board's Markdown file."""
    require(path.is_file(), str(path), "an .npy file", None)
    # A wrong text or a damaged entry is refused before the verification, which takes minutes.
    load_living(folder)
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
    write_atomically(page, living_markdown(folder).encode())
    entries = verified(entry.target, folder)
    rank = f"rank {_rank(100 * accuracy, entries)} of {len(entries)}"
    done = f"entered: {written}, {page}" if new else f"already on the board: {written}"
    return f"{path}: accuracy {100 * accuracy:.2f} % of {challenge.name}, {rank}\n{done}"


def _rank(accuracy: float, entries: Sequence[BoardEntry]) -> int:
    return 1 + sum(round(100 * entry.accuracy, 2) < round(accuracy, 2) for entry in entries)


def on_page(results: Sequence[ResultSet]) -> list[Board]:
    """The leaderboards of a page: all of them on the paper's page, else those of its networks."""
    networks, made = {record.target for one in results for record in one.records}, []
    living, all_boards = load_living(results[0].folder.parent / FOLDER.name), page.of_paper(results)
    for board in [*(board for board in living if board.entries), *load()]:
        if not all_boards and board.target not in networks:
            continue
        own = own_entries(results, board.target)
        ranked = board.ranked(own)
        if not own and board.target not in TARGETS:
            vacant = Entry(None, f"this project: no run on {board.target}", math.nan, own=True)
            ranked = ranked._replace(entries=[*ranked.entries, vacant])
        made.append(ranked)
    return made


def own_entries(results: Sequence[ResultSet], target: str) -> list[Entry]:
    """Complete runs of this project on a network of the leaderboards, not on a stand-in."""
    return [
        Entry(None, f"{label(record.attack)} (this project)", 100 * record.worst, own=True)
        for one in results
        for record in one.records
        if (record.target, record.weights, record.images) == (target, "original", 10_000)
    ]
