"""The living board: verified arrays for the networks whose weights come with this project.

An entry is one small JSON file, `FOLDER/TARGET/NAME.json`, with the hash of its array. Reading,
ranking and writing entries needs no network.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from daa import targets
from daa.errors import InputError, require
from daa.reports import tabular, wording
from daa.runs import config, records
from daa.targets.files import read_json, write_atomically

# The networks, in the order of the board. Those of other packages are not here for everyone.
_OWN = targets.every_target(targets.FOLDERS)
TARGETS = tuple(name for name in _OWN if targets.row(name).board)
# An entry counts all images of the official test set.
IMAGES = 10_000
FOLDER = config.RESULTS / "board"


def _ranked(target: str) -> str:
    if target not in TARGETS:
        raise ValueError(f"expected one of {', '.join(TARGETS)}, got {target!r}")
    return target


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _named(name: str) -> str:
    # Its file is named after it, and a file without a name is hidden.
    if not _slug(name):
        raise ValueError(f"expected a name with a letter of a to z or a digit in it, got {name!r}")
    return name


# One line that neither Markdown nor HTML takes for markup.
Line = Annotated[str, Field(pattern=r"^[\w(][\w ,.;:()+/='%-]{0,119}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BoardEntry(BaseModel):
    """A verified array."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    schema_version: Literal[1] = Field(alias="schema", description="Version of this format.")
    name: Annotated[Line, AfterValidator(_named)] = Field(
        description="Of the attack, as the board shows it."
    )
    by: Line = Field(description="Who made the array.")
    method: Line = Field(description="How the images were found, in one line.")
    url: Annotated[str, Field(pattern=r"^https://[^\s<>\"'()|]+$")] | None = Field(
        description="A paper, code, or the array itself; null for none."
    )
    target: Annotated[str, AfterValidator(_ranked)] = Field(
        description="The network, `folder/name`."
    )
    weights_sha256: Sha256 = Field(description="Hash of the file of its weights.")
    data_sha256: Sha256 = Field(description="Hash of the files of the test set.")
    images: Literal[10000] = Field(description="Number of images: the whole test set.")
    eps: float = Field(description="Radius of the L-infinity ball, for images in [0, 1].")
    accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Share of the images that the network still gets right, as verified here."
    )
    array_sha256: Sha256 = Field(description="Hash of the .npy file.")
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = Field(
        description="Day of the verification, YYYY-MM-DD."
    )

    @property
    def slug(self) -> str:
        """The name as part of a file's name."""
        return _slug(self.name)


class Place(NamedTuple):
    """A line of the board; equal accuracies share a rank."""

    rank: int
    entry: BoardEntry


Board = Mapping[str, Sequence[Place]]


def radius(target: str) -> float:
    """The radius that arrays of a network are verified with, for images in [0, 1].

    Raises:
        InputError: a network that the board does not rank.
    """
    require(target in TARGETS, "board: target", f"one of {', '.join(TARGETS)}", target)
    return targets.row(target).eps


def make(**values: object) -> BoardEntry:
    """An entry of today.

    Raises:
        InputError: a value that does not fit; names the field.
    """
    content = {"schema": 1, "date": datetime.date.today().isoformat(), **values}
    found: BoardEntry = config.check(TypeAdapter(BoardEntry), content, "board")
    return found


def load(folder: Path = FOLDER) -> Board:
    """The board: for each network its entries, the strongest first, of equal ones the older first.

    Raises:
        InputError: a file that is no entry, or lies in the folder of another network.
    """
    return {target: rank(entries) for target, entries in _entries(folder).items()}


def rank(entries: Sequence[BoardEntry]) -> list[Place]:
    """The entries of a network in their order."""
    ordered = sorted(entries, key=lambda entry: (entry.accuracy, entry.date, entry.name))
    values = [entry.accuracy for entry in ordered]
    return [Place(1 + values.index(entry.accuracy), entry) for entry in ordered]


def insert(entry: BoardEntry, folder: Path = FOLDER) -> tuple[Path, bool]:
    """Puts an entry on the board, unless it is already there.

    Args:
        entry: verified.
        folder: of the board.

    Returns:
        The file of the entry, and whether it is new. The same array under the same name is the same
        entry, which stays as it is.

    Raises:
        InputError: the array stands there under another name, or the name for another array.
    """
    path = place(entry, folder)
    for other in _entries(folder)[entry.target]:
        same_name, same_array = other.slug == entry.slug, other.array_sha256 == entry.array_sha256
        if same_name and same_array:
            before = f"{other.accuracy}, as verified before"
            require(other.accuracy == entry.accuracy, f"{path}: accuracy", before, entry.accuracy)
            return path, False
        if same_array:
            raise InputError(
                f"{entry.name}: expected an array that is not on the board, got that of "
                f"{other.name!r}"
            )
        if same_name:
            raise InputError(
                f"{path}: expected a name that is not on the board, got {entry.name!r} for another "
                "array; choose another name, or remove the file to replace the entry"
            )
    records.write_json(path, entry.model_dump(mode="json", by_alias=True))
    return path, True


def place(entry: BoardEntry, folder: Path = FOLDER) -> Path:
    """The file of an entry."""
    return _of_target(folder, entry.target) / f"{entry.slug}.json"


def write(folder: Path = FOLDER) -> Path:
    """Writes the board as Markdown beside its folder; returns the path."""
    path = folder.with_suffix(".md")
    write_atomically(path, markdown(load(folder), folder.name).encode())
    return path


def markdown(board: Board, folder: str = FOLDER.name) -> str:
    """The board as Markdown, with links to the entries.

    Args:
        board: of `load`.
        folder: of the entries, from the place of the text.
    """
    lines = [
        "# The living board",
        "",
        "Arrays of adversarial images for networks whose weights come with this project, each "
        "verified on all 10,000 test images. The lower the accuracy, the stronger the attack. "
        "[docs/board.md](../docs/board.md) has the rules and says how to enter.",
    ]
    for target, places in board.items():
        lines += ["", f"## {target}, eps {wording.radius(radius(target))}", ""]
        lines += _table(places, folder) if places else ["No entry yet."]
    return "\n".join(lines) + "\n"


def _table(places: Sequence[Place], folder: str) -> list[str]:
    rows = []
    for number, entry in places:
        file = f"{folder}/{_of_target(Path(), entry.target)}/{entry.slug}.json"
        name = f"[{entry.name}]({entry.url})" if entry.url else entry.name
        accuracy = f"{100 * entry.accuracy:.2f} %"
        cells = [str(number), name, accuracy, entry.by, entry.method, entry.date]
        rows.append([*cells, f"[{entry.array_sha256[:12]}]({file})"])
    header = ["rank", "attack", "accuracy", "by", "method", "date", "array"]
    align: list[tabular.Align] = ["right", "left", "right", "left", "left", "left", "left"]
    return tabular.markdown(header, rows, align)


def _of_target(folder: Path, target: str) -> Path:
    return folder / target.replace("/", "-")


def _entries(folder: Path) -> dict[str, list[BoardEntry]]:
    found: dict[str, list[BoardEntry]] = {target: [] for target in TARGETS}
    for target in TARGETS:
        for path in sorted(_of_target(folder, target).glob("*.json")):
            entry = _read(path)
            require(entry.target == target, f"{path}: target", repr(target), entry.target)
            found[target].append(entry)
    return found


def _read(path: Path) -> BoardEntry:
    content = read_json(path, "an entry of the board")
    found: BoardEntry = config.check(TypeAdapter(BoardEntry), content, str(path))
    return found
