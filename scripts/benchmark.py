"""Times attacks against the bare gradient, the machine, peers: python scripts/benchmark.py."""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import cli
import numpy as np
import tensorflow as tf
from benchmark_report import write
from contestants import (
    NETWORKS,
    Contestants,
    attacks_of,
    gradient_of,
    minibatch,
    parts_of,
    steps_of,
    target,
)

from daa import Attack, AttackConfig, InputError, results

BATCH_SIZES = (100, 200, 1000)
PARTICLES = (50, 100, 200, 500, 1000, 2000)
IMAGES = (1000, 3000, 10000, 30000, 60000)
PARTS = ("steps", "parts", "peers", "limit", "growth")


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if args.point:
        print(json.dumps(point(**json.loads(args.point))))
        return
    provenance = results.provenance()
    content: dict = results.load(args.out) if args.out.exists() and args.only else {}
    measured = content.setdefault("measured", {})
    for part in args.only or PARTS:
        # A network or axis measured anew replaces what is there of it; the others stay.
        found = MEASUREMENTS[part](args)
        content[part] = content.get(part, {}) | found
        measured[part] = measured.get(part, {}) | dict.fromkeys(found, provenance)
        results.save(args.out, {"schema": results.SCHEMA, **content})
    print(write(content, args.out))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times and ratios, taken in one run.")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, help="keep the rest of --out (default: all anew)"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch-sizes", nargs="+", type=cli.positive, default=BATCH_SIZES)
    parser.add_argument("--repeats", type=cli.positive, default=5, help="rounds (default 5)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.json"))
    parser.add_argument("--point", help=argparse.SUPPRESS)  # one point of the growth, a process
    return parser.parse_args(arguments)


def measure(make: Callable[[], Contestants], repeats: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds per step of each contestant in each round; the contestants alternate.

    Each round compiles them anew: where a graph's constants happen to lie in memory moves its time
    by up to 15 %, for as long as the graph lives. An untimed call goes before each timed one, so
    that nobody inherits the caches and the still spinning threads of the contestant before.
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
    """Median of the ratios taken within each round."""
    return round(median(a / b for a, b in zip(times[name], times[to], strict=True)), 3)


def steps(args: argparse.Namespace) -> dict:
    """Steps of all methods on all networks, over the gradient's and the released recipe's."""
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


def parts(args: argparse.Namespace) -> dict:
    """Where the rest of a DAA step goes: milliseconds of each piece at batch 200."""
    times = measure(partial(parts_of, "madry_mnist", 200, 50), args.repeats, 50)
    return {
        name: {"rounds": len(values), "milliseconds": round(median(values), 4)}
        for name, values in times.items()
    }


def peers(args: argparse.Namespace) -> dict:
    """Images per second of 40 steps with a random start, and how often the faster peer's PGD."""
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


def limit(args: argparse.Namespace) -> dict:
    """Operations of a PGD step over the best matrix product's rate, measured in the same run."""
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
        reached = 10 * 200 * flops / median(times["pgd"]) / 1e6
        tables[name] = {
            "rounds": len(times["pgd"]),
            "megaflops_per_image_step": round(flops / 1e6, 2),
            "gigaflops": round(reached, 1),
            "best_product_gigaflops": round(best, 1),
            "fraction": round(reached / best, 3),
        }
    return tables


def flops_of(name: str) -> int:
    """Operations of one image's gradient: those of the convolutions and products in its graph."""
    attacked = target(name)
    x, y = minibatch(attacked.image_shape, 1)
    function = tf.function(gradient_of(attacked, tf.constant(y)))
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


def growth(args: argparse.Namespace) -> dict:
    """Seconds per image-step and peak memory against particles and images, a process each."""
    del args
    by_particles = [point_apart(method="blob", particles=m, images=2000) for m in PARTICLES]
    by_images = [point_apart(method="blob", particles=200, images=n) for n in IMAGES]
    return {"particles": by_particles, "images": by_images}


def point_apart(**options: object) -> dict:
    command = [sys.executable, __file__, "--point", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"benchmark: {options}: expected a time, got {done.stderr[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


def point(method: str, particles: int, images: int) -> dict:
    """One attack of 10 steps on the small network."""
    attacked = target("locuslab")
    x, y = minibatch(attacked.image_shape, images)
    config = AttackConfig(method, steps=10, batch_size=particles, eps=0.3, step_size=0.01)
    attack = Attack(attacked, config)
    attack(x[: 2 * particles], y[: 2 * particles])
    begin = time.perf_counter()
    attack(x, y)
    seconds = time.perf_counter() - begin
    return {
        "particles": particles,
        "images": images,
        "microseconds_per_image_step": round(1e6 * seconds / images / 10, 2),
        "gigabytes": round(peak_memory() / 1e9, 3),
    }


def peak_memory() -> int:
    """Bytes. Linux counts ru_maxrss on from the process that started this one, VmHWM anew."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


MEASUREMENTS = {"steps": steps, "parts": parts, "peers": peers, "limit": limit, "growth": growth}


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
