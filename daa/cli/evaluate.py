"""Attack a classifier, print its robust accuracy and check that the attack can be trusted."""

import argparse
import inspect
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from daa.attacks.balls import BALLS
from daa.attacks.methods import METHODS
from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError

# Options of an evaluation that decide its result; more restarts and more minutes extend it.
_DECIDE = (
    *("norm", "budget", "minutes", "images", "seed", "steps"),
    *("bounds", "data_format", "signature", "output", "mean", "std"),
)
_METHOD = ("targeted", "o")
MODEL = "a .keras or TorchScript file, SavedModel folder, package.module:function or target"


@command
def main(arguments: list[str] | None = None) -> None:
    example = "evaluate model.keras --data cifar10 --eps 8/255 --bounds 0 255"
    parser = options.parser(__doc__, example)
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    add_arguments(parser, "several times for a curve")
    args = parser.parse_args(arguments)
    options.start_tensorflow(args.device)
    from daa.evaluation import several

    radii = args.eps or [None]
    calls = [call(args, args.model, eps, len(radii) > 1) for eps in radii]
    if len(radii) == 1:
        evaluate(args, calls[0])
        return
    folder = folder_of(args, [args.model], "-".join(radii))
    experiment = several.of_radii(calls, folder, args.force)
    print(several.curve(experiment, [evaluate(args, one) for one in calls], folder))


def add_arguments(parser: argparse.ArgumentParser, more_eps: str) -> None:
    """Adds the options of an evaluation."""
    sources = "mnist, fashion_mnist, cifar10, .npz file with x and y, or folder with labels.csv"
    parser.add_argument("--data", help=f"{sources} (default: data set of the target)")
    text = f"radius for images in [0, 1], as 8/255 (default: radius of the target); {more_eps}"
    parser.add_argument("--eps", action="append", help=text)
    parser.add_argument("--norm", choices=BALLS, help="default: norm of the target")
    limit = parser.add_mutually_exclusive_group()
    text = "mean gradients per image (default: auto; adaptive stops when it expects few more)"
    limit.add_argument("--budget", type=options.budget, help=text)
    limit.add_argument("--minutes", type=float, help="time limit of the method adaptive")
    parser.add_argument("--method", choices=METHODS, default="adaptive")
    parser.add_argument(
        "--steps", type=options.positive, help="steps of a run; with --budget, of each restart"
    )
    text = "number of restarts, each with the full budget"
    parser.add_argument("--restarts", type=options.positive, default=1, help=text)
    text = "attack towards the least likely class"
    parser.add_argument("--targeted", choices=("least_likely",), help=text)
    text = "further option of the method, such as c=2"
    parser.add_argument("-o", action="append", default=[], metavar="NAME=VALUE", help=text)
    parser.add_argument("--images", type=options.positive, help="attack the first IMAGES")
    parser.add_argument("--seed", type=options.integer, default=0)
    bounds = ("LOW", "HIGH")
    parser.add_argument("--bounds", nargs=2, type=float, metavar=bounds, help="pixels of MODEL")
    parser.add_argument("--data-format", choices=("channels_last", "channels_first"))
    parser.add_argument("--signature", help="signature of a SavedModel")
    parser.add_argument("--output", help="name or number of the output, if MODEL has several")
    for name in ("mean", "std"):
        about = f"{name} for the normalisation of MODEL's input, one number or one per channel"
        parser.add_argument(f"--{name}", nargs="+", type=float, metavar="VALUE", help=about)
    options.add_device(parser)
    parser.add_argument("--out", type=Path, help="folder (default: evaluations/NAME)")
    parser.add_argument("--force", action="store_true", help="start again; overwrite results")
    options.add_folders(parser)
    options.add_targets(parser)
    options.add_quiet(parser)


def call(args: argparse.Namespace, model: str, eps: str | None, several: bool) -> dict[str, Any]:
    """Arguments of `daa.evaluate`; for `several` see `folder_of`."""
    from daa.evaluation.evaluate import evaluate

    values = {name: getattr(args, name) for name in _DECIDE}
    more = dict(map(_option, args.o))
    usual = [name for name in more if name in inspect.signature(evaluate).parameters]
    if usual:
        raise InputError(f"-o {usual[0]}: is no option of a method; --help lists the other options")
    more |= {"targeted": args.targeted} if args.targeted else {}
    values |= {"model": model, "x": args.data, "eps": eps, "progress": not args.quiet}
    values |= {"out": folder_of(args, [model], eps, several)}
    same = ("method", "restarts", "force", "data_dir", "model_dir")
    return values | {name: getattr(args, name) for name in same} | more


def evaluate(args: argparse.Namespace, values: dict[str, Any]) -> Any:
    """Evaluates a model and prints the result; `values` are those of `call`."""
    from daa.evaluation.evaluate import evaluate

    out, say = values["out"], options.say(args.quiet)
    others = () if out.exists() else sorted(out.parent.glob("*/"))
    if similar := [other.name for other in others if _any_size(other) == _any_size(out)]:
        say(f"{', '.join(similar)}: the same attack with other images or another budget;")
        say("the choices of an attack depend on both, so this run starts anew")
    evaluation = evaluate(**values)
    print(evaluation)
    say(f"  written          {out}: evaluation.json, index.html, record, table, figures")
    return evaluation


def folder_of(
    args: argparse.Namespace, models: list[str], eps: str | None, several: bool = False
) -> Path:
    """The folder in `--out`, or one whose name has all options that decide the result.

    Each of `several` evaluations has such a name in the folder `--out`.
    """
    from daa.evaluation.report import folder_of

    if args.out and not several:
        return args.out
    values = {"eps": eps} | {name: getattr(args, name) for name in (*_DECIDE, *_METHOD)}
    values["minutes"] = args.minutes and "-limit"
    changed = [f"{name}{value}" for name, value in values.items() if value]  # not the defaults
    folder = folder_of(*models, args.data, args.method, *changed)
    return args.out / folder.name if args.out else folder


def _any_size(folder: Path) -> str:
    """The name of a folder without the number of images and the budget."""
    return re.sub(r"-(images\d+|budget[\d.]+)(?=-|$)", "", folder.name)


def _option(text: str) -> tuple[str, Any]:
    """Name and value of an option NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise InputError(f"-o {text}: must be NAME=VALUE, such as c=2")
    for kind in (int, options.radius):
        with suppress(ValueError):
            return name, kind(value)
    return name, {"true": True, "false": False}.get(value, value)
