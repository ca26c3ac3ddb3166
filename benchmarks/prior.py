"""The prior of Adaptive DAA, fitted to other networks: each network is left out once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.ablation import curve
from daa import targets
from daa.attacks.adaptive import adaptive
from daa.attacks.bandit import AdaptiveSettings, Model
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import Job
from daa.cli import options
from daa.cli.main import command
from daa.runs import device, provenance
from daa.runs.records import write_json

MARKS = (12.0, 25.0, 40.0)
HAND = AdaptiveSettings()
TARGETS = (
    "locuslab/fast_pgd_mnist", "locuslab/own_mnist", "locuslab/wk17a_mnist", "locuslab/wk_mnist",
    "madry_mnist/surrogate", "fmnist/surrogate", "madry_cifar10/surrogate",
)  # fmt: skip


@contextmanager
def recorded() -> Iterator[list[Model]]:
    """Collects the models of all runs; a model then holds all outcomes with equal weights."""
    models = []

    class Recording(Model):
        def __init__(self, settings: AdaptiveSettings) -> None:
            super().__init__(settings)
            broad = tuple(10 * value for value in HAND.prior_variance)
            self.all = Model(replace(settings, prior_variance=broad))
            models.append(self.all)

        def update(self, outcomes: list, fade: float) -> None:
            super().update(outcomes, fade)
            self.all.update(outcomes, 1.0)

    with mock.patch("daa.attacks.adaptive.Model", Recording):
        yield models


def prior(coefficients: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and variance of the coefficients of several networks. [networks, 6]."""
    variance = coefficients.var(axis=0, ddof=1).clip(0.1)
    return tuple(coefficients.mean(axis=0).round(2)), tuple(variance.round(2))


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "python -m benchmarks.prior --seeds 0 1")
    parser.add_argument("--target", nargs="+", default=TARGETS, help="folder/name")
    parser.add_argument("--images", type=options.positive, default=1000, help="the first IMAGES")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path("results/prior.json"))
    options.add_folders(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    content: dict[str, Any] = {
        "images": args.images,
        "seeds": args.seeds,
        "device": device.name(),
        "git_commit": provenance.git_commit(),
    }

    def curves(name: str, settings: AdaptiveSettings) -> list[list[float]]:
        target = targets.load_target(name, model_dir=args.model_dir)
        data = targets.load_dataset(name, data_dir=args.data_dir, images=args.images)
        config = AttackConfig("adaptive", eps=targets.row(name).eps, budget=MARKS[-1])
        plan = partial(adaptive, settings=settings)
        jobs = [Job(config, seed=seed, plan=plan) for seed in args.seeds]
        return [curve(target, data, job, MARKS) for job in jobs]

    rows = []
    for name in args.target:
        with recorded() as models:
            by_hand = curves(name, HAND)
        size = len(HAND.prior_mean)
        fitted = np.mean([model.mode[:size] for model in models], axis=0).round(3).tolist()
        rows.append({"target": name, "coefficients": fitted, "by_hand": by_hand})
        print(*rows[-1].values(), sep="  ", flush=True)
        write_json(args.out, {**content, "rows": rows})
    for row in rows:
        others = np.array([other["coefficients"] for other in rows if other is not row])
        mean, variance = prior(others)
        settings = replace(HAND, prior_mean=mean, prior_variance=variance)
        row |= {"prior_mean": mean, "prior_variance": variance}
        row["left_out"] = curves(row["target"], settings)
        print(*row.values(), sep="  ", flush=True)
        write_json(args.out, {**content, "rows": rows})
    print(args.out)


if __name__ == "__main__":
    main()
