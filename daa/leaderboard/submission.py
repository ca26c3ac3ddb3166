"""Commands on leaderboard arrays: build from finished runs, verify, merge and compare.

Each command returns a report as text.
"""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from daa import targets
from daa.attacks import ball
from daa.attacks.losses import margin
from daa.errors import InputError, require
from daa.leaderboard import arrays
from daa.leaderboard.arrays import Challenge
from daa.reports import figures, style
from daa.reports.stats import mcnemar
from daa.runs import records, state
from daa.targets.files import apart

# Conversion to the network's range moves pixels by less than this fraction of the range.
_ROUNDING = 1e-6


def load_challenge(
    reference: str,
    *,
    images: int | None = None,
    eps: float | None = None,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> Challenge:
    """Loads a target and its first test images; `eps` is the target's unless it is given."""
    row = targets.row(reference)
    require(row.norm == "linf", f"{reference}: norm", "linf for a submission", row.norm)
    eps = ball.radius(row.eps if eps is None else eps)
    target = targets.load_target(reference, model_dir=model_dir)
    return Challenge(target, targets.load_dataset(reference, "test", data_dir, images), eps)


def build(results: Sequence[Path], out: Path, **folders: Any) -> str:
    """Builds an array from records, or folders of records: the worst case of each image.

    The network judges the images anew; the margins in the files of the runs don't count.
    """
    paths: list[Path] = []
    for path in results:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.glob("*.json") if p.with_suffix(".npz").exists())
        if not inside:
            raise InputError(f"{path}: no finished runs with images (.npz) in this folder")
        paths += inside
    apart(out, *paths, *(path.with_suffix(".npz") for path in paths))
    runs = [records.load(path) for path in paths]
    first = runs[0]
    for path, record in zip(paths, runs, strict=True):
        for key in ("target", "weights_sha256", "data_sha256", "images", "attack.eps"):
            expected, got = attrgetter(key)(first), attrgetter(key)(record)
            require(got == expected, f"{path}: {key}", repr(expected), got)
        norm = record.attack.norm
        require(norm == "linf", f"{path}: norm", "linf for a submission", norm)
        require(record.attack.clip_range, f"{path}: clip_range", "true for a submission", False)
    challenge = load_challenge(first.target, images=first.images, eps=first.attack.eps, **folders)
    for key, got in (("weights", challenge.target.weights_sha256), ("data", challenge.data.sha256)):
        expected = getattr(first, f"{key}_sha256")
        require(got == expected, str(paths[0]), f"{key} with sha256 {expected}", got)

    bounds, notes, accuracies = challenge.target.bounds, [], []
    best, lowest = np.empty(0), np.empty(0)
    for path, record in zip(paths, runs, strict=True):
        images = path.with_suffix(".npz")
        report = state.load(images, record.identity).report
        if report is None or len(report.robust_accuracy) != len(record.robust_accuracy):
            raise InputError(
                f"{images}: must hold the images of {record.restarts} restarts; run the experiment "
                "again"
            )
        shape, expected = list(report.adv.shape), list(challenge.data.x.shape)
        require(shape == expected, f"{images}: adv", f"shape {expected}", shape)
        array, moved = arrays.build(challenge, report.adv)
        margins = margin(challenge.logits(array), challenge.data.y).numpy()
        accuracies.append(float((margins > 0).mean()))
        if (outside := moved > _ROUNDING * (bounds.upper - bounds.lower)).any():
            notes.append(
                f"{path}: {outside.sum():,} images outside the ball or range; moved to its edge, "
                f"by up to {moved.max():g}"
            )
        if (changed := (report.margin > 0) != (margins > 0)).any():
            notes.append(
                f"{path}: {changed.sum():,} images that the network judges differently than in the "
                "run; the new verdict counts"
            )
        if not len(best):
            best, lowest = array, margins
        better = margins < lowest
        best[better], lowest[better] = array[better], margins[better]
    arrays.save(out, best)
    result = (
        f"{out}: {best.shape} float32 for {challenge.name}, runs: {len(runs)}, accuracy "
        f"{_percent((lowest > 0).mean())} (strongest single run {_percent(min(accuracies))})"
    )
    return "\n".join([*notes, result])


def verify(challenge: Challenge, path: Path, predictions: Path | None = None) -> str:
    """Verifies an array as the challenge does, and writes the network's predictions to pred.npy."""
    predictions = predictions or path.with_name("pred.npy")
    apart(predictions, path)
    verified = arrays.verify(challenge, path)
    arrays.save(predictions, verified.predictions)
    array, accuracy = verified.array, _percent(verified.accuracy)
    return (
        f"{path}: {array.dtype} {array.shape}, passes the checks of the challenge's run_attack.py\n"
        f"{_exactness(challenge, verified.distance, verified.beyond)}\n"
        "order of the images: official\n"
        f"accuracy of {challenge.name} on {len(array):,} images: {accuracy}; predictions in "
        f"{predictions}"
    )


def merge(challenge: Challenge, paths: Sequence[Path], out: Path) -> str:
    """Merges arrays: takes the strongest version of each image."""
    apart(out, *paths)
    checks = [arrays.verify(challenge, path) for path in paths]
    merged, source = arrays.merge(checks)
    arrays.save(out, merged)
    wrong = np.array([check.predictions != challenge.data.y for check in checks])  # [arrays, N]
    lines = []
    for k, (path, check) in enumerate(zip(paths, checks, strict=True)):
        only = wrong[k] & (wrong.sum(axis=0) == 1)
        lines.append(
            f"{path}: accuracy {_percent(check.accuracy)}, {wrong[k].sum():,} images "
            f"misclassified, {only.sum():,} of them only by this array; "
            f"{(source == k).sum():,} images taken"
        )
    accuracy = 1 - wrong[source, np.arange(len(source))].mean()
    exact = _exactness(challenge, *arrays.measure(challenge, merged))
    return "\n".join([*lines, f"{out}: {merged.dtype}, {exact}; accuracy {_percent(accuracy)}"])


def compare(challenge: Challenge, paths: Sequence[Path], picture: Path | None = None) -> str:
    """Counts the images that two arrays break, and draws some of them in compare.png."""
    picture = picture or paths[0].with_name("compare.png")
    for suffix in (".png", ".svg"):
        apart(picture.with_suffix(suffix), *paths)
    checks = [arrays.verify(challenge, path) for path in paths]
    first, second = (check.predictions != challenge.data.y for check in checks)
    kinds = {
        "both": np.flatnonzero(first & second),
        "only the first": np.flatnonzero(first & ~second),
        "only the second": np.flatnonzero(~first & second),
        "none": np.flatnonzero(~first & ~second),
    }
    adversarial = [challenge.to_images(np.asarray(check.array)) for check in checks]
    figure = figures.kinds(kinds, challenge.data.x, adversarial, [path.stem for path in paths])
    style.save(figure, picture)
    p = mcnemar(len(kinds["only the first"]), len(kinds["only the second"]))
    lines = [f"misclassified by {name}: {len(images):,}" for name, images in kinds.items()]
    return "\n".join([*lines, f"McNemar p: {p:.3g}", f"{picture}: examples of each kind"])


def _exactness(challenge: Challenge, distance: float, beyond: int) -> str:
    exact = "satisfied"
    if beyond:
        exact = f"{beyond:,} values outside, within the tolerance of {arrays.TOLERANCE:g}"
    return (
        f"exact ball and range: {exact}; largest |adv - x| {distance!r}, eps {challenge.radius:g}"
    )


def _percent(share: float) -> str:
    return f"{100 * float(share):.2f} %"
