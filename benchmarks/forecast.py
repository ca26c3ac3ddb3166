"""Predicted against seen: how many more images break when Adaptive DAA's budget doubles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daa import targets
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import worst_case
from daa.cli import options
from daa.cli.main import command
from daa.runs import device, provenance
from daa.runs.records import write_json

BUDGETS = (25.0, 50.0, 75.0)


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "python -m benchmarks.forecast --target fmnist/surrogate")
    parser.add_argument("--target", required=True, nargs="+", help="folder/name")
    parser.add_argument("--images", type=options.positive, default=1000, help="per slice")
    parser.add_argument("--skip", type=int, nargs="+", default=[0, 5000], help="first images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("results/forecast.json"))
    options.add_folders(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    rows = []
    for name in args.target:
        target = targets.load_target(name, model_dir=args.model_dir)
        data = targets.load_dataset(name, data_dir=args.data_dir)
        for skip in args.skip:
            x, y = (part[skip : skip + args.images] for part in (data.x, data.y))
            for seed in args.seeds:
                about = {"target": name, "weights_sha256": target.weights_sha256}
                about |= {"skip": skip, "images": len(x), "seed": seed}
                for row in _rows(target, targets.row(name).eps, x, y, seed):
                    rows.append({**about, **row})
                    print(*rows[-1].values(), sep="  ", flush=True)
                content = {"device": device.name(), "git_commit": provenance.git_commit()}
                write_json(args.out, {**content, "rows": rows})
    print(args.out)


def _rows(target, eps: float, x: np.ndarray, y: np.ndarray, seed: int) -> list[dict]:
    """Predicted and seen number of broken images for each budget."""

    def run(budget: float):
        config = AttackConfig("adaptive", eps=eps, budget=budget)
        return worst_case(target, config, x, y, seed=seed)

    last = run(2 * BUDGETS[-1])
    robust = np.rint(len(x) * last.robust_accuracy)

    def after(gradients: float) -> int:
        return int(robust[last.gradients_after <= gradients][-1])

    rows = []
    for budget in BUDGETS:
        report = run(budget)
        spent = float(report.gradients_after[-1])
        seen = after(spent) - after(2 * spent)
        rows.append({"gradients": round(spent, 1), "predicted": report.predicted, "seen": seen})
    return rows


if __name__ == "__main__":
    main()
