"""Attack any classifier, say how robust it is and whether the number can be trusted."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
from pathlib import Path

from daa.attacks.methods import METHODS


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    console.start_tensorflow()
    from daa.evaluation import report as verdict
    from daa.evaluation.evaluate import evaluate
    from daa.runs import device

    device.use(args.device)
    out = args.out or verdict.folder_of(args.model, args.data, args.method, f"eps{args.eps}")
    found = evaluate(
        args.model,
        args.data,
        eps=args.eps,
        method=args.method,
        budget=args.budget,
        minutes=args.minutes,
        images=args.images,
        seed=args.seed,
        bounds=tuple(args.bounds) if args.bounds else None,
        data_format=args.data_format,
        signature=args.signature,
        data_dir=args.data_dir,
        model_dir=args.model_dir,
        out=out,
        force=args.force,
        progress=not args.quiet,
    )
    print(found)
    say = console.say(args.quiet)
    say(f"  written          {out}: evaluation.json, index.html, record, table, figures")


def parser() -> argparse.ArgumentParser:
    parser = console.parser(
        __doc__, "evaluate model.keras --data cifar10 --eps 8/255 --bounds 0 255"
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a .keras file, SavedModel folder, package.module:function, or one of --list-targets",
    )
    parser.add_argument(
        "--data",
        help="mnist, fashion_mnist, cifar10, an .npz file with x and y, or a folder of images with "
        "labels.csv; one of --list-targets has its own",
    )
    parser.add_argument("--eps", required=True, help="radius for images in [0, 1], as 8/255")
    spent = parser.add_mutually_exclusive_group()
    spent.add_argument("--budget", type=float, help="mean gradients per image (default 150)")
    minutes = "end with the round in which they are over (adaptive; the others make one run)"
    spent.add_argument("--minutes", type=float, help=minutes)
    parser.add_argument("--method", choices=METHODS, default="adaptive")
    parser.add_argument("--images", type=console.positive, help="only the first IMAGES")
    parser.add_argument("--seed", type=console.whole, default=0)
    parser.add_argument(
        "--bounds", nargs=2, type=float, metavar=("LOW", "HIGH"), help="pixels that MODEL takes"
    )
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    parser.add_argument("--signature", help="of a SavedModel")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--out", type=Path, help="folder (default: evaluations/NAME)")
    parser.add_argument("--force", action="store_true", help="start anew; overwrite results")
    console.add_folders(parser)
    console.add_targets(parser)
    console.add_quiet(parser)
    return parser
