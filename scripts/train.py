"""Train a network against PGD; an interrupted training goes on where it was."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from pathlib import Path

from daa.training import training
from daa.training.recipe import load


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "train train_own_mnist --out own.npz")
    parser.add_argument("config", help="YAML file, or the name of one, as train_mnist")
    console.add_folders(parser, models=False)
    parser.add_argument(
        "--out", type=Path, help="weights: NAME.npz, or the prefix of a TF1 checkpoint"
    )
    console.add_quiet(parser)
    args = parser.parse_args(arguments)
    console.start_tensorflow()
    path = console.find_config(args.config)
    recipe = load(path)
    done = training.train(recipe, out=args.out, data_dir=args.data_dir, progress=not args.quiet)
    print(
        f"{done.path}: {done.data}, {done.images:,} images: clean {100 * done.clean:.2f} %, "
        f"{training.EVALUATION_STEPS}-step PGD {100 * done.robust:.2f} %"
    )
