"""Evaluate several classifiers on the same images and compare them on one page."""

from daa.cli import evaluate, options
from daa.cli.main import command
from daa.errors import InputError


@command
def main(arguments: list[str] | None = None) -> None:
    example = "compare a.keras b.keras --data cifar10 --eps 8/255"
    parser = options.parser(__doc__, example)
    parser.add_argument("models", nargs="+", metavar="MODEL", help=evaluate.MODEL)
    evaluate.add_arguments(parser, "the same for all models")
    args = parser.parse_args(arguments)
    models = list(dict.fromkeys(args.models))
    if len(models) < 2:
        raise InputError("compare: needs at least two different models")
    eps = args.eps or []
    if len(eps) != 1:
        raise InputError(f"--eps: compare needs one radius for all models, got {len(eps)}")
    options.start_tensorflow(args.device)
    from daa.evaluation import several

    out = evaluate.folder_of(args, ["compare", *models], eps[0])
    calls = [evaluate.call(args, model, eps[0], True) for model in models]
    several.require_same_images(calls, out)
    evaluations = [evaluate.evaluate(args, one) for one in calls]
    print(several.side_by_side(evaluations, [one["out"] for one in calls], out))
