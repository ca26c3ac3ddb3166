"""Train a network adversarially."""

from pathlib import Path

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "train train_own_mnist --out own.npz")
    parser.add_argument("config", help="YAML file, or the name of a config such as train_mnist")
    options.add_folders(parser, models=False)
    parser.add_argument("--out", type=Path, help="NAME.npz, or the prefix of a TF1 checkpoint")
    options.add_quiet(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    from daa.training import recipe, training

    plan = recipe.load(options.find_config(args.config))
    done = training.train(plan, out=args.out, data_dir=args.data_dir, progress=not args.quiet)
    print(
        f"{done.path}: {done.data}, {done.images:,} images: clean {100 * done.clean:.2f} %, "
        f"{training.EVALUATION_STEPS}-step PGD {100 * done.robust:.2f} %"
    )
