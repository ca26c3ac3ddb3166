"""Reproduce the whole paper and say what was reproduced."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
import functools
from pathlib import Path
from typing import get_args

from daa.attacks.worst_case import Engine
from daa.errors import require
from daa.target import Precision


def main(arguments: list[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    alone = args.engine == "ray" or args.address is None
    require(alone, "--address", "it with --engine ray alone", args.address)
    if args.rehearse:
        defaults = vars(parser().parse_args([]))
        beside = {k for k, value in vars(args).items() if value != defaults[k]}
        unread = sorted(beside - {"rehearse", "only", "device", "data_dir", "out"})
        require(not unread, "--rehearse", "--only, --device, --data-dir, --out alone", unread)
    from daa.runs import provenance

    # Asked for now, as a commit made during the run is not the code that runs.
    provenance.git_commit()
    console.start_tensorflow()
    from daa.paper import plan, rehearsal
    from daa.paper import reproduce as whole
    from daa.paper.networks import Network
    from daa.runs import device
    from daa.runs.ray import on_ray

    only = tuple(args.only.split(",")) if args.only else ()
    say = functools.partial(print, flush=True)  # the lines of a long run are read as they come
    if args.rehearse:
        sound = rehearsal.rehearse(args.device, only, args.out, args.data_dir, say=say)
        return 0 if sound else 1
    device.use(args.device)
    options = plan.Options(
        out=args.out or Path("results") / ("paper_surrogates" if args.surrogates else "paper"),
        data_dir=args.data_dir,
        model_dir=args.model_dir,
        only=only,
        precision=args.precision,
        images=args.images,
        restarts=args.restarts,
        stand_ins=args.surrogates,
        here=args.engine == "local" or not args.address,
    )
    jit = {"auto": None, "on": True, "off": False}[args.jit]

    def engines(network: Network) -> Engine | None:
        if args.engine == "local":
            return None
        how = {"jit": jit, "address": args.address, "cpus_per_unit": args.cpus_per_unit}
        return on_ray(network.load, network.sha256, network.data.x, network.data.y, **how)

    whole.reproduce(options, hours=args.hours, engines=engines, jit=jit, say=say)
    return 0


def parser() -> argparse.ArgumentParser:
    parser = console.parser(__doc__, "paper --only mnist,fmnist --hours 8")
    console.add_folders(parser)
    parser.add_argument("--only", help="parts of the paper: mnist,fmnist,cifar10,imagenet")
    parser.add_argument("--hours", type=float, help="stop after the unit in which they are over")
    parser.add_argument("--precision", choices=get_args(Precision), help="of the gradients")
    parser.add_argument("--images", type=console.positive, help="at most so many of each data set")
    parser.add_argument("--restarts", type=console.positive, help="at most so many of each cell")
    parser.add_argument("--surrogates", action="store_true", help="in place of missing weights")
    parser.add_argument("--rehearse", action="store_true", help="on random weights, in minutes")
    console.add_engine(parser)
    parser.add_argument("--out", type=Path, help="default: results/paper[_surrogates]")
    return parser
