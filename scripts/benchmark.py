"""Time attacks against the bare gradient, the machine and peers."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
from pathlib import Path

from benchmarks.contestants import NETWORKS
from benchmarks.measure import Options
from benchmarks.run import MEASUREMENTS, benchmark
from daa import targets
from daa.errors import require
from daa.reports import autoattack
from daa.runs import provenance


def main(arguments: list[str] | None = None) -> None:
    default = Options()
    parser = console.parser(__doc__, "benchmark --only steps --networks locuslab")
    parser.add_argument(
        "--only", nargs="+", choices=MEASUREMENTS, help="keep the rest of --out (default: all anew)"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=default.networks)
    parser.add_argument(
        "--batch-sizes", nargs="+", type=console.positive, default=default.batch_sizes
    )
    parser.add_argument(
        "--repeats", type=console.positive, default=default.repeats, help="rounds (default 5)"
    )
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.json"))
    parser.add_argument(
        "--peers", choices=["autoattack"], help="only time Adaptive DAA beside AutoAttack"
    )
    peers = parser.add_argument_group("with --peers")
    peers.add_argument("--target", help="folder/name")
    peers.add_argument("--images", type=console.positive, default=1000, help="the first IMAGES")
    peers.add_argument("--cores", type=console.positive, help="CPU cores (default: all)")
    peers.add_argument("--folder", type=Path, help="of results, into which the race goes")
    peers.add_argument(
        "--keep-autoattack", action="store_true", help="take its run from the folder's race"
    )
    console.add_folders(parser)
    args = parser.parse_args(arguments)
    provenance.git_commit()
    require(args.peers or not args.keep_autoattack, "--keep-autoattack", "--peers", "none")
    if args.peers:
        require(args.target, "--target", "folder/name", args.target)
        require(args.folder, "--folder", "a result folder", args.folder)
        return _race(args)
    console.start_tensorflow()
    print(benchmark(args.out, Options(args.networks, args.batch_sizes, args.repeats), args.only))


def _race(args: argparse.Namespace) -> None:
    eps = targets.row(args.target).eps
    console.start_tensorflow()
    from benchmarks.race import again, race
    from daa.plugins.cores import on_cores

    target = targets.load_target(args.target, model_dir=args.model_dir)
    data = targets.load_dataset(args.target, data_dir=args.data_dir, images=args.images)
    args.folder.mkdir(parents=True, exist_ok=True)
    with on_cores(args.cores):
        if args.keep_autoattack:
            found = again(target, data, eps, args.folder)
        else:
            from daa.plugins.autoattack import attack

            found = race(target, data, eps, attack)
    path = autoattack.add(args.folder, found)
    print(path.read_text(encoding="utf-8"))
