"""What each part of Adaptive DAA brings: the attack with one part changed at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from daa import targets
from daa.attacks.adaptive import adaptive
from daa.attacks.bandit import AdaptiveSettings, ArmSettings
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import Job, worst_cases
from daa.cli import options
from daa.cli.main import command
from daa.runs import device, provenance
from daa.runs.records import write_json
from daa.target import Dataset, Target

PLAIN = AdaptiveSettings()
COUPLED, MARGINS, APGD = PLAIN.arms


def _with(arm: ArmSettings, **options: Any) -> ArmSettings:
    """An arm with some options changed; None removes an option."""
    return replace(arm, options={**arm.options, **options})


def _scales(moving: float | None, apgd: float | None) -> tuple[ArmSettings, ...]:
    """The arms with other scales of the logits."""
    arms = (replace(arm, scale=moving) for arm in (COUPLED, MARGINS))
    return (*arms, replace(APGD, scale=apgd))


_FIXED = (1 / 15, 1 / 15)
# {name of the change: fields of AdaptiveSettings}.
CHANGES: dict[str, Mapping[str, Any]] = {
    "nothing": {},
    "PGD instead of BLOB": {
        "arms": (_with(COUPLED, method="pgd", c=None, steps_per_shuffle=None), MARGINS, APGD)
    },
    "only positions attract": {"arms": (_with(COUPLED, method="attraction"), MARGINS, APGD)},
    "DGF instead of BLOB": {"arms": (_with(COUPLED, method="dgf", c=0.001), MARGINS, APGD)},
    "c = 1.1 instead of 2": {"arms": (_with(COUPLED, c=1.1), MARGINS, APGD)},
    "no momentum": {
        "arms": (_with(COUPLED, momentum=None), _with(MARGINS, momentum=None), APGD),
    },
    "constant steps of eps/15": {
        "arms": (replace(COUPLED, lengths=_FIXED), replace(MARGINS, lengths=_FIXED), APGD),
        "opening": (5, *_FIXED),
    },
    "last image kept, not the best": {
        "arms": (_with(COUPLED, keep=None), _with(MARGINS, keep=None), APGD)
    },
    "coupled cross-entropy alone": {"arms": (COUPLED,)},
    "margins to near classes alone": {"arms": (MARGINS,)},
    "Auto-PGD alone": {"arms": (APGD,)},
    "no Auto-PGD": {"arms": (COUPLED, MARGINS)},
    "logits as they are": {"arms": _scales(None, None)},
    "scales 2 and 0.5": {"arms": _scales(2.0, 0.5), "search": replace(PLAIN.search, scale=2.0)},
    "scales 32 and 8": {"arms": _scales(32.0, 8.0), "search": replace(PLAIN.search, scale=32.0)},
    "scale 8 for Auto-PGD, too": {"arms": _scales(8.0, 8.0)},
    "first round of 10 steps": {"opening": (10, 0.67, 0.01)},
    "no learning, the prior alone": {"prior_variance": (1e-9,) * 6},
    "the same coefficients for all arms": {"between": 1e-9},
    "no weight of the variance": {"optimism": 0.0},
    "full weight of the variance": {"optimism": 1.0},
    "full weight of the first round": {"opening_weight": 1.0},
    "rounds of 20 steps alone": {"steps": (20,)},
    "only kicked pixels as starts": {"starts": ("pixels",)},
    "only transfer as start": {"starts": ("transfer",)},
    "minibatches of 25": {"batch": 25},
    "rounds of 10 % of the robust images": {"share": 0.1},
}


def job(eps: float, budget: float, change: str, seed: int = 0, norm: str = "linf") -> Job:
    """Adaptive DAA with a change."""
    plan = partial(adaptive, settings=AdaptiveSettings(**CHANGES[change]))
    config = AttackConfig("adaptive", eps=eps, budget=float(budget), norm=norm)
    return Job(config, seed=seed, plan=plan)


def measure(
    target: Target,
    data: Dataset,
    eps: float,
    changes: Sequence[str],
    *,
    norm: str = "linf",
    marks: Sequence[float] = (12, 25, 60),
    seeds: Sequence[int] = (0, 1, 2),
) -> Iterator[dict[str, Any]]:
    """Robust accuracy after some numbers of gradients per image, mean over the seeds.

    Args:
        target, data: the classifier and its images.
        eps, norm: radius and norm of the ball.
        changes: names of `CHANGES`.
        marks: numbers of gradients per image.
        seeds: of the attacks.

    Yields:
        A row for each change: its name, the accuracies in percent, and their spread at the last
        mark.
    """
    for name in changes:
        jobs = [job(eps, marks[-1], name, seed, norm) for seed in seeds]
        curves = np.array([curve(target, data, each, marks) for each in jobs])
        mean = dict(zip(map(str, marks), curves.mean(axis=0).round(2).tolist(), strict=True))
        yield {"change": name, **mean, "spread": round(float(np.ptp(curves[:, -1])), 2)}


def curve(target: Target, data: Dataset, job: Job, marks: Sequence[float]) -> list[float]:
    """Robust accuracy in percent at some numbers of gradients per image."""
    accuracies = [100.0] * len(marks)
    for progress in worst_cases(target, [job], data.x, data.y):
        report = progress.report
        for k, mark in enumerate(marks):
            if report.gradients_after[-1] <= mark:
                accuracies[k] = 100 * float(report.robust_accuracy[-1])
    return accuracies


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
    usual = targets.row(args.target)
    rows = []
    for row in measure(target, data, usual.eps, args.only or list(CHANGES), norm=usual.norm):
        print(*row.values(), sep="  ", flush=True)
        rows.append(row)
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
