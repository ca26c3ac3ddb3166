"""Time attacks against the bare gradient, the machine and peers."""

from __future__ import annotations

from pathlib import Path

from daa.experiments import console, provenance
from daa.experiments.benchmark.contestants import NETWORKS
from daa.experiments.benchmark.measure import Options
from daa.experiments.benchmark.run import MEASUREMENTS, benchmark


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
    args = parser.parse_args(arguments)
    provenance.git_commit()
    console.start_tensorflow()
    print(benchmark(args.out, Options(args.networks, args.batch_sizes, args.repeats), args.only))


if __name__ == "__main__":
    raise SystemExit(console.run(main))
