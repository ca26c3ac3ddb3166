"""Leaderboard arrays: built from finished runs, verified, merged, compared and ranked.

Each function returns what it has to tell, as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daa import targets
from daa.attacks import ball
from daa.attacks.plans import Report
from daa.errors import InputError, require
from daa.leaderboard import arrays, boards
from daa.reports import pictures, plotting
from daa.runs import records, state
from daa.runs.records import Record
from daa.target import Dataset, Target
from daa.targets.files import apart

# Conversion to the network's range moves pixels by less than this part of the range.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Setting:
    """What arrays are checked against.

    Args:
        target: the network.
        data: its test images.
        eps: radius of the ball, for images in [0, 1].
    """

    target: Target
    data: Dataset
    eps: float

    @property
    def name(self) -> str:
        """The target, and where its weights come from."""
        return f"{self.target.name} ({self.target.provenance} weights)"

    def check(self, paths: Sequence[Path]) -> tuple[list[np.ndarray], list[arrays.Check]]:
        """Opens and verifies arrays."""
        found = [arrays.load(path, self.target, len(self.data)) for path in paths]
        checks = [
            arrays.verify(path, array, self.target, self.data, self.eps)
            for path, array in zip(paths, found, strict=True)
        ]
        return found, checks


def setting(
    reference: str,
    *,
    images: int | None = None,
    eps: float | None = None,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> Setting:
    """What arrays for a target are checked against.

    Args:
        reference: of the target, as `madry_mnist/secret`.
        images: only the first `images` of the test set; None for all.
        eps: radius of the ball; None for that of the target's row.
        data_dir, model_dir: folders of data sets and weights.
    """
    if eps is None:
        eps = targets.row(reference).eps
    eps = ball.radius(eps)
    target = targets.load_target(reference, model_dir=model_dir)
    data = targets.load_dataset(reference, "test", data_dir, images)
    return Setting(target, data, eps)


def build(
    results: Sequence[Path],
    out: Path,
    *,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> str:
    """Makes an array of finished runs: the worst case of each image.

    Args:
        results: records, or folders of records.
        out: the .npy file.
        data_dir, model_dir: folders of data sets and weights.

    Raises:
        InputError: runs on different targets, images or radii, runs that left the pixel range,
            runs whose images are not there, or an `out` that is one of the runs' files.
    """
    found = [run for path in results for run in _runs(path)]
    for path, _ in found:
        apart(out, path, path.with_suffix(".npz"))
    first = found[0][1]
    for path, record in found:
        for key in ("target", "weights_sha256", "data_sha256", "images"):
            expected, got = getattr(first, key), getattr(record, key)
            require(got == expected, f"{path}: {key}", repr(expected), got)
        expected, got = first.attack.eps, record.attack.eps
        require(got == expected, f"{path}: eps", repr(expected), got)
        clipped = record.attack.clip_range
        require(clipped, f"{path}: clip_range", "true for a submission", clipped)
    about = setting(
        first.target,
        images=first.images,
        eps=first.attack.eps,
        data_dir=data_dir,
        model_dir=model_dir,
    )
    for what, got in (("weights", about.target.weights_sha256), ("data", about.data.sha256)):
        wanted = getattr(first, f"{what}_sha256")
        require(got == wanted, found[0][0].as_posix(), f"{what} with sha256 {wanted}", got)
    best, lowest = None, None
    alone: list[float] = []
    said: list[str] = []
    for path, record in found:
        report = _report(path, record)
        shape, expected = list(report.adv.shape), list(about.data.x.shape)
        require(shape == expected, f"{path.with_suffix('.npz')}: adv", f"shape {expected}", shape)
        array, moved = arrays.build(about.target, report.adv, about.data, about.eps)
        # What the network says now counts, not what the file says that it said.
        margin = arrays.margins_of(about.target, array, about.data.y)
        alone.append(float((margin > 0).mean()))
        said += _doubts(path, about, moved, (report.margin > 0) != (margin > 0))
        if best is None or lowest is None:
            best, lowest = array, margin
            continue
        worse = margin < lowest
        best[worse], lowest[worse] = array[worse], margin[worse]
    assert best is not None
    assert lowest is not None
    arrays.save(out, best)
    return "\n".join(
        [
            *said,
            f"{out}: {best.shape} float32 for {about.name}, runs: {len(found)}, accuracy "
            f"{_percent((lowest > 0).mean())} (the strongest run alone {_percent(min(alone))})",
        ]
    )


def _doubts(path: Path, about: Setting, moved: np.ndarray, other: np.ndarray) -> list[str]:
    """What is wrong with the images of a run, which go into the array all the same.

    Args:
        path: of the record.
        about: what the array is built for.
        moved: how far the pixels of each image were moved into the ball. [N].
        other: whether the network's verdict on an image is another one than the run's. [N].
    """
    bounds, said = about.target.bounds, []
    outside = moved > _ROUNDING * (bounds.upper - bounds.lower)
    if outside.any():
        said.append(
            f"{path}: images outside ball or range: {outside.sum():,}; they were moved to its edge,"
            f" by up to {moved.max():g}"
        )
    if other.any():
        said.append(
            f"{path}: images that the network now judges otherwise than in the run: "
            f"{other.sum():,}; its verdict of now counts"
        )
    return said


def _runs(path: Path) -> list[tuple[Path, Record]]:
    """The finished runs of a record or of a folder."""
    if not path.is_dir():
        return [(path, records.load(path))]
    paths = sorted(p for p in path.glob("*.json") if p.with_suffix(".npz").exists())
    if not paths:
        raise InputError(f"{path}: expected runs with their images (.npz), got none")
    return [(p, records.load(p)) for p in paths]


def _report(path: Path, record: Record) -> Report:
    """What a finished run achieved, with its images."""
    kept = path.with_suffix(".npz")
    report = state.load(kept, record.identity).report
    if report is None or len(report.robust_accuracy) != len(record.robust_accuracy):
        raise InputError(
            f"{kept}: expected the images of {record.restarts} restarts, got none of them or others"
        )
    return report


def verify(about: Setting, path: Path, predictions: Path | None = None) -> str:
    """Checks an array as the challenge does, and exactly.

    Args:
        about: what the array is checked against.
        path: of the array.
        predictions: file for the target's predictions; None for pred.npy beside the array.

    Raises:
        InputError: an array that the challenge refuses, or predictions in the place of the array.
    """
    predictions = predictions or path.with_name("pred.npy")
    apart(predictions, path)
    (array,), (check,) = about.check([path])
    arrays.save(predictions, check.predictions)
    return "\n".join(
        [
            f"{path}: {array.dtype} {array.shape}, accepted by the challenge's run_attack.py",
            _exactly(about, check.distance, check.beyond),
            "order of the images: official",
            f"accuracy of {about.name} on {len(array):,} images: {_percent(check.accuracy)}; "
            f"predictions in {predictions}",
        ]
    )


def _exactly(about: Setting, distance: float, beyond: int) -> str:
    """Whether an array lies in the exact ball and range, in words."""
    radius = arrays.native_eps(about.target, about.eps)
    exact = "kept"
    if beyond:
        exact = f"{beyond:,} values outside, within the tolerance of {arrays.TOLERANCE:g}"
    return f"exact ball and range: {exact}; largest |adv - x| {distance!r}, eps {radius:g}"


def merge(about: Setting, paths: Sequence[Path], out: Path) -> str:
    """Takes the strongest version of each image from several arrays.

    Raises:
        InputError: an array that the challenge refuses, or an `out` that is one of the arrays.
    """
    apart(out, *paths)
    found, checks = about.check(paths)
    merged, source = arrays.merge(found, checks)
    arrays.save(out, merged)
    counts = arrays.contributions(checks, about.data.y)
    lines = []
    for k, (path, (broken, alone)) in enumerate(zip(paths, counts, strict=True)):
        lines.append(
            f"{path}: accuracy {_percent(checks[k].accuracy)}, breaks {broken:,}, {alone:,} of "
            f"them alone; {(source == k).sum():,} images taken"
        )
    predictions = np.array([check.predictions for check in checks])
    right = predictions[source, np.arange(len(source))] == about.data.y
    exact = _exactly(about, *arrays.exactly(merged, about.target, about.data, about.eps))
    return "\n".join([*lines, f"{out}: {merged.dtype}, {exact}; accuracy {_percent(right.mean())}"])


def compare(about: Setting, paths: Sequence[Path], picture: Path | None = None) -> str:
    """Says which images two arrays break, and draws some of them.

    Args:
        about: what the arrays are checked against.
        paths: of the two arrays.
        picture: the PNG file; None for compare.png beside the first array.

    Raises:
        InputError: an array that the challenge refuses, or a picture in the place of an array.
    """
    picture = picture or paths[0].with_name("compare.png")
    for suffix in (".png", ".svg"):
        apart(picture.with_suffix(suffix), *paths)
    found, checks = about.check(paths)
    first, second = checks
    kinds, p = arrays.contrast(first, second, about.data.y)
    shown = [arrays.images_of(about.target, np.asarray(array)) for array in found]
    figure = pictures.kinds(kinds, about.data.x, shown, [path.stem for path in paths])
    plotting.save(figure, picture)
    lines = [f"broken by {name}: {len(images):,}" for name, images in kinds.items()]
    return "\n".join([*lines, f"McNemar p: {p:.3g}", f"{picture}: some of each kind"])


def board(about: Setting | None = None, path: Path | None = None) -> str:
    """Both leaderboards, with the rank of an array where one is given."""
    entries = []
    if about is not None and path is not None:
        _, (check,) = about.check([path])
        name = f"{path} (verified here)"
        entries = [boards.Entry(about.target.name, name, 100 * check.accuracy)]
    return boards.markdown(boards.load(), entries)


def _percent(share: float) -> str:
    return f"{100 * float(share):.2f} %"
