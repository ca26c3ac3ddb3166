"""Whether a device computes the attack as the processor does: the first thing to run on a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np

from daa.attacks import directions, kernels
from daa.attacks.attack import Attack
from daa.attacks.losses import xent
from daa.attacks.methods import AttackConfig
from daa.errors import InputError
from daa.runs import device
from daa.target import Target, gradient_of, in_precision
from daa.tensorflow import tf

# How far directions on two devices may be apart, relative to the largest value.
TOLERANCE = 1e-5
# Operations that leave the graph for Python, or that TensorFlow has for processors alone.
HOST = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "NthElement"}
_DIRECTIONS = {
    "DAA-BLOB": lambda x, grad: directions.blob(x, grad, c=1.1),
    "DAA-DGF": lambda x, grad: directions.dgf(x, grad, c=0.001),
}


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Args:
        what: in a few words.
        found: in a few words.
        sound: whether it is as it must be; None where it is only stated.
    """

    what: str
    found: str
    sound: bool | None = None

    def __str__(self) -> str:
        mark = {True: "sound", False: "NOT SOUND", None: "noted"}[self.sound]
        return f"{self.what}: {self.found} [{mark}]"


def examine(target: Target, x: np.ndarray, y: np.ndarray, eps: float) -> list[Finding]:
    """Looks at directions, host copies, XLA and precisions on one minibatch.

    Args:
        target: the network.
        x, y: the minibatch.
        eps: radius.
    """
    gpus = [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
    name = f"{device.name()}, {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}" if gpus else "no GPU"
    where = "" if gpus else "; what a GPU would do is computed on the processor"
    place = gpus[0] if gpus else "CPU:0"
    grad = _gradient(target, x, y, "CPU:0")
    found = [Finding("device", f"{name}{where}")]
    found += _same_directions(x, grad, place)
    apart = _apart(_gradient(target, x, y, place), grad)
    found.append(Finding("gradient on device and processor", f"{apart:.1e} apart", apart <= 1e-3))
    config = AttackConfig(
        "blob", eps=eps, step_size=eps / 10, steps=4, steps_per_shuffle=2, batch_size=len(x)
    )
    found.append(_no_host(target, config, x, y, place))
    found.append(_xla(target, config, x, y))
    return [*found, _bfloat16(target, x, y, grad), _tf32(bool(gpus))]


def _gradient(target: Target, x: np.ndarray, y: np.ndarray, place: str) -> np.ndarray:
    with tf.device(place):
        return gradient_of(target, xent, tf.constant(x), tf.constant(y))[0].numpy()


def _same_directions(x: np.ndarray, grad: np.ndarray, place: str) -> Iterator[Finding]:
    """The same images and gradients on both devices, by the operations that each would use."""
    for title, direction in _DIRECTIONS.items():
        with tf.device("CPU:0"), _as_if(on_gpu=False):
            expected = direction(tf.constant(x), tf.constant(grad)).numpy()
        with tf.device(place), _as_if(on_gpu=True):
            apart = _apart(direction(tf.constant(x), tf.constant(grad)).numpy(), expected)
        text = f"{apart:.1e} apart, {TOLERANCE:.0e} allowed"
        yield Finding(f"{title}'s direction on device and processor", text, apart <= TOLERANCE)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


@contextmanager
def _as_if(*, on_gpu: bool) -> Iterator[None]:
    with mock.patch.object(kernels, "on_gpu", lambda: on_gpu):
        yield


def _no_host(
    target: Target, config: AttackConfig, x: np.ndarray, y: np.ndarray, place: str
) -> Finding:
    """Whether a visit stays on the device: its operations, and on a GPU its placement."""
    what = "host copies inside a visit"
    with _as_if(on_gpu=True):
        # A copy of the target has no graphs yet that were compiled for this device.
        attack = Attack(replace(target), config, jit=False)
        visit: Any = attack.inner_loop
        seen: list[Any] = []

        def recorded(*arguments: object) -> object:
            seen.append(tf.nest.map_structure(tf.convert_to_tensor, arguments))
            return visit(*arguments)

        attack.inner_loop = recorded
        attack(x, y)
        used = _operations(visit.get_concrete_function(*seen[0]).graph.as_graph_def()) & HOST
        if used:
            return Finding(what, f"{', '.join(sorted(used))} in its graph", sound=False)
        if place == "CPU:0":
            return Finding(what, "none in its graph", sound=True)
        try:
            with _placed_strictly(), tf.device(place):
                visit(*seen[0])
        except (tf.errors.InvalidArgumentError, InputError) as error:
            why = str(error).splitlines()[0][:200]
            return Finding(what, f"an operation that the GPU lacks: {why}", sound=False)
    return Finding(what, "none in its graph; every operation ran on the GPU", sound=True)


def _operations(graph: Any) -> set[str]:
    """The operations of a graph and of the functions that it calls, as the bodies of its loops."""
    inner = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in (*graph.node, *inner)}


@contextmanager
def _placed_strictly() -> Iterator[None]:
    """An operation that the chosen device lacks is an error, not a copy to the processor."""
    before = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    try:
        yield
    finally:
        tf.config.set_soft_device_placement(before)


def _xla(target: Target, config: AttackConfig, x: np.ndarray, y: np.ndarray) -> Finding:
    images, seconds = {}, {}
    for jit in (False, True):
        attack = Attack(target, config, jit)
        images[jit] = attack(x, y)
        begin = time.perf_counter()
        attack(x, y)
        seconds[jit] = time.perf_counter() - begin
    # One step that goes the other way moves a pixel by two steps.
    moved = float((np.abs(images[True] - images[False]) > config.step_size / 2).mean())
    text = (
        f"{100 * moved:.2f} % of the pixels differ after {config.steps} steps, "
        f"{1000 * seconds[True]:.0f} ms on, {1000 * seconds[False]:.0f} ms off"
    )
    return Finding("XLA on against off", text, sound=moved <= 0.02)


def _bfloat16(target: Target, x: np.ndarray, y: np.ndarray, grad: np.ndarray) -> Finding:
    half = in_precision(target, "bfloat16")
    rough = gradient_of(half, xent, tf.constant(x), tf.constant(y))[0].numpy()
    agree = float((np.sign(rough) == np.sign(grad))[grad != 0].mean())
    fast = "fast here" if device.fast_bfloat16() else "slower than float32 here"
    return Finding("bfloat16", f"{fast}; the gradient has the same sign in {100 * agree:.1f} %")


def _tf32(on_gpu: bool) -> Finding:
    if not on_gpu:
        return Finding("TF32", "GPUs alone have it")
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    return Finding("TF32", "on: float32 is not float32" if allowed else "off", sound=not allowed)
