"""Algorithm 1: shuffle, split into minibatches, ascend each for some steps, repeat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from daa import ball
from daa.errors import InputError
from daa.target import Target, check_images, in_precision, predict
from daa.visit import PARTICLES, compile_visit

Method = Literal["fgsm", "rand_fgsm", "pgd", "mi_fgsm", "momentum", "blob", "dgf"]
Loss = Literal["xent", "cw"]
RandFgsm = Literal["uniform", "tramer"]
Targeted = Literal["labels", "least_likely"]
Formula = Literal["released", "paper"]
Precision = Literal["float32", "bfloat16"]

SINGLE_STEP = ("fgsm", "rand_fgsm")
# The released scripts run with these under both losses, whatever c they print for CW.
DEFAULT_C = {"blob": 1.1, "dgf": 0.001}


@dataclass(frozen=True)
class AttackConfig:
    """How to attack. `eps` and `step_size` are in the unit of images in [0, 1].

    Args:
        method: fgsm (one step of eps from the image), rand_fgsm (one step from a random start),
            pgd, mi_fgsm (`steps` steps of eps / steps, no random start), momentum (Momentum
            PGD), blob (DAA-BLOB), dgf (DAA-DGF).
        loss: xent (cross-entropy) or cw (CW-infinity).
        eps: radius of the L-infinity ball.
        step_size: of one step; fgsm, rand_fgsm and mi_fgsm derive theirs from eps.
        steps: gradients per image; fgsm and rand_fgsm take one.
        batch_size: images per minibatch, which are the particles of blob and dgf.
        steps_per_shuffle: steps a minibatch makes before all images are shuffled again; blob and
            dgf only, as the others treat each image alone.
        c: weight of the particle terms; None for 1.1 (blob) and 0.001 (dgf).
        formula: of blob and dgf, where the released scripts and the paper differ: "released", or
            "paper" for the printed sign (blob) and bandwidth (dgf).
        precision: of the gradients; the images and the final evaluation are float32 always.
        decay: of the momentum.
        random_start: start at x + U(-eps, eps).
        clip_start: clip that start to the pixel range before the first gradient.
        clip_range: keep the images inside [0, 1], not only inside the ball.
        rand_fgsm: the reading of Rand+FGSM: "uniform" steps eps from a uniform start in the ball,
            "tramer" steps eps / 2 from x + eps / 2 * sign(N(0, 1)).
        targeted: None (away from the label), "least_likely" (toward the class with the lowest logit
            of the natural image) or "labels" (toward `target_labels`).

    Raises:
        InputError: a value that can't work; names the field.
    """

    method: Method
    loss: Loss = "xent"
    eps: float = 0.3
    step_size: float = 0.01
    steps: int = 200
    batch_size: int = 200
    steps_per_shuffle: int = 10
    c: float | None = None
    decay: float = 1.0
    random_start: bool = True
    clip_start: bool = False
    clip_range: bool = True
    rand_fgsm: RandFgsm = "uniform"
    targeted: Targeted | None = None
    formula: Formula = "released"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        named = {"method": Method, "loss": Loss, "rand_fgsm": RandFgsm}
        named |= {"formula": Formula, "precision": Precision}
        for field, choices in named.items():
            self._require(field, getattr(self, field) in get_args(choices), _one_of(choices))
        allowed = (None, *get_args(Targeted))
        self._require("targeted", self.targeted in allowed, f"null or {_one_of(Targeted)}")
        self._require("eps", _is_number(self.eps) and 0 < self.eps <= 1, "0 < eps <= 1")
        if self.method not in (*SINGLE_STEP, "mi_fgsm"):
            fits = _is_number(self.step_size) and 0 < self.step_size <= self.eps
            self._require("step_size", fits, f"0 < step_size <= eps={self.eps}")
        for field in ("steps", "batch_size", "steps_per_shuffle"):
            value = getattr(self, field)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            self._require(field, whole, "a whole number >= 1")
        for field in ("c", "decay"):
            value = getattr(self, field)
            fine = (value is None and field == "c") or _is_number(value)
            self._require(field, fine, "a finite number")
        for field in ("random_start", "clip_start", "clip_range"):
            self._require(field, isinstance(getattr(self, field), bool), "true or false")
        if self.method in PARTICLES:
            fits = self.steps % self.steps_per_shuffle == 0
            self._require(
                "steps", fits, f"a multiple of steps_per_shuffle={self.steps_per_shuffle}"
            )
            self._require("batch_size", self.batch_size >= 2, "at least 2 particles")

    def _require(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            raise InputError(f"{field}: expected {expected}, got {getattr(self, field)!r}")

    @property
    def weight(self) -> float:
        """c as used: the given one, else the method's default."""
        return DEFAULT_C.get(self.method, 0.0) if self.c is None else self.c

    @property
    def gradients_per_image(self) -> int:
        """Gradients that one restart computes for each image."""
        return 1 if self.method in SINGLE_STEP else self.steps

    @property
    def step(self) -> float:
        """The length of one step as taken."""
        if self.method == "fgsm":
            return self.eps
        if self.method == "rand_fgsm":
            return self.eps if self.rand_fgsm == "uniform" else self.eps / 2
        return self.eps / self.steps if self.method == "mi_fgsm" else self.step_size

    @property
    def steps_per_visit(self) -> int:
        """Steps a minibatch makes in a row: all of them unless particles are shuffled."""
        return self.steps_per_shuffle if self.method in PARTICLES else self.gradients_per_image


class Attack:
    """An attack on a target, compiled once and called for any number of images and restarts.

        adv = Attack(target, config)(x, y, seed=0)

    Args:
        target: the classifier.
        config: the attack.
        jit: compile with XLA; None where there is a GPU, as it is slower on a CPU.
    """

    def __init__(self, target: Target, config: AttackConfig, jit: bool | None = None) -> None:
        self.target = target
        self.config = config
        self._visit = compile_visit(in_precision(target, config.precision), config, jit)

    def __call__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        seed: int = 0,
        restart: int = 0,
        target_labels: np.ndarray | None = None,
        on_steps: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Attacks images once.

        Args:
            x: images. [N, H, W, C] float32 in [0, 1].
            y: labels. [N] integers.
            seed, restart: the start and the shuffles are a function of these two alone.
            target_labels: classes to be reached, for `targeted="labels"`. [N].
            on_steps: called with the image-steps done since its last call.

        Returns:
            Adversarial images in the order of x, inside ball and range. [N, H, W, C] float32.

        Raises:
            InputError: images or labels that don't fit the target, a gradient that is not finite,
                or a result outside the ball.
        """
        config = self.config
        x, y = check_images(self.target, x, y)
        labels = self._labels(x, y, target_labels)
        rng = np.random.default_rng((seed, restart))
        lower, upper = ball.bounds(x, config.eps, clip_range=config.clip_range)
        adv = self._start(x, rng)
        for batch in self._minibatches(len(x), rng):
            adv[batch] = self._visit(adv[batch], labels[batch], lower[batch], upper[batch]).numpy()
            self._check_gradients(adv, batch)
            if on_steps is not None:
                on_steps(len(batch) * config.steps_per_visit)
        ball.check(adv, x, config.eps, clip_range=config.clip_range)
        return adv

    def _check_gradients(self, adv: np.ndarray, batch: np.ndarray) -> None:
        bad = np.isnan(adv[batch, 0, 0, 0])
        if bad.any():
            image = batch[bad].min()
            raise InputError(
                f"{self.target.name}: {self.config.method}, {self.config.loss}: image {image}: "
                "expected a finite gradient, got one with nan or inf"
            )

    def _start(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        config = self.config
        if config.method in ("fgsm", "mi_fgsm"):
            return x.copy()
        if config.method == "rand_fgsm" and config.rand_fgsm == "tramer":
            start = ball.sign_start(x, config.eps / 2, rng)
        elif config.method == "rand_fgsm" or config.random_start:
            start = ball.uniform_start(x, config.eps, rng)
        else:
            return x.copy()
        return np.clip(start, 0, 1) if config.clip_start and config.clip_range else start

    def _minibatches(self, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Image indices of one visit after another: each round shuffles all images anew."""
        config = self.config
        for _ in range(config.gradients_per_image // config.steps_per_visit):
            order = rng.permutation(n) if config.method in PARTICLES else np.arange(n)
            for begin in range(0, n, config.batch_size):
                yield order[begin : begin + config.batch_size]

    def _labels(self, x: np.ndarray, y: np.ndarray, target_labels: np.ndarray | None) -> np.ndarray:
        targeted = self.config.targeted
        if (target_labels is not None) != (targeted == "labels"):
            raise InputError(
                f"target_labels: expected exactly with targeted='labels', got targeted={targeted!r}"
            )
        if targeted == "labels":
            return check_images(self.target, x, target_labels, "target_labels")[1]
        if targeted == "least_likely":
            return predict(self.target, x).argmin(axis=1)
        return y


def _one_of(choices: object) -> str:
    return f"one of {', '.join(get_args(choices))}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
