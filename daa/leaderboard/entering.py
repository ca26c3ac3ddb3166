"""Arrays on the living board: verified, ranked, entered. Each function returns text to print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daa.errors import InputError, require
from daa.leaderboard import living, submission
from daa.leaderboard.submission import Setting
from daa.targets import files

# Accuracies of 10,000 images have four decimals; what float arithmetic adds to them is cut off.
_DECIMALS = 6


def board(
    array: Path | None = None,
    target: str | None = None,
    *,
    words: Mapping[str, str | None],
    folder: Path = living.FOLDER,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> str:
    """All leaderboards; with an array its rank on that of its target, or its new entry.

    Args:
        array: its .npy file.
        target: what it attacks.
        words: name, by, method and url of an entry; without them nothing is entered.
        folder: of the living board.
        data_dir, model_dir: folders of data sets and weights.

    Raises:
        InputError: an array without a target or the other way round, words that are missing, and
            what `rank` and `enter` refuse.
    """
    if (array is None) != (target is None):
        raise InputError("board: expected an array together with its target, got one of them")
    said = {key: text for key, text in words.items() if text is not None}
    if array is None or target is None:
        require(not said, "board", f"an array with a {next(iter(said), '')}", "none")
        return f"{submission.board()}\n\n{living.markdown(living.load(folder))}"
    if said:
        living.radius(target)
        for key in ("name", "by", "method"):
            require(key in said, f"board: {key}", "a text", None)
    about = submission.setting(target, data_dir=data_dir, model_dir=model_dir)
    if said:
        return enter(about, array, folder=folder, **said)
    if target in living.TARGETS:
        return rank(about, array, folder=folder)
    return submission.board(about, array)


def rank(about: Setting, path: Path, *, folder: Path = living.FOLDER) -> str:
    """The rank that an array has or would have, once it is verified; nothing is written.

    Args:
        about: what the array is checked against: its whole test set.
        path: of the array.
        folder: of the board.

    Raises:
        InputError: an array that is not accepted.
    """
    accuracy = _verified(about, path)
    board, own = living.load(folder), files.sha256(path)
    places = board[about.target.name]
    number = 1 + sum(place.entry.accuracy < accuracy for place in places)
    stands = f"rank {number} of {len(places) + 1}, once it is entered"
    for place in places:
        if place.entry.array_sha256 == own:
            stands = f"rank {place.rank} of {len(places)}, entered as {place.entry.name!r}"
    return (
        f"{path}: accuracy {100 * accuracy:.2f} % of {about.name}; {stands}\n\n"
        f"{living.markdown(board)}"
    )


def enter(
    about: Setting,
    path: Path,
    *,
    name: str,
    by: str,
    method: str,
    url: str | None = None,
    folder: Path = living.FOLDER,
) -> str:
    """Verifies an array and puts it on the board.

    Args:
        about: what the array is checked against: its whole test set.
        path: of the array.
        name, by, method, url: as of `living.BoardEntry`.
        folder: of the board.

    Raises:
        InputError: a network that the board does not rank, an array that is not accepted, a name or
            an array that is there already.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected an .npy file, got none")
    radius = living.radius(about.target.name)
    require(about.eps == radius, "eps", f"{radius:g}, the board's", about.eps)
    # The words are looked at before the minutes that a verification takes.
    entry = living.make(
        name=name,
        by=by,
        method=method,
        url=url,
        target=about.target.name,
        weights_sha256=about.target.weights_sha256,
        data_sha256=about.data.sha256,
        images=len(about.data),
        eps=about.eps,
        accuracy=1.0,
        array_sha256=files.sha256(path),
    )
    entry = entry.model_copy(update={"accuracy": _verified(about, path)})
    written, new = living.insert(entry, folder)
    page = living.write(folder)
    places = living.load(folder)[about.target.name]
    number = next(place.rank for place in places if place.entry.slug == entry.slug)
    done = f"entered: {written}, {page}" if new else f"it stands there already: {written}"
    return (
        f"{path}: accuracy {100 * entry.accuracy:.2f} % of {about.name}, rank {number} of "
        f"{len(places)}\n{done}"
    )


def _verified(about: Setting, path: Path) -> float:
    _, (check,) = about.check([path])
    return round(check.accuracy, _DECIMALS)
