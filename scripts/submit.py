"""Leaderboard arrays: python scripts/submit.py build|verify|merge|compare|board ..."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boards
import cli
import numpy as np
import pictures

from daa import Dataset, InputError, Target, progress, results, submission
from daa.evaluate import keep_worst

# The challenges' radii, and those the other networks were trained for; images in [0, 1].
EPS = {
    "madry_mnist": 0.3,
    "madry_cifar10": 8 / 255,
    "fmnist": 0.2,
    "imagenet_ens": 2 / 255,
    "digits": 0.15,
    "locuslab/fast_pgd_mnist": 0.3,
    "locuslab/wk_mnist": 0.1,
}


@dataclass(frozen=True)
class Setting:
    """What arrays are checked against."""

    target: Target
    data: Dataset
    eps: float

    def check(self, path: Path) -> tuple[np.ndarray, submission.Check]:
        """Opens and verifies an array."""
        array = submission.load(path, self.target, len(self.data))
        return array, submission.verify(path, array, self.target, self.data, self.eps)


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    args.run(args)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description="Arrays for the MadryLab challenges.")
    commands = found.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(run.__name__, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--data-dir", help="folder of the data sets (else DAA_DATA)")
        sub.add_argument("--model-dir", help="folder of the weights (else DAA_MODELS)")
        return sub

    def about(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--target", required=True, help="as madry_mnist/secret")
        sub.add_argument("--images", type=cli.positive, help="of the first IMAGES only")
        sub.add_argument("--eps", type=float, help="in [0, 1]; default: the challenge's")

    sub = command(build, "makes an array of finished runs, the worst case per image")
    sub.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="record or folder")
    sub.add_argument("-o", "--out", type=Path, required=True, help="the .npy file")
    sub = command(verify, "checks an array as the challenge does, and exactly")
    sub.add_argument("array", type=Path)
    sub.add_argument("--pred", type=Path, help="predictions (default: pred.npy beside the array)")
    about(sub)
    sub = command(merge, "takes the strongest version of each image from several arrays")
    sub.add_argument("arrays", nargs="+", type=Path)
    sub.add_argument("-o", "--out", type=Path, required=True, help="the .npy file")
    about(sub)
    sub = command(compare, "says which images two arrays break, with a picture")
    sub.add_argument("arrays", nargs=2, type=Path)
    sub.add_argument("--picture", type=Path, help="default: compare.png beside the first array")
    about(sub)
    sub = command(board, "prints both leaderboards, with an array's rank")
    sub.add_argument("array", nargs="?", type=Path)
    sub.add_argument("--target", choices=[b.target for b in boards.load()])
    sub.set_defaults(images=None, eps=None)  # the challenge's own
    return found


def setting(args: argparse.Namespace) -> Setting:
    target = cli.load_target(args.target, model_dir=args.model_dir)
    data = cli.load_dataset(args.target, "test", args.data_dir, args.images)
    eps = args.eps or EPS.get(args.target) or EPS[args.target.partition("/")[0]]
    return Setting(target, data, eps)


def build(args: argparse.Namespace) -> None:
    records = [record for path in args.results for record in records_of(path)]
    first = records[0][1]
    for path, record in records:
        for key in ("target", "weights_sha256", "data_sha256", "images"):
            if record[key] != first[key]:
                raise InputError(f"{path}: {key}: expected {first[key]!r}, got {record[key]!r}")
        if record["attack"]["eps"] != first["attack"]["eps"]:
            expected, got = first["attack"]["eps"], record["attack"]["eps"]
            raise InputError(f"{path}: eps: expected {expected!r}, got {got!r}")
        if not record["attack"]["clip_range"]:
            raise InputError(f"{path}: clip_range: expected true for a submission, got false")
    args.target, args.images, args.eps = first["target"], first["images"], first["attack"]["eps"]
    found = setting(args)
    adv, lowest, broken = None, None, []
    for path, record in records:
        report = images_of(path, record)
        broken.append(len(record["broken"]))
        if adv is None:
            adv, lowest = report.adv.copy(), report.margin.copy()
            continue
        keep_worst(adv, lowest, report.adv, report.margin)
    array = submission.build(found.target, adv, found.data, found.eps)
    submission.save(args.out, array)
    accuracy = 100 * float((lowest > 0).mean())
    print(
        f"{args.out}: {array.shape} float32 for {found.target.name} "
        f"({found.target.weights} weights), runs: {len(records)}, accuracy {accuracy:.2f} % "
        f"(the strongest run alone {100 * (1 - max(broken) / len(array)):.2f} %)"
    )


def records_of(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The finished runs that a record or a folder of them names."""
    if path.is_dir():
        paths = sorted(p for p in path.glob("*.json") if p.with_suffix(".npz").exists())
        if not paths:
            raise InputError(f"{path}: expected runs with their images (.npz), got none")
    else:
        paths = [path]
    return [(p, results.load(p)) for p in paths]


def images_of(path: Path, record: dict[str, Any]) -> Any:
    kept = path.with_suffix(".npz")
    report, *_ = progress.load(kept, results.identity_of(record))
    if report is None or len(report.correct_per_restart) != record["restarts"]:
        raise InputError(f"{kept}: expected the images of {record['restarts']} restarts, got none")
    return report


def verify(args: argparse.Namespace) -> None:
    found = setting(args)
    array, check = found.check(args.array)
    pred = args.pred or args.array.with_name("pred.npy")
    submission.save(pred, check.predictions)
    radius = submission.native_eps(found.target, found.eps)
    print(f"{args.array}: {array.dtype} {array.shape}, accepted by the challenge's run_attack.py")
    if check.beyond:
        print(
            f"exact ball and range: {check.beyond:,} values outside, within the tolerance of "
            f"{submission.TOLERANCE:g}; largest |adv - x| {check.distance!r}, eps {radius:g}"
        )
    else:
        print(f"exact ball and range: kept; largest |adv - x| {check.distance!r}, eps {radius:g}")
    print("order of the images: official")
    print(
        f"accuracy of {found.target.name} ({found.target.weights} weights) on {len(array):,} "
        f"images: {100 * check.accuracy:.2f} %; predictions in {pred}"
    )


def merge(args: argparse.Namespace) -> None:
    found = setting(args)
    arrays, checks = zip(*(found.check(path) for path in args.arrays), strict=True)
    merged, source = submission.merge(list(arrays), list(checks))
    submission.save(args.out, merged)
    counts = submission.contributions(list(checks), found.data.y)
    for k, (path, (broken, alone)) in enumerate(zip(args.arrays, counts, strict=True)):
        taken = int((source == k).sum())
        accuracy = 100 * checks[k].accuracy
        print(
            f"{path}: accuracy {accuracy:.2f} %, breaks {broken:,}, {alone:,} of them alone; "
            f"{taken:,} images taken"
        )
    predictions = np.array([check.predictions for check in checks])
    right = predictions[source, np.arange(len(source))] == found.data.y
    print(f"{args.out}: accuracy {100 * right.mean():.2f} %")


def compare(args: argparse.Namespace) -> None:
    found = setting(args)
    arrays, checks = zip(*(found.check(path) for path in args.arrays), strict=True)
    kinds, p = submission.contrast(checks[0], checks[1], found.data.y)
    for name, images in kinds.items():
        print(f"broken by {name}: {len(images):,}")
    print(f"McNemar p: {p:.3g}")
    path = args.picture or args.arrays[0].with_name("compare.png")
    shape = (-1, *found.target.image_shape)
    lower, upper = found.target.bounds.lower, found.target.bounds.upper
    shown = [
        (np.asarray(array, np.float32).reshape(shape) - lower) / (upper - lower) for array in arrays
    ]
    names = [path.stem for path in args.arrays]
    pictures.kinds(kinds, found.data.x, shown, names, path)
    print(f"{path}: some of each kind")


def board(args: argparse.Namespace) -> None:
    entry = None
    if (args.array is None) != (args.target is None):
        raise InputError("board: expected an array together with --target, got one of them")
    if args.array is not None:
        found = setting(args)
        _, check = found.check(args.array)
        entry = (args.target, f"{args.array} (verified here)", 100 * check.accuracy)
    print(boards.markdown(boards.load(), [entry] if entry else []))


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
