"""Checks every target at hand: python scripts/check_targets.py [TARGET ...]."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass

import cli
import numpy as np
import tensorflow as tf
from tables import aligned

from daa import Dataset, InputError, Target
from daa.evaluate import clean_accuracy
from daa.losses import xent
from daa.target import predict

# Clean accuracy in % on the whole test set, and who says so.
PUBLISHED = {
    "madry_mnist/secret": (98.53, "MadryLab's leaderboard"),
    "madry_cifar10/secret": (87.14, "MadryLab's leaderboard"),
    "locuslab/wk_mnist": (98.2, "Wong and Kolter 2018, error 1.8"),
}
TOLERANCE = 0.06
# Images the gradient and the logits are checked on.
PROBE = 16


@dataclass(frozen=True)
class Finding:
    """What was found on one target; `misses` says what is not as it must be."""

    target: str
    weights: str
    clean: float
    images: int
    published: float | None
    zero_gradients: float
    misses: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    findings, absent = [], []
    for reference in args.targets or every_target():
        try:
            target = cli.load_target(reference, model_dir=args.model_dir)
            data = cli.load_dataset(reference, "test", args.data_dir, args.images)
        except InputError as error:
            if args.targets:
                raise
            absent.append(f"{reference}: not at hand ({error})")
            continue
        findings.append(examine(target, data, whole=args.images is None))
    print(*absent, sep="\n", end="\n\n" if absent else "")
    print(table(findings))
    for finding in findings:
        for miss in finding.misses:
            print(f"{finding.target}: {miss}")
    return 1 if any(finding.misses for finding in findings) else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks targets: accuracy, gradients, logits.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all at hand")
    parser.add_argument("--data-dir", help="folder of the data sets (else DAA_DATA)")
    parser.add_argument("--model-dir", help="folder of the weights (else DAA_MODELS)")
    parser.add_argument("--images", type=cli.positive, help="the first IMAGES of the test set only")
    return parser.parse_args(arguments)


def every_target() -> list[str]:
    return [
        f"{folder}/{name}"
        for folder in cli.FOLDERS
        for name in importlib.import_module(folder).TARGETS
    ]


def examine(target: Target, data: Dataset, whole: bool) -> Finding:
    """Accuracy against the published one, gradients, logits and the range of the images."""
    misses = []
    clean = 100 * clean_accuracy(target, data.x, data.y)
    published, source = PUBLISHED.get(target.name, (None, ""))
    if whole and published is not None and abs(clean - published) > TOLERANCE:
        misses.append(
            f"clean accuracy: expected {published:.2f} ({source}), got {clean:.2f} "
            f"on {len(data):,} images"
        )
    x, y = data.x[:PROBE], data.y[:PROBE]
    logits = predict(target, x)
    if not np.isfinite(logits).all():
        misses.append("logits: expected finite numbers, got others")
    alone = np.concatenate([predict(target, image[None]) for image in x])
    with np.errstate(invalid="ignore"):
        apart = np.abs(alone - logits).max() / max(np.abs(logits).max(), 1e-30)
    if not apart <= 1e-4:
        misses.append(f"logits: expected the same in any minibatch, got {apart:.1e} apart")
    grad = gradients(target, x, y)
    if not np.isfinite(grad).all():
        misses.append("gradient: expected finite numbers, got others")
    elif not grad.any():
        misses.append("gradient: expected some that are not 0, got none")
    lowest, highest = float(data.x.min()), float(data.x.max())
    if lowest < 0 or highest > 1 or highest - lowest < 0.5:
        misses.append(f"images: expected values over [0, 1], got [{lowest:.3f}, {highest:.3f}]")
    zeros = 100 * float((np.abs(grad) < 1e-8).mean())
    return Finding(target.name, target.weights, clean, len(data), published, zeros, tuple(misses))


def gradients(target: Target, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the summed cross-entropy. [N, H, W, C]."""
    images = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(xent(target(images), tf.constant(y)))
    return tape.gradient(loss, images).numpy()


def table(findings: list[Finding]) -> str:
    header = ["target", "weights", "clean", "published", "images", "gradients < 1e-8", "verdict"]
    rows = [header, ["---", "---", *["---:"] * 4, "---"]]
    for f in findings:
        published = "" if f.published is None else f"{f.published:.2f}"
        rows.append(
            [
                f.target,
                f.weights,
                f"{f.clean:.2f}",
                published,
                f"{f.images:,}",
                f"{f.zero_gradients:.0f} %",
                "; ".join(miss.partition(":")[0] for miss in f.misses) or "fine",
            ]
        )
    return "\n".join(aligned(rows))


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
