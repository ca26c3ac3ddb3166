"""Reproduce the whole paper and write a report with a verdict for each of its numbers."""

import functools
from pathlib import Path

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "paper --only mnist,fmnist --hours 8")
    options.add_folders(parser)
    parser.add_argument("--only", help="comma-separated subset of mnist,fmnist,cifar10,imagenet")
    parser.add_argument("--hours", type=float, help="time limit; the same command continues")
    parser.add_argument("--images", type=options.positive, help="limit per data set")
    parser.add_argument("--restarts", type=options.positive, help="limit per run")
    parser.add_argument("--surrogates", action="store_true", help="replace missing networks")
    options.add_engine(parser)
    parser.add_argument("--out", type=Path, help="default: results/paper[_surrogates]")
    args = parser.parse_args(arguments)
    here = options.check_engine(args)
    options.start_tensorflow(args.device)
    from daa import targets
    from daa.paper import plan, reproduce

    name = "paper_surrogates" if args.surrogates else "paper"
    load = functools.partial(targets.loader, model_dir=args.model_dir)
    same = ("data_dir", "model_dir", "precision", "images", "restarts")
    reproduce.reproduce(
        plan.Options(
            out=args.out or options.results_folder(Path("results") / name),
            only=tuple(args.only.split(",")) if args.only else (),
            substitutes=args.surrogates,
            here=here,
            **{name: getattr(args, name) for name in same},
        ),
        hours=args.hours,
        engines=lambda network: options.engine(
            args, load(network.target.name), network.check.weights_sha256, network.data
        ),
        jit=options.jit(args),
        log=functools.partial(print, flush=True),
    )
