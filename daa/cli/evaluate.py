"""Attack a classifier, print its robust accuracy and check that the attack can be trusted."""

from pathlib import Path

from daa.attacks.methods import METHODS
from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    example = "evaluate model.keras --data cifar10 --eps 8/255 --bounds 0 255"
    parser = options.parser(__doc__, example)
    sources = "a .keras or TorchScript file, SavedModel folder, package.module:function or target"
    parser.add_argument("model", metavar="MODEL", help=sources)
    sources = "mnist, fashion_mnist, cifar10, .npz file with x and y, or folder with labels.csv"
    parser.add_argument("--data", help=f"{sources} (default: of the target)")
    parser.add_argument("--eps", required=True, help="radius for images in [0, 1], as 8/255")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--budget", type=float, help="mean gradients per image (default 150)")
    limit.add_argument("--minutes", type=float, help="time limit of the method adaptive")
    parser.add_argument("--method", choices=METHODS, default="adaptive")
    parser.add_argument("--steps", type=options.positive, help="per restart, within the budget")
    parser.add_argument("--images", type=options.positive, help="attack the first IMAGES")
    parser.add_argument("--seed", type=options.integer, default=0)
    bounds = ("LOW", "HIGH")
    parser.add_argument("--bounds", nargs=2, type=float, metavar=bounds, help="pixels of MODEL")
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    parser.add_argument("--signature", help="signature of a SavedModel")
    parser.add_argument("--output", help="name or number of the output, if MODEL has several")
    for name in ("mean", "std"):
        about = f"{name} of the pixels that MODEL is normalised with, one number or one per channel"
        parser.add_argument(f"--{name}", nargs="+", type=float, metavar="VALUE", help=about)
    options.add_device(parser)
    parser.add_argument("--out", type=Path, help="folder (default: evaluations/NAME)")
    parser.add_argument("--force", action="store_true", help="start again; overwrite results")
    options.add_folders(parser)
    options.add_targets(parser)
    options.add_quiet(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow(args.device)
    from daa.evaluation.evaluate import evaluate
    from daa.evaluation.report import folder_of

    out = args.out or folder_of(args.model, args.data, args.method, f"eps{args.eps}")
    same = ["eps", "method", "budget", "minutes", "images", "seed", "data_format", "signature"]
    same += ["output", "mean", "std", "data_dir", "model_dir", "force", "steps"]
    verdict = evaluate(
        args.model,
        args.data,
        bounds=tuple(args.bounds) if args.bounds else None,
        out=out,
        progress=not args.quiet,
        **{name: getattr(args, name) for name in same},
    )
    print(verdict)
    say = options.say(args.quiet)
    say(f"  written          {out}: evaluation.json, index.html, record, table, figures")
