"""Checks whether a GPU computes the attack as the CPU does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daa.attacks import directions, kernels
from daa.attacks.attack import Attack
from daa.attacks.losses import xent
from daa.attacks.methods import AttackConfig
from daa.errors import InputError
from daa.runs import device
from daa.target import Target, gradient_of, in_precision
from daa.tensorflow import tf

# Largest difference between directions on GPU and CPU, relative to the largest value.
DIRECTION_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-3
# Largest share of pixels that XLA may move in another direction.
XLA_TOLERANCE = 0.02
# Operations that return to Python, or that TensorFlow has for CPUs only.
HOST_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "NthElement"}
DIRECTIONS = {
    "DAA-BLOB": lambda x, grad: directions.blob(x, grad, c=1.1),
    "DAA-DGF": lambda x, grad: directions.dgf(x, grad, c=0.001),
}


@dataclass(frozen=True)
class DeviceCheck:
    """The result of a check; `passed` is None for a remark."""

    title: str
    result: str
    passed: bool | None = None

    def __str__(self) -> str:
        mark = {True: "passed", False: "FAILED", None: "remark"}[self.passed]
        return f"{self.title}: {self.result} [{mark}]"


def check_device(target: Target, x: np.ndarray, y: np.ndarray, eps: float) -> list[DeviceCheck]:
    """Checks directions, gradients, host copies, XLA and precisions on one minibatch.

    Without a GPU, the operations that a GPU would use are computed on the CPU.
    """
    gpus = [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    processor = gpus[0] if gpus else "CPU:0"
    name = f"{device.name()}, {len(gpus)} visible" if gpus else "no GPU, so the CPU is checked"
    grad = _gradient(target, x, y, "CPU:0")
    difference = _difference(_gradient(target, x, y, processor), grad)
    text, passed = f"relative difference {difference:.1e}", difference <= GRADIENT_TOLERANCE
    config = AttackConfig(
        "blob", eps=eps, step_size=eps / 10, steps=4, steps_per_shuffle=2, batch_size=len(x)
    )
    half = _gradient(in_precision(target, "bfloat16"), x, y, None)
    agree = 100 * float((np.sign(half) == np.sign(grad))[grad != 0].mean())
    speed = "fast" if device.fast_bfloat16() else "slower than float32"
    signs = f"{speed} on this device; {agree:.1f} % of the gradient's signs agree with float32"
    return [
        DeviceCheck("GPU", name),
        *check_directions(x, grad, processor),
        DeviceCheck("gradient on GPU and CPU", text, passed),
        check_placement(target, config, x, y, processor),
        _check_xla(target, config, x, y),
        DeviceCheck("bfloat16", signs),
        check_tf32(bool(gpus)),
    ]


def _gradient(target: Target, x: np.ndarray, y: np.ndarray, processor: str | None) -> np.ndarray:
    with tf.device(processor):
        return gradient_of(target, xent, tf.constant(x), tf.constant(y))[0].numpy()


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def check_directions(x: np.ndarray, grad: np.ndarray, processor: str) -> Iterator[DeviceCheck]:
    """Compares the directions for the same images and gradients on both devices."""
    for title, direction in DIRECTIONS.items():
        with tf.device("CPU:0"):
            expected = direction(tf.constant(x), tf.constant(grad)).numpy()
        # GPUs and XLA use the same operations for the median.
        with tf.device(processor), kernels.traced_for_xla(True):
            difference = _difference(direction(tf.constant(x), tf.constant(grad)).numpy(), expected)
        text = f"relative difference {difference:.1e}, at most {DIRECTION_TOLERANCE:.0e} allowed"
        passed = difference <= DIRECTION_TOLERANCE
        yield DeviceCheck(f"{title} direction on GPU and CPU", text, passed)


def check_placement(
    target: Target, config: AttackConfig, x: np.ndarray, y: np.ndarray, processor: str
) -> DeviceCheck:
    """Checks that the steps between two shuffles have no operation that only the CPU has."""
    title = "operations that leave the GPU"
    # A copy of the target has no graph yet. A graph for XLA has the operations of a GPU.
    attack = Attack(replace(target), config, jit=processor == "CPU:0")
    steps, arguments = recorded_steps(attack, x, y)
    graph = steps.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for call in graph.library.function for node in call.node_def)]
    if host := {node.op for node in nodes} & HOST_OPERATIONS:
        return DeviceCheck(title, f"{', '.join(sorted(host))} in the graph", passed=False)
    if processor == "CPU:0":
        return DeviceCheck(title, "none in the graph", passed=True)
    soft = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)  # an operation without a GPU kernel is an error
    try:
        with tf.device(processor):
            steps(*arguments)
    except (tf.errors.InvalidArgumentError, InputError) as error:
        text = f"the GPU lacks an operation: {str(error).splitlines()[0][:200]}"
        return DeviceCheck(title, text, passed=False)
    finally:
        tf.config.set_soft_device_placement(soft)
    return DeviceCheck(title, "none in the graph; every operation ran on the GPU", passed=True)


def recorded_steps(attack: Attack, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """The graph of the steps between two shuffles, and the arguments of its first call."""
    steps, calls = attack.inner_loop, []

    def record(*arguments: object) -> object:
        calls.append(tf.nest.map_structure(tf.convert_to_tensor, arguments))
        return steps(*arguments)

    attack.inner_loop = record
    attack(x, y)
    return steps, calls[0]


def _check_xla(target: Target, config: AttackConfig, x: np.ndarray, y: np.ndarray) -> DeviceCheck:
    images, milliseconds = {}, {}
    for jit in (False, True):
        attack = Attack(target, config, jit)
        images[jit] = attack(x, y)
        begin = time.perf_counter()
        attack(x, y)
        milliseconds[jit] = 1000 * (time.perf_counter() - begin)
    # A step in the other direction moves a pixel by two steps.
    moved = float((np.abs(images[True] - images[False]) > config.step_size / 2).mean())
    text = (
        f"{100 * moved:.2f} % of the pixels differ after {config.steps} steps, "
        f"{milliseconds[True]:.0f} ms with and {milliseconds[False]:.0f} ms without XLA"
    )
    return DeviceCheck("XLA", text, passed=moved <= XLA_TOLERANCE)


def check_tf32(on_gpu: bool) -> DeviceCheck:
    """Checks that float32 matrices are not multiplied in TF32, which only GPUs have."""
    if not on_gpu:
        return DeviceCheck("TF32", "only GPUs have it")
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    text = "on: distances between particles are wrong" if allowed else "off"
    return DeviceCheck("TF32", text, passed=not allowed)
