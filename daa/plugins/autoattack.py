"""AutoAttack (PyTorch) on any target of this project, on the CPU.

    from daa.plugins import autoattack

    result = autoattack.attack(target, x, y, eps=8 / 255)
    result.robust_accuracy, result.gradients, result.seconds

The networks run in TensorFlow, on any device; AutoAttack runs on the CPU.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from daa.attacks.balls import BALLS
from daa.attacks.worst_case import margins
from daa.errors import require, whole
from daa.plugins.shared import missing
from daa.reports.autoattack import Point
from daa.target import Target, check_images
from daa.tensorflow import tf

try:
    import torch
    from pyautoattack import AutoAttack
except ImportError:
    raise missing("daa.plugins.autoattack", "pyautoattack", "torch ") from None

# This project's names of AutoAttack's norms.
_NORMS = {"linf": "Linf", "l2": "L2"}
Version = Literal["standard", "plus", "rand", "custom"]


@dataclass(frozen=True, eq=False)
class Result:
    """The result of AutoAttack.

    Args:
        adv: adversarial images; the clean image after a failure. [N, H, W, C] float32.
        correct: whether the target classifies `adv` correctly in a forward pass. [N] bool.
        gradients: mean forward-backward passes per image; a forward pass counts half.
        stages: totals after each attack of AutoAttack, such as "apgd-ce".
        warnings: messages of AutoAttack, for example about vanishing gradients.
    """

    adv: np.ndarray
    correct: np.ndarray
    seconds: float
    gradients: float
    stages: tuple[Point, ...]
    warnings: tuple[str, ...]

    @property
    def robust_accuracy(self) -> float:
        """Accuracy on the adversarial images, in [0, 1]."""
        return float(self.correct.mean())


def attack(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    *,
    eps: float,
    norm: str = "linf",
    version: Version = "standard",
    attacks: tuple[str, ...] | None = None,
    batch_size: int = 250,
    seed: int = 0,
) -> Result:
    """Runs AutoAttack.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        eps: radius of the ball.
        norm: of the ball, linf or l2.
        version: version of AutoAttack; "custom" runs `attacks`.
        attacks: attacks of the version "custom", as ("apgd-ce", "square"), one restart each.
        batch_size: images per call of the network.
        seed: source of all random numbers.

    Raises:
        InputError: invalid images, labels or options.

    Source: Croce and Hein 2020; the package pyautoattack.
    """
    require(len(target.image_shape) == 3, target.name, "images (H, W, C)", target.image_shape)
    x, y = check_images(target, x, y)
    require(norm in _NORMS, "norm", f"one of {', '.join(_NORMS)}", norm)
    eps, seed, ball = BALLS[norm].radius(eps), whole(seed, "seed"), BALLS[norm]
    custom = version == "custom"
    require(custom == (attacks is not None), "attacks", "names for version='custom' only", attacks)
    network = Network(target)
    log = _Log(network, len(x))
    with torch.random.fork_rng(devices=[]), _listening(log):
        options = {"norm": _NORMS[norm], "eps": eps, "seed": seed, "version": version}
        options |= {"attacks": list(attacks)} if attacks else {}
        runner = AutoAttack(network, device="cpu", **options)
        if "apgd-t" in runner.attacks_to_run:
            expected = "at least 4 classes for apgd-t"
            require(target.classes >= 4, target.name, expected, target.classes)
        for part in (runner.apgd_targeted, runner.fab):
            part.n_target_classes = min(9, target.classes - 1)
        if custom:
            runner.apgd.n_restarts = runner.fab.n_restarts = 1
        images = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
        moved, _ = runner.run_standard_evaluation(images, torch.tensor(y), batch_size=batch_size)
    # The ball of AutoAttack may be larger by a rounding error.
    adv = ball.inside(np.moveaxis(moved.numpy(), 1, -1), x, eps)
    correct = (margins(target, adv, y) > 0) & (margins(target, x, y) > 0)
    seconds, gradients = time.perf_counter() - log.begin, network.gradients / len(x)
    return Result(adv, correct, seconds, gradients, tuple(log.stages), tuple(log.warnings))


class Network:
    """A target as a differentiable function of PyTorch tensors [N, C, H, W]."""

    def __init__(self, target: Target) -> None:
        spec = tf.TensorSpec([None, *target.image_shape], tf.float32)
        self.logits = tf.function(partial(target), input_signature=[spec])
        self.gradients = 0.0  # of single images; a forward pass counts half

    def __call__(self, x: Any) -> Any:
        if torch.is_grad_enabled() and x.requires_grad:
            return _Logits.apply(x, self)
        self.gradients += 0.5 * len(x)
        return _to_torch(self.logits(_to_tensorflow(x)))


class _Logits(torch.autograd.Function):
    """Logits with the gradient of a TensorFlow tape."""

    @staticmethod
    def forward(ctx: Any, x: Any, network: Network) -> Any:
        images = _to_tensorflow(x)
        with tf.GradientTape(persistent=True) as tape:  # FAB computes several gradients
            tape.watch(images)
            logits = network.logits(images)
        ctx.tape, ctx.images, ctx.logits, ctx.network = tape, images, logits, network
        network.gradients += 0.5 * len(x)
        return _to_torch(logits)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        ctx.network.gradients += 0.5 * len(upstream)
        weights = tf.constant(upstream.numpy())
        grad = ctx.tape.gradient(ctx.logits, ctx.images, output_gradients=weights)
        return _to_torch(tf.transpose(grad, [0, 3, 1, 2])), None


def _to_tensorflow(x: Any) -> tf.Tensor:
    return tf.constant(x.detach().permute(0, 2, 3, 1).contiguous().numpy())


def _to_torch(x: tf.Tensor) -> Any:
    return torch.tensor(x.numpy())  # a copy, because AutoAttack may change it


class _Log(logging.Handler):
    """Reads stages and warnings from the messages of AutoAttack."""

    def __init__(self, network: Network, images: int) -> None:
        super().__init__()
        self.network, self.images = network, images
        self.begin, self.cpu_begin = time.perf_counter(), time.process_time()
        self.stages: list[Point] = []
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
        if match := re.match(r"robust accuracy after (\S+): ([\d.]+)%", message):
            self.stages.append(
                Point(
                    attack=match[1].lower(),
                    accuracy=round(float(match[2]) / 100 * self.images) / self.images,
                    gradients=self.network.gradients / self.images,
                    seconds=time.perf_counter() - self.begin,
                    cpu_seconds=time.process_time() - self.cpu_begin,
                )
            )


@contextlib.contextmanager
def _listening(log: _Log) -> Iterator[None]:
    """Redirects AutoAttack's messages to the log; limits PyTorch to one thread.

    Waiting threads of PyTorch slow TensorFlow down.
    """
    logger, threads = logging.getLogger("auto-attack"), torch.get_num_threads()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    torch.set_num_threads(1)
    try:
        yield
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)
        logger.propagate = propagate
        torch.set_num_threads(threads)
