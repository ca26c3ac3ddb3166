"""Attack a classifier, print its robust accuracy and check that the attack can be trusted."""

from pathlib import Path

from daa.attacks.methods import METHODS
from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> None:
    example = "evaluate model.keras --data cifar10 --eps 8/255 --bounds 0 255"
    parser = options.parser(__doc__, example)
    sources = "a .keras file, SavedModel folder, package.module:function or target"
    parser.add_argument("model", metavar="MODEL", help=sources)
    sources = "mnist, fashion_mnist, cifar10, .npz file with x and y, or folder with labels.csv"
    parser.add_argument("--data", help=f"{sources} (default: of the target)")
    text = "radius for images in [0, 1], as 8/255 (default: of the target)"
    parser.add_argument("--eps", help=text)
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--budget", type=float, help="mean gradients per image (default 150)")
    limit.add_argument("--minutes", type=float, help="time limit of the method adaptive")
    parser.add_argument("--method", choices=METHODS, default="adaptive")
    parser.add_argument("--images", type=options.positive, help="attack the first IMAGES")
    parser.add_argument("--seed", type=options.integer, default=0)
    bounds = ("LOW", "HIGH")
    parser.add_argument("--bounds", nargs=2, type=float, metavar=bounds, help="pixels of MODEL")
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    parser.add_argument("--signature", help="signature of a SavedModel")
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

    names = ["eps", "budget", "minutes", "images", "seed", "bounds", "data_format", "signature"]
    values = {name: getattr(args, name) for name in names}
    changed = [f"{name}{v}" for name, v in values.items() if v != parser.get_default(name)]
    out = args.out or folder_of(args.model, args.data, args.method, *changed)
    verdict = evaluate(
        args.model,
        args.data,
        method=args.method,
        out=out,
        force=args.force,
        progress=not args.quiet,
        data_dir=args.data_dir,
        model_dir=args.model_dir,
        **values,
    )
    print(verdict)
    say = options.say(args.quiet)
    say(f"  written          {out}: evaluation.json, index.html, record, table, figures")
