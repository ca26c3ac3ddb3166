"""Run an experiment and write its tables and figures."""

import argparse
import math
import time
from pathlib import Path

from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "reproduce quickstart --minutes 1")
    parser.add_argument("config", help="YAML file, or the name of a config such as robust_mnist")
    add_arguments(parser)
    _, text = reproduce(parser.parse_args(arguments))
    print(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_folders(parser)
    options.add_targets(parser)
    parser.add_argument("--target", help="attack this target, such as madry_mnist/surrogate")
    parser.add_argument("--images", type=options.positive, help="attack the first IMAGES")
    parser.add_argument("--restarts", type=options.positive, help="default: from the config")
    parser.add_argument("--seed", type=options.integer, help="default: from the config")
    parser.add_argument("--minutes", type=float, help="time limit; the same command continues")
    options.add_engine(parser)
    parser.add_argument("--out", type=Path, help="default: results")
    parser.add_argument("--force", action="store_true", help="start again; overwrite results")
    options.add_quiet(parser)


def reproduce(args: argparse.Namespace) -> tuple[Path, str]:
    """Runs an experiment; returns the folder of the results and the text to print."""
    here = options.check_engine(args)
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes: must be above 0, got {args.minutes:g}")
    from daa.reports.publish import publish
    from daa.runs.prepare import prepare
    from daa.runs.run import run

    options.start_tensorflow(args.device)
    names = ("target", "precision", "images", "restarts", "seed", "data_dir", "model_dir")
    changes = {name: getattr(args, name) for name in names}
    out = args.out or Path("results")
    ready = prepare(options.find_config(args.config), out, here=here, **changes)
    say = options.say(args.quiet)
    folder = ready.folder if args.out else options.results_folder(ready.folder, say)
    finished = run(
        ready.experiment,
        ready.target,
        ready.data,
        folder=folder,
        about=ready.about,
        engine=options.engine(args, ready.load, ready.target.weights_sha256, ready.data),
        jit=options.jit(args),
        force=args.force,
        end=math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes,
        progress=not args.quiet,
        say=say,
    )
    any_finished = sum(1 for _ in finished) > 0
    return folder, publish(folder, ready.data) if any_finished else ""
