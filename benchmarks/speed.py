"""Compare the speed of attacks with the bare gradient, the machine and other libraries."""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import growth, race, report
from benchmarks.cases import NETWORKS, Cases, attacks_of, minibatch, parts_of, steps_of, target
from benchmarks.cores import on_cores
from daa.attacks.losses import xent
from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError
from daa.runs import device, provenance, records
from daa.target import gradient_of
from daa.tensorflow import tf


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "benchmark --only steps --networks locuslab")
    parser.add_argument(
        "--only", nargs="+", choices=MEASUREMENTS, help="keep the other parts of --out"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    sizes = [100, 200, 1000]
    parser.add_argument("--batch-sizes", nargs="+", type=options.positive, default=sizes)
    parser.add_argument("--repeats", type=options.positive, default=5, help="rounds (default 5)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.json"))
    parser.add_argument(
        "--peers", choices=["autoattack"], help="only compare Adaptive DAA with AutoAttack"
    )
    peers = parser.add_argument_group("with --peers")
    peers.add_argument("--target", help="folder/name")
    peers.add_argument("--images", type=options.positive, default=1000, help="the first IMAGES")
    peers.add_argument("--budget", type=float, default=400.0, help="of Adaptive DAA")
    peers.add_argument("--cores", type=options.positive, help="CPU cores (default: all)")
    peers.add_argument("--folder", type=Path, help="result folder of the comparison")
    peers.add_argument(
        "--keep-autoattack", action="store_true", help="keep the AutoAttack run of the folder"
    )
    options.add_folders(parser)
    args = parser.parse_args(arguments)
    provenance.git_commit()  # a commit made during the run is not the code that runs
    if args.peers:
        _race(args)
        return
    if args.keep_autoattack:
        raise InputError("--keep-autoattack: needs --peers autoattack")
    options.start_tensorflow()
    print(benchmark(args))


def _race(args: argparse.Namespace) -> None:
    from daa import targets

    for name in ("target", "folder"):
        if getattr(args, name) is None:
            raise InputError(f"--peers: needs --{name}")
    eps = targets.row(args.target).eps
    ball_and_budget = {"norm": targets.row(args.target).norm, "budget": args.budget}
    options.start_tensorflow()
    attacked = targets.load_target(args.target, model_dir=args.model_dir)
    data = targets.load_dataset(args.target, data_dir=args.data_dir, images=args.images)
    args.folder.mkdir(parents=True, exist_ok=True)
    with on_cores(args.cores):
        if args.keep_autoattack:
            result = race.again(attacked, data, eps, args.folder, **ball_and_budget)
        else:
            from daa.plugins.autoattack import attack

            result = race.race(attacked, data, eps, attack, **ball_and_budget)
    print(race.add(args.folder, result).read_text(encoding="utf-8"))


def benchmark(args: argparse.Namespace) -> str:
    """Measures, and writes the JSON file, the tables and the figure; returns the tables.

    Raises:
        InputError: `args.out` is not a benchmark's file, or tables of the same name exist without
            it; other files are never overwritten.
    """
    content = report.replaceable(args.out)
    about = {
        "device": device.name(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
    }
    content = content if args.only else {}
    measured = content.setdefault("measured", {})
    for part in args.only or MEASUREMENTS:
        # New networks or axes replace earlier measurements of the same name.
        rows = MEASUREMENTS[part](args)
        content[part] = content.get(part, {}) | rows
        measured[part] = measured.get(part, {}) | dict.fromkeys(rows, about)
        records.write_json(args.out, {"schema": records.SCHEMA, **content})
    return report.write(content, args.out)


def measure(make: Callable[[], Cases], repeats: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds per step of each case in each round; the cases alternate.

    Each round compiles the cases again: the memory address of a graph's constants changes its time
    by up to 15 %, as long as the graph lives. An untimed call precedes each timed call, because the
    previous case leaves caches and spinning threads.

    Args:
        make: returns the cases.
        repeats: rounds.
        steps: steps per call of a case.
    """
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, run in make().items():
            run()
            begin = time.perf_counter()
            np.asarray(run())
            times.setdefault(name, []).append(1e3 * (time.perf_counter() - begin) / steps)
    return times


def ratio(times: dict[str, list[float]], name: str, to: str) -> float:
    """Median over rounds of the time of case `name` divided by the time of case `to`."""
    return round(median(a / b for a, b in zip(times[name], times[to], strict=True)), 3)


def steps(args: argparse.Namespace) -> dict[str, Any]:
    """Times of a step, and ratios to the bare gradient, PGD and the released recipe."""
    tables: dict[str, dict] = {}
    for name in args.networks:
        for size in args.batch_sizes:
            count = max(1, (2000 if name != "madry_cifar10" else 400) // max(size, 200))
            times = measure(partial(steps_of, name, size, count), args.repeats, count)
            rows = {
                label: {
                    "rounds": len(values),
                    "milliseconds": round(median(values), 3),
                    "over_gradient": ratio(times, label, "gradient"),
                    "over_pgd": ratio(times, label, "pgd"),
                    "released_over_it": ratio(times, "released recipe, blob", label),
                }
                for label, values in times.items()
            }
            tables.setdefault(name, {})[str(size)] = rows
            print(f"{name}, batch {size}: measured", file=sys.stderr)
    return tables


def parts(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of the operations of a DAA step besides the gradient, at batch 200."""
    times = measure(partial(parts_of, "madry_mnist", 200, 50), args.repeats, 50)
    return {
        name: {"rounds": len(values), "milliseconds": round(median(values), 4)}
        for name, values in times.items()
    }


def peers(args: argparse.Namespace) -> dict[str, Any]:
    """Images per second of complete attacks, and ratios to the faster library's PGD."""
    tables = {}
    for name in args.networks:
        count = 40 if name != "madry_cifar10" else 10
        times = measure(partial(attacks_of, name, 200, count), args.repeats, count)
        faster = min((n for n in times if n.endswith("PGD")), key=lambda n: median(times[n]))
        tables[name] = {
            label: {
                "rounds": len(values),
                "images_per_second": round(200e3 / count / median(values), 1),
                "over_faster_peer": ratio(times, faster, label),
            }
            for label, values in times.items()
        }
    return tables


def limit(args: argparse.Namespace) -> dict[str, Any]:
    """Operations per second of a PGD step divided by those of a matrix product."""
    tables = {}
    for name in args.networks:
        step = steps_of(name, 200, 10)["pgd"]
        n = 3072
        a = tf.random.stateless_uniform([n, n], [0, 1])
        product = tf.function(lambda a=a: tf.matmul(a, a))
        runs = {"pgd": step, "product": product}
        times = measure(runs.copy, 3 * args.repeats, 1)
        best = 2 * n**3 / min(times["product"]) / 1e6
        flops = flops_of(name)
        speed = 10 * 200 * flops / median(times["pgd"]) / 1e6
        tables[name] = {
            "rounds": len(times["pgd"]),
            "megaflops_per_image_step": round(flops / 1e6, 2),
            "gigaflops": round(speed, 1),
            "best_product_gigaflops": round(best, 1),
            "fraction": round(speed / best, 3),
        }
    return tables


def flops_of(name: str) -> int:
    """Operations of one image's gradient: convolutions and matrix products of its graph."""
    attacked = target(name)
    x, y = minibatch(attacked.image_shape, 1)
    function = tf.function(lambda x: gradient_of(attacked, xent, x, tf.constant(y))[0])
    total = 0
    for op in function.get_concrete_function(tf.constant(x)).graph.get_operations():
        if op.type == "Conv2D":
            total += 2 * int(np.prod(op.outputs[0].shape)) * int(np.prod(op.inputs[1].shape[:3]))
        elif op.type == "Conv2DBackpropInput":
            total += 2 * int(np.prod(op.inputs[2].shape)) * int(np.prod(op.inputs[1].shape[:3]))
        elif op.type == "MatMul":
            inner = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
            total += 2 * int(np.prod(op.outputs[0].shape)) * inner
    return total


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "steps": steps,
    "parts": parts,
    "peers": peers,
    "limit": limit,
    "growth": lambda _: growth.growth(),
}
