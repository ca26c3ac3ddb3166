"""Reproduce the whole paper and write a report with a verdict for each of its numbers."""

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
    used = args.engine == "ray" or args.address is None
    require(used, "--address", "--engine ray with it", args.address)
    console.start_tensorflow()
    from daa.runs import provenance

    provenance.git_commit()  # cached now, because a later commit is not the code that runs
    from daa import targets
    from daa.paper.networks import Network
    from daa.paper.plan import Options
    from daa.paper.reproduce import reproduce
    from daa.runs import device
    from daa.runs.ray import on_ray

    device.use(args.device)
    options = Options(
        out=args.out or Path("results") / ("paper_surrogates" if args.surrogates else "paper"),
        data_dir=args.data_dir,
        model_dir=args.model_dir,
        only=tuple(args.only.split(",")) if args.only else (),
        precision=args.precision,
        images=args.images,
        restarts=args.restarts,
        substitutes=args.surrogates,
        here=args.engine == "local" or not args.address,
    )
    jit = {"auto": None, "on": True, "off": False}[args.jit]

    def engines(network: Network) -> Engine | None:
        if args.engine == "local":
            return None
        how = {"jit": jit, "address": args.address, "cpus_per_unit": args.cpus_per_unit}
        load, data = targets.loader(network.reference, args.model_dir), network.data
        return on_ray(load, network.sha256, data.x, data.y, **how)

    log = functools.partial(print, flush=True)  # the log of a long run is read while it runs
    reproduce(options, hours=args.hours, engines=engines, jit=jit, log=log)
    return 0


def parser() -> argparse.ArgumentParser:
    parser = console.parser(__doc__, "paper --only mnist,fmnist --hours 8")
    console.add_folders(parser)
    parser.add_argument("--only", help="some data sets of mnist,fmnist,cifar10,imagenet")
    parser.add_argument("--hours", type=float, help="stop after the restart in which they end")
    parser.add_argument("--precision", choices=get_args(Precision), help="of the gradients")
    parser.add_argument("--images", type=console.positive, help="at most so many per data set")
    parser.add_argument("--restarts", type=console.positive, help="at most so many per run")
    parser.add_argument(
        "--surrogates", action="store_true", help="substitute networks for missing weights"
    )
    console.add_engine(parser)
    parser.add_argument("--out", type=Path, help="default: results/paper[_surrogates]")
    return parser
