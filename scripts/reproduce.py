"""Run an experiment; write its records, tables and figures."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
import math
import time
from pathlib import Path
from typing import get_args

from daa.errors import InputError
from daa.reports.publish import publish
from daa.runs import device, provenance
from daa.runs.prepare import Prepared, prepare
from daa.runs.ray import on_ray
from daa.runs.run import run
from daa.target import Precision


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "reproduce quickstart --minutes 1")
    parser.add_argument("config", help="YAML file, or the name of one, as robust_mnist")
    add_options(parser)
    args = parser.parse_args(arguments)
    print(reproduce(args)[1])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what a user may say about a run."""
    console.add_folders(parser)
    console.add_targets(parser)
    parser.add_argument("--target", help="instead of the config's, as madry_mnist/surrogate")
    parser.add_argument("--precision", choices=get_args(Precision), help="of the gradients")
    parser.add_argument("--images", type=console.positive, help="attack only the first IMAGES")
    parser.add_argument("--restarts", type=console.positive, help="instead of the config's")
    parser.add_argument("--seed", type=console.whole, help="instead of the config's")
    parser.add_argument(
        "--minutes", type=float, help="stop after the unit in which they end; goes on when repeated"
    )
    console.add_engine(parser)
    parser.add_argument("--out", type=Path, default=Path("results"), help="default: results")
    parser.add_argument("--force", action="store_true", help="start anew; overwrite results")
    console.add_quiet(parser)


def reproduce(args: argparse.Namespace) -> tuple[Prepared, str]:
    """Runs an experiment; returns it, and its table with the names of what was written."""
    if args.engine == "local" and args.address is not None:
        raise InputError(f"--address: expected it with --engine ray alone, got {args.address!r}")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError(f"--minutes: must be above 0, got {args.minutes:g}")
    # Asked for now, as a commit made during the run is not the code that runs.
    provenance.git_commit()
    console.start_tensorflow()
    device.use(args.device)
    names = ("target", "precision", "images", "restarts", "seed", "data_dir", "model_dir")
    options = {name: getattr(args, name) for name in names}
    here = args.engine == "local" or not args.address
    ready = prepare(console.find_config(args.config), args.out, here=here, **options)
    jit = {"auto": None, "on": True, "off": False}[args.jit]
    engine = None
    if args.engine == "ray":
        data, sha256 = ready.data, ready.target.weights_sha256
        ray = {"jit": jit, "address": args.address, "cpus_per_unit": args.cpus_per_unit}
        engine = on_ray(ready.load, sha256, data.x, data.y, **ray)
    finished = run(
        ready.experiment,
        ready.target,
        ready.data,
        folder=ready.folder,
        about=ready.about,
        engine=engine,
        jit=jit,
        force=args.force,
        end=math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes,
        progress=not args.quiet,
        say=console.say(args.quiet),
    )
    done = sum(1 for _ in finished)
    return ready, publish(ready.folder, ready.data) if done else ""
