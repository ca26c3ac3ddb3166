"""Predicted against seen: how many more images break when Adaptive DAA's budget doubles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from daa import targets
from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import worst_case
from daa.cli import options
from daa.cli.main import command
from daa.evaluation.report import most_broken
from daa.reports import style
from daa.runs import config, device, provenance
from daa.runs.records import write_json
from daa.target import Target

BUDGETS = (12.0, 25.0, 50.0, 75.0)
COLOURS = ("vermillion", "blue", "green", "sky", "orange", "purple", "wine")
FIGURE = config.FOLDER.parent / "docs" / "forecast.png"


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "python -m benchmarks.forecast --target fmnist/surrogate")
    parser.add_argument("--target", nargs="*", default=[], help="folder/name; none: only draw")
    parser.add_argument("--images", type=options.positive, default=1000, help="per slice")
    parser.add_argument("--skip", type=int, nargs="+", default=[0, 5000], help="first images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=config.RESULTS / "forecast.json")
    options.add_folders(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    content: dict[str, Any] = {"device": device.name(), "git_commit": provenance.git_commit()}
    rows = []
    if args.out.exists():
        old = json.loads(args.out.read_text(encoding="utf-8"))
        rows = [row for row in old.pop("rows") if row["target"] not in args.target]
        content = content if args.target else old
    for name in args.target:
        target = targets.load_target(name, model_dir=args.model_dir)
        data = targets.load_dataset(name, data_dir=args.data_dir)
        for skip in args.skip:
            x, y = (part[skip : skip + args.images] for part in (data.x, data.y))
            for seed in args.seeds:
                about = {"target": name, "weights_sha256": target.weights_sha256}
                about |= {"skip": skip, "images": len(x), "seed": seed}
                for row in forecasts(target, targets.row(name).eps, x, y, seed):
                    rows.append({**about, **row})
                    print(*rows[-1].values(), sep="  ", flush=True)
                write_json(args.out, {**content, "rows": rows})
    inside = sum(row["seen"] <= most_broken(row["predicted"]) for row in rows)
    print(f"{inside} of {len(rows)} numbers lie in their 95 % interval")
    print(f"predicted {sum(r['predicted'] for r in rows):.0f}, seen {sum(r['seen'] for r in rows)}")
    print(style.save(draw(rows), FIGURE))


def forecasts(
    target: Target, eps: float, x: np.ndarray, y: np.ndarray, seed: int
) -> Iterator[dict[str, Any]]:
    """Predicted and seen number of broken images for each budget."""
    attack = AttackConfig("adaptive", eps=eps, budget=2 * BUDGETS[-1])
    last = worst_case(target, attack, x, y, seed=seed)
    robust = np.rint(len(x) * last.robust_accuracy)

    def after(gradients: float) -> int:
        return int(robust[last.gradients_after <= gradients][-1])

    for budget in BUDGETS:
        report = worst_case(target, attack.replace(budget=budget), x, y, seed=seed)
        spent = float(report.gradients_after[-1])
        seen = after(spent) - after(2 * spent)
        assert report.predicted is not None
        predicted = round(report.predicted, 3)
        yield {"gradients": round(spent, 1), "predicted": predicted, "seen": seen}


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Seen against predicted numbers of broken images, with the 95 % interval."""
    with style.look():
        figure = Figure(figsize=(8, 4), layout="constrained")
        axis = figure.subplots()
        expected = np.geomspace(0.01, 100, 200)
        most = [most_broken(value) for value in expected]
        axis.fill_between(
            expected, 0, most, color=style.light("grey"), alpha=0.2, linewidth=0, step="mid",
            label="95 % interval",
        )  # fmt: skip
        axis.plot(expected, expected, color=style.light("ink"), linewidth=1, label="equal numbers")
        names = dict.fromkeys(row["target"] for row in rows)
        for name, colour in zip(names, COLOURS, strict=False):
            own = [(row["predicted"], row["seen"]) for row in rows if row["target"] == name]
            predicted, seen = zip(*own, strict=True)
            axis.plot(predicted, seen, "o", markersize=4, color=style.light(colour), label=name)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_yscale("symlog", linthresh=1)
        axis.set(xlim=(0, 100), xlabel="predicted number of further broken images")
        axis.set(ylim=(-0.2, 300), ylabel="broken with twice the gradients")
        figure.legend(loc="outside right upper", frameon=False, fontsize=style.SMALL)
        return figure


if __name__ == "__main__":
    main()
