"""The measurements of the benchmark: steps, their parts, peers, the limit of the machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contestants import (
    NETWORKS,
    Contestants,
    attacks_of,
    minibatch,
    parts_of,
    steps_of,
    target,
)
from daa.attacks.losses import xent
from daa.target import gradient_of
from daa.tensorflow import tf


@dataclass(frozen=True)
class Options:
    """How to measure.

    Args:
        networks: names of the networks.
        batch_sizes: sizes of the minibatches whose steps are timed.
        repeats: rounds of each measurement.
    """

    networks: Sequence[str] = tuple(NETWORKS)
    batch_sizes: Sequence[int] = (100, 200, 1000)
    repeats: int = 5


def measure(make: Callable[[], Contestants], repeats: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds per step of each contestant in each round; the contestants alternate.

    Each round compiles the contestants anew: the place in memory of a graph's constants changes its
    time by up to 15 %, for as long as the graph lives. An untimed call goes before each timed one,
    so that no contestant inherits the caches and the spinning threads of the one before.

    Args:
        make: gives the contestants.
        repeats: rounds.
        steps: of one call of a contestant.
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
    """Median over rounds of the time of contestant `name` over that of contestant `to`."""
    return round(median(a / b for a, b in zip(times[name], times[to], strict=True)), 3)


def steps(options: Options) -> dict[str, Any]:
    """Steps of all methods on all networks, over those of the gradient and the released recipe."""
    tables: dict[str, dict] = {}
    for name in options.networks:
        for size in options.batch_sizes:
            count = max(1, (2000 if name != "madry_cifar10" else 400) // max(size, 200))
            times = measure(partial(steps_of, name, size, count), options.repeats, count)
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


def parts(options: Options) -> dict[str, Any]:
    """Where the rest of a DAA step goes: milliseconds of each piece at batch 200."""
    times = measure(partial(parts_of, "madry_mnist", 200, 50), options.repeats, 50)
    return {
        name: {"rounds": len(values), "milliseconds": round(median(values), 4)}
        for name, values in times.items()
    }


def peers(options: Options) -> dict[str, Any]:
    """Images per second of whole attacks, and how often those of the faster peer's PGD."""
    tables = {}
    for name in options.networks:
        count = 40 if name != "madry_cifar10" else 10
        times = measure(partial(attacks_of, name, 200, count), options.repeats, count)
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


def limit(options: Options) -> dict[str, Any]:
    """Operations per second of a PGD step over those of a matrix product, timed in the same run."""
    tables = {}
    for name in options.networks:
        step = steps_of(name, 200, 10)["pgd"]
        n = 3072
        a = tf.random.stateless_uniform([n, n], [0, 1])
        product = tf.function(lambda a=a: tf.matmul(a, a))
        runs = {"pgd": step, "product": product}
        times = measure(runs.copy, 3 * options.repeats, 1)
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
