"""Leaderboard arrays: built from finished runs, verified, merged, compared and ranked.

Each function returns what it has to tell, as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daa import targets
from daa.errors import InputError, require
from daa.experiments import arrays, boards, pictures, plotting, records, state
from daa.experiments.records import Record
from daa.plans import Report
from daa.target import Dataset, Target


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
    target = targets.load_target(reference, model_dir=model_dir)
    data = targets.load_dataset(reference, "test", data_dir, images)
    return Setting(target, data, eps or targets.row(reference).eps)


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
        InputError: runs on different targets, images or radii, runs that left the pixel range, or
            runs whose images are not there.
    """
    found = [run for path in results for run in _runs(path)]
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
    adv, lowest = None, None
    for path, record in found:
        report = _report(path, record)
        if adv is None or lowest is None:
            adv, lowest = report.adv, report.margin
            continue
        worse = report.margin < lowest
        adv[worse], lowest[worse] = report.adv[worse], report.margin[worse]
    assert adv is not None
    assert lowest is not None
    array = arrays.build(about.target, adv, about.data, about.eps)
    arrays.save(out, array)
    strongest = min(record.worst for _, record in found)
    return (
        f"{out}: {array.shape} float32 for {about.name}, runs: {len(found)}, "
        f"accuracy {_percent((lowest > 0).mean())} (the strongest run alone {_percent(strongest)})"
    )


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
    """
    (array,), (check,) = about.check([path])
    predictions = predictions or path.with_name("pred.npy")
    arrays.save(predictions, check.predictions)
    radius = arrays.native_eps(about.target, about.eps)
    exact = "kept"
    if check.beyond:
        exact = f"{check.beyond:,} values outside, within the tolerance of {arrays.TOLERANCE:g}"
    return "\n".join(
        [
            f"{path}: {array.dtype} {array.shape}, accepted by the challenge's run_attack.py",
            f"exact ball and range: {exact}; largest |adv - x| {check.distance!r}, eps {radius:g}",
            "order of the images: official",
            f"accuracy of {about.name} on {len(array):,} images: {_percent(check.accuracy)}; "
            f"predictions in {predictions}",
        ]
    )


def merge(about: Setting, paths: Sequence[Path], out: Path) -> str:
    """Takes the strongest version of each image from several arrays."""
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
    return "\n".join([*lines, f"{out}: accuracy {_percent(right.mean())}"])


def compare(about: Setting, paths: Sequence[Path], picture: Path | None = None) -> str:
    """Says which images two arrays break, and draws some of them.

    Args:
        about: what the arrays are checked against.
        paths: of the two arrays.
        picture: the PNG file; None for compare.png beside the first array.
    """
    found, checks = about.check(paths)
    first, second = checks
    kinds, p = arrays.contrast(first, second, about.data.y)
    picture = picture or paths[0].with_name("compare.png")
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
