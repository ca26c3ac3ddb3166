"""Measure the effect of each component of Adaptive DAA: change one component at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from daa import targets
from daa.attacks import adaptive
from daa.attacks.bandit import Arm
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import Job, worst_cases
from daa.cli import options
from daa.cli.main import command
from daa.runs import device, provenance
from daa.runs.records import write_json
from daa.target import Dataset, Target


def _arms(change: Callable[[list[Arm]], list[Arm]]) -> dict[str, Any]:
    """The arms, changed."""
    made = adaptive.portfolio
    return {"portfolio": lambda *given: change(made(*given))}


def _with(arms: list[Arm], which: slice, **settings: Any) -> list[Arm]:
    """The arms with some settings of some of them changed; None takes a setting away."""
    for arm in arms[which]:
        changed = {**arm.settings, **settings}
        arm.settings = {name: value for name, value in changed.items() if value is not None}
    return arms


def _scaled(arms: list[Arm], factor: float) -> list[Arm]:
    """The arms with another scale of the logits."""
    for arm in arms:
        arm.settings["scale"] *= factor
    return arms


def _fixed(arms: list[Arm], eps_part: float = 1 / 15) -> list[Arm]:
    for arm in arms[:2]:
        arm.lengths = (eps_part, eps_part)
    return arms


def _only_wider() -> Callable[..., adaptive.Reach]:
    """Rounds in vain are followed by wider ones alone: the turns of the longer ones are skipped."""
    reach = adaptive._reach

    def skipping(
        last: adaptive.Reach,
        fallen: np.ndarray,
        chosen: int,
        standing: int,
        batch: int,
        first: bool,
    ) -> adaptive.Reach:
        found = reach(last, fallen, chosen, standing, batch, first)
        none = fallen[:0]
        return found if found.times == 1 else reach(found, none, 0, standing, batch, first)

    return skipping


_LENGTHS = (1 / 15, 1 / 15)
# {what is changed: names of daa.attacks.adaptive and what stands in their place}.
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "PGD in the place of BLOB": _arms(
        lambda arms: _with(arms, slice(1), method="pgd", c=None, steps_per_shuffle=None)
    ),
    "only positions attract": _arms(lambda arms: _with(arms, slice(1), method="attraction")),
    "DGF in the place of BLOB": _arms(lambda arms: _with(arms, slice(1), method="dgf", c=0.001)),
    "c = 1.1 in the place of 2": _arms(lambda arms: _with(arms, slice(1), c=1.1)),
    "no momentum": _arms(lambda arms: _with(arms, slice(2), momentum=None)),
    "constant steps of eps/15": {
        **_arms(_fixed),
        "OPENING": ((5, *_LENGTHS, 1.0), (5, *_LENGTHS, 0.4)),
    },
    "last image kept, not the best": _arms(lambda arms: _with(arms, slice(2), keep=None)),
    "coupled cross-entropy alone": _arms(lambda arms: [arms[0], arms[3]]),
    "margins to near classes alone": _arms(lambda arms: [arms[1], arms[3]]),
    "Auto-PGD alone": _arms(lambda arms: arms[2:]),
    "no Auto-PGD": _arms(lambda arms: [*arms[:2], arms[3]]),
    "logits as they are": _arms(lambda arms: _with(arms, slice(3), scale=None)),
    "scales 2 and 0.5": _arms(lambda arms: _scaled(arms, 1 / 4)),
    "scales 32 and 8": _arms(lambda arms: _scaled(arms, 4)),
    "scale 8 for Auto-PGD, too": _arms(
        lambda arms: _with(arms, slice(2, 3), scale=arms[0].settings["scale"])
    ),
    "one opening of 10 steps": {"OPENING": ((10, 0.67, 0.01, 1.0),)},
    "images at random, not by margin": {"_order": lambda rng, *given: rng.permutation(given[0])},
    "only kicked pixels as starts": {"VERSIONS": slice(1, 2)},
    "only transfer as start": {"VERSIONS": slice(1)},
    "minibatches of 25": {"BATCH": 25},
    "minibatches of 150": {"BATCH": 150},
    "two minibatches in a round at least": {"NARROWEST": 2},
    "no longer rounds": {"_reach": _only_wider()},
}


@contextmanager
def changed(names: dict[str, Any]) -> Iterator[None]:
    """Adaptive DAA with some of its names replaced."""
    with mock.patch.multiple(adaptive, **names) if names else nullcontext():
        yield


def measure(
    target: Target,
    data: Dataset,
    eps: float,
    changes: Sequence[str],
    *,
    marks: Sequence[float] = (12, 25, 60),
    seeds: Sequence[int] = (0, 1, 2),
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Robust accuracy after some numbers of gradients per image, mean over the seeds.

    Args:
        target, data, eps: what is attacked.
        changes: names of `CHANGES`.
        marks: numbers of gradients per image.
        seeds: of the attacks.
        on_row: called with each row.

    Returns:
        A row for each change: its name, the accuracies in percent, and their spread at the last
        mark.
    """
    rows = []
    for name in changes:
        with changed(CHANGES[name]):
            found = np.array([_curve(target, data, eps, marks, seed) for seed in seeds])
        mean = dict(zip(map(str, marks), found.mean(axis=0).round(2).tolist(), strict=True))
        rows.append({"change": name, **mean, "spread": round(float(np.ptp(found[:, -1])), 2)})
        on_row(rows[-1])
    return rows


def _curve(
    target: Target, data: Dataset, eps: float, marks: Sequence[float], seed: int
) -> list[float]:
    reached = [100.0] * len(marks)
    job = Job(AttackConfig("adaptive", eps=eps, budget=float(marks[-1])), seed=seed)
    for progress in worst_cases(target, [job], data.x, data.y):
        report = progress.report
        spent = report.gradients_after[-1]
        for k, mark in enumerate(marks):
            if spent <= mark:
                reached[k] = 100 * float(report.robust_accuracy[-1])
    return reached


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "ablation --target locuslab/fast_pgd_mnist --images 3000")
    parser.add_argument("--target", required=True, help="folder/name")
    parser.add_argument("--images", type=options.positive, default=3000, help="the first IMAGES")
    parser.add_argument("--only", nargs="+", metavar="CHANGE", help="default: all changes")
    parser.add_argument("--out", type=Path, default=Path("results/ablation.json"))
    options.add_folders(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    target = targets.load_target(args.target, model_dir=args.model_dir)
    data = targets.load_dataset(args.target, data_dir=args.data_dir, images=args.images)
    rows = measure(
        target,
        data,
        targets.row(args.target).eps,
        args.only or list(CHANGES),
        on_row=lambda row: print(*row.values(), sep="  ", flush=True),
    )
    content = {
        "target": args.target,
        "weights": target.provenance,
        "weights_sha256": target.weights_sha256,
        "images": len(data),
        "seeds": [0, 1, 2],
        "device": device.name(),
        "git_commit": provenance.git_commit(),
        "rows": rows,
    }
    write_json(args.out, content)
    print(args.out)
