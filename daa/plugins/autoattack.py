"""AutoAttack (PyTorch) on any target of this project, on the CPU.

    from daa.plugins import autoattack

    result = autoattack.attack(target, x, y, eps=8 / 255)
    result.robust_accuracy, result.gradients, result.seconds

The networks compute in TensorFlow, wherever that runs; AutoAttack computes on the CPU.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from daa.attacks import ball
from daa.attacks.components import is_number, is_whole
from daa.attacks.worst_case import margins
from daa.errors import require
from daa.plugins.cores import on_cores
from daa.plugins.shared import missing
from daa.target import Target, check_images
from daa.tensorflow import tf

try:
    import torch
    from pyautoattack import AutoAttack
except ImportError:
    raise missing("daa.plugins.autoattack", "pyautoattack", "torch pyautoattack") from None

Version = Literal["standard", "plus", "rand", "custom"]
# The attacks of each version, as AutoAttack names them.
STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


@dataclass(frozen=True)
class Stage:
    """Where AutoAttack stood after one of its attacks.

    Args:
        attack: the attack, as "apgd-ce".
        accuracy: in [0, 1].
        gradients: spent until then, per image of all.
        seconds: since the begin.
        cpu_seconds: processor time of this process since the begin, all its threads together.
    """

    attack: str
    accuracy: float
    gradients: float
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, eq=False)
class Result:
    """What AutoAttack achieved.

    Args:
        adv: adversarial images, inside ball and range; where it found none, the natural ones.
            [N, H, W, C] float32.
        correct: whether the target is right on them, by a plain forward pass. [N] bool.
        seconds: that it took.
        gradients: forward-backward passes per image, the mean over all; a forward pass alone
            counts half.
        stages: after each of its attacks.
        warnings: that it gave, as that Square found what gradients did not.
    """

    adv: np.ndarray
    correct: np.ndarray
    seconds: float
    gradients: float
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...]

    @property
    def robust_accuracy(self) -> float:
        """In [0, 1]."""
        return float(self.correct.mean())


def attack(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    *,
    eps: float,
    version: Version = "standard",
    attacks: tuple[str, ...] | None = None,
    batch_size: int = 250,
    seed: int = 0,
    cores: int | None = None,
) -> Result:
    """Runs AutoAttack in the L-infinity ball.

    Args:
        target: the classifier.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] integers.
        eps: radius of the ball.
        version: of AutoAttack; "custom" runs `attacks`.
        attacks: of the version "custom", as ("apgd-ce", "square"), one restart each.
        batch_size: images per call of the network.
        seed: of all random numbers.
        cores: number of CPU cores, on Linux; None for all.

    Returns:
        Its images, judged by this project, and what they cost.

    Raises:
        InputError: images, labels or options that can't work.

    Source: Croce and Hein 2020; the package pyautoattack.
    """
    x, y = check_images(target, x, y)
    require(is_number(eps) and 0 < eps <= 1, "eps", "0 < eps <= 1", eps)
    require(is_whole(seed) and seed >= 0, "seed", "a whole number >= 0", seed)
    custom = version == "custom"
    require(custom == (attacks is not None), "attacks", "names for version='custom' only", attacks)
    network = Network(target)
    log = _Log(network, len(x))
    with on_cores(cores), _one_thread(), torch.random.fork_rng(devices=[]), _listening(log):
        runner = AutoAttack(
            network,
            eps=eps,
            seed=seed,
            version=version,
            device="cpu",
            **({"attacks": list(attacks)} if attacks is not None else {}),
        )
        _fit(runner, target, custom)
        images = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
        found, _ = runner.run_standard_evaluation(images, torch.tensor(y), batch_size=batch_size)
    # AutoAttack's ball may be larger by a rounding error.
    lower, upper = ball.bounds(x, eps)
    adv = np.clip(np.moveaxis(found.numpy(), 1, -1), lower, upper)
    correct = margins(target, adv, y) > 0
    correct &= margins(target, x, y) > 0
    return Result(
        adv=adv,
        correct=correct,
        seconds=time.perf_counter() - log.begin,
        gradients=network.gradients / len(x),
        stages=tuple(log.stages),
        warnings=tuple(log.warnings),
    )


def _fit(runner: Any, target: Target, custom: bool) -> None:
    """Sets what AutoAttack leaves to its user."""
    if "apgd-t" in runner.attacks_to_run:
        require(target.classes >= 4, target.name, "at least 4 classes for apgd-t", target.classes)
    for part in (runner.apgd_targeted, runner.fab):
        part.n_target_classes = min(9, target.classes - 1)
    if custom:
        runner.apgd.n_restarts = runner.fab.n_restarts = 1


class Network:
    """A target as a function of PyTorch tensors [N, C, H, W] with a gradient.

    Args:
        target: the classifier.

    Attributes:
        gradients: forward-backward passes of single images so far; a forward alone counts half.
    """

    def __init__(self, target: Target) -> None:
        spec = tf.TensorSpec([None, *target.image_shape], tf.float32)
        self.logits = tf.function(partial(target), input_signature=[spec])
        self.gradients = 0.0

    def __call__(self, x: Any) -> Any:
        if torch.is_grad_enabled() and x.requires_grad:
            return _Logits.apply(x, self)
        self.gradients += 0.5 * len(x)
        return _to_torch(self.logits(_to_tensorflow(x)))


class _Logits(torch.autograd.Function):
    """Logits whose gradient comes from a tape of TensorFlow."""

    @staticmethod
    def forward(ctx: Any, x: Any, network: Network) -> Any:
        images = _to_tensorflow(x)
        with tf.GradientTape(persistent=True) as tape:  # FAB asks for several gradients
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
    return torch.tensor(x.numpy())  # a copy, which AutoAttack may write into


@dataclass
class _Log:
    """What AutoAttack says while it runs."""

    network: Network
    images: int
    begin: float = field(default_factory=time.perf_counter)
    cpu_begin: float = field(default_factory=time.process_time)
    stages: list[Stage] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, level: int, message: str) -> None:
        """Reads one message of its logger."""
        if level >= logging.WARNING:
            self.warnings.append(message)
        found = re.match(r"robust accuracy after (\S+): ([\d.]+)%", message)
        if found:
            standing = round(float(found[2]) / 100 * self.images)
            accuracy, seconds = standing / self.images, time.perf_counter() - self.begin
            gradients = self.network.gradients / self.images
            cpu = time.process_time() - self.cpu_begin
            self.stages.append(Stage(found[1].lower(), accuracy, gradients, seconds, cpu))


@contextlib.contextmanager
def _listening(log: _Log) -> Iterator[None]:
    """Gives the log all messages of AutoAttack, and nobody else any."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.take(record.levelno, record.getMessage())

    logger, handler = logging.getLogger("auto-attack"), Handler()
    level, passes_on = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = passes_on


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Leaves the cores to TensorFlow: threads of PyTorch that wait for it hinder those it has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
