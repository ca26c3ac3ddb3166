"""Times the steps of the attacks against the bare gradient: python scripts/benchmark.py."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import get_args

import cli
import numpy as np
import tensorflow as tf
from scipy.spatial.distance import pdist, squareform
from tables import aligned

from daa import AttackConfig, Target, checkpoints, results
from daa.attack import Precision, compile_visit
from daa.ball import bounds
from daa.losses import xent
from daa.target import in_precision
from locuslab import model as locuslab
from madry_mnist import model as madry_mnist

STEPS = 10
EPS, STEP, C = 0.3, 0.01, 1.1
NETWORKS = {"madry_mnist": madry_mnist, "locuslab": locuslab}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Ratios of step times, taken in one run.")
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--batch-size", type=int, default=200, help="particles (default 200)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmark.json"))
    args = parser.parse_args(arguments)

    tables = {}
    for name in NETWORKS:
        times = measure(lambda name=name: contestants(name, args.batch_size), args.repeats)
        tables[name] = summary(times)
        print(f"\n{name}, random weights, batch {args.batch_size}, {args.repeats} rounds\n")
        print(markdown(tables[name]))
    content = {
        "batch_size": args.batch_size,
        "repeats": args.repeats,
        "steps_per_call": STEPS,
        "networks": tables,
        **results.provenance(),
    }
    results.save(args.out, content)
    print(f"{args.out}: written")


def contestants(name: str, batch_size: int) -> dict[str, Callable[[], object]]:
    """What is timed; each call makes `STEPS` steps of one minibatch."""
    rng = np.random.default_rng(0)
    arrays = _random(NETWORKS[name].VARIABLES, rng)
    if name == "locuslab":
        arrays = locuslab.to_tensorflow(arrays)
    variables = {key: tf.constant(value) for key, value in arrays.items()}
    half = checkpoints.cast(variables, tf.bfloat16)
    target = Target(
        f"{name}/random",
        NETWORKS[name].network(variables),
        (28, 28, 1),
        10,
        half=lambda: NETWORKS[name].network(half),
    )
    images = rng.random((batch_size, 28, 28, 1), dtype=np.float32)
    lower, upper = (tf.constant(bound) for bound in bounds(images, EPS))
    x, y = tf.constant(images), tf.constant(rng.integers(0, 10, batch_size))

    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(xent(target(x), y))
        return tape.gradient(loss, x)

    @tf.function
    def gradients() -> tf.Tensor:
        g = tf.zeros_like(x)
        for _ in tf.range(STEPS):
            g = gradient(x + 1e-12 * g)  # depends on the last one, so that none runs beside it
        return g

    runs = {"gradient": gradients}
    for precision in get_args(Precision):
        for method in ("pgd", "momentum", "blob", "dgf"):
            config = AttackConfig(
                method, eps=EPS, step_size=STEP, steps=STEPS, batch_size=batch_size
            )
            visit = compile_visit(in_precision(target, precision), config)
            label = method if precision == "float32" else f"{method}, {precision}"
            runs[label] = lambda visit=visit: visit(x, y, lower, upper)
    compiled = tf.function(gradient)
    box = (lower.numpy().astype(float), upper.numpy().astype(float))
    runs["released recipe, blob"] = lambda: released_blob(compiled, images, *box)
    return runs


def _random(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights that keep the signal's scale (He), so that no softmax saturates."""
    arrays = {}
    for name, shape in shapes.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if name.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        arrays[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
    return arrays


def released_blob(
    gradient: Callable, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """blob_rand.py step by step: a graph call gives the gradient, NumPy and SciPy do the rest."""
    m = len(x)
    x = x.astype(np.float64)
    for _ in range(STEPS):
        grad = gradient(tf.constant(x, tf.float32)).numpy().reshape(m, -1)
        rows = x.reshape(m, -1)
        d = squareform(pdist(rows)) ** 2
        h2 = 0.5 * np.median(d) / np.log(m)
        k = np.exp(-d / h2 / 2)
        repulsion = (rows * k.sum(axis=1)[:, None] - k @ rows) / h2
        v = grad + C / m * (k @ grad - repulsion)
        x = np.clip(x + STEP * np.sign(v).reshape(x.shape), lower, upper)
    return x


def measure(
    make: Callable[[], dict[str, Callable[[], object]]], repeats: int
) -> dict[str, list[float]]:
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
            times.setdefault(name, []).append(1e3 * (time.perf_counter() - begin) / STEPS)
    return times


def summary(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median milliseconds, and medians of the ratios taken within each round."""
    rows = {}
    for name, values in times.items():
        ratio = [a / b for a, b in zip(values, times["gradient"], strict=True)]
        to_pgd = [a / b for a, b in zip(values, times["pgd"], strict=True)]
        rows[name] = {
            "milliseconds": round(median(values), 3),
            "over_gradient": round(median(ratio), 3),
            "over_pgd": round(median(to_pgd), 3),
        }
    added = {name: row["over_gradient"] - 1 for name, row in rows.items()}
    for name in ("blob", "dgf"):
        rows[name]["added_over_released"] = round(added[name] / added["released recipe, blob"], 3)
    return rows


def markdown(rows: dict[str, dict[str, float]]) -> str:
    cells = [["a step of", "ms", "/ gradient", "/ PGD", "added / released's"]]
    cells += [["---", *["---:"] * 4]]
    for name, row in rows.items():
        ratios = [f"{row['over_gradient']:.3f}", f"{row['over_pgd']:.3f}"]
        added = row.get("added_over_released")
        last = "" if added is None else f"{added:.3f}"
        cells.append([name, f"{row['milliseconds']:.2f}", *ratios, last])
    return "\n".join(aligned(cells)) + "\n"


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
