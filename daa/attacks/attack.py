"""Algorithm 1: shuffle, split into minibatches, ascend each for some steps, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from daa import storage
from daa.attacks import ball, directions, kernels
from daa.attacks import components as parts
from daa.attacks.losses import LOSSES, margin
from daa.attacks.methods import AttackConfig
from daa.errors import InputError, require
from daa.target import Target, check_images, gradient_of, in_precision, predict, running
from daa.tensorflow import tf


class Attack:
    """An attack on a target, for any number of images and restarts.

        adv = Attack(target, config)(x, y, seed=0)

    Attacks of one target that differ in numbers alone (eps, step_size, steps, c, ...) share one
    compiled graph.

    Args:
        target: the classifier.
        config: the attack.
        jit: compile with XLA; None where there is a GPU, as it is slower on a CPU.
    """

    def __init__(self, target: Target, config: AttackConfig, jit: bool | None = None) -> None:
        self.target = target
        self.config = config
        if config.loss is None:
            raise InputError(f"method: expected an attack, got the plan {config.method!r}")
        least = LOSSES[config.loss].classes
        expected = f"at least {least} classes for {config.loss}"
        require(target.classes >= least, target.name, expected, target.classes)
        self.visit = compile_visit(in_precision(target, config.precision), config, jit)

    def __call__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        seed: int = 0,
        restart: int = 0,
        target_labels: np.ndarray | None = None,
        ranks: np.ndarray | None = None,
        first: np.ndarray | None = None,
        best: np.ndarray | None = None,
        on_steps: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Attacks images once.

        Args:
            x: images. [N, H, W, C] float32 in [0, 1].
            y: labels. [N] integers.
            seed, restart: the start and the shuffles are a function of these two alone.
            target_labels: classes to be reached, for `targeted="labels"`. [N].
            ranks: ranks of the classes to be reached, for an aim at the nearest ones. [N].
            first: first images instead of those of the config's start, [N, H, W, C] float32; or
                several versions, [k, N, H, W, C], of which each image takes the one with the
                lowest margin.
            best: worst version of each image so far, for starts that go on from there. None for
                the images themselves. [N, H, W, C] float32.
            on_steps: called with the image-steps done since its last call.

        Returns:
            Adversarial images in the order of x, inside ball and range. [N, H, W, C] float32.

        Raises:
            InputError: images or labels that don't fit the target, a gradient that is not finite,
                or a result outside the ball.
        """
        config, method = self.config, self.config.parts
        for name, number in {"seed": seed, "restart": restart}.items():
            fits = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
            require(fits and number >= 0, name, "a whole number >= 0", number)
        x, y = check_images(self.target, x, y)
        by_labels = config.targeted == "labels"
        if (target_labels is not None) != by_labels:
            raise InputError(
                "target_labels: expected classes with targeted='labels' and none otherwise, "
                f"got targeted={config.targeted!r}"
            )
        rng = np.random.default_rng((seed, restart))
        shared = {name: getattr(config, name) for name in parts.SHARED}
        known = {**shared, **dict(config.options), "x": x, "y": y, "rng": rng}
        known |= {"target": self.target, "target_labels": target_labels, "ranks": ranks}
        known |= {"restart": restart}

        def start(x: np.ndarray, y: np.ndarray, best: np.ndarray) -> np.ndarray:
            return parts.call(method.start, {**known, "x": x, "y": y, "best": best})

        if first is None:
            adv = storage.computed(start, x, y, x if best is None else best)
        elif first.ndim == 5:
            adv = self._lowest(np.stack([self._inside(version, x) for version in first]), y)
        else:
            adv = storage.copy(first)
        labels, sign = parts.call(method.aim, {**known, "adv": adv})
        if config.keep:
            adv = self._inside(adv, x)  # the first image may be the best one
        memory = {name: storage.computed(first, x) for name, first in initial(config).items()}
        numbers = _numbers(config)
        size = min(config.batch_size, len(x))
        for begin, batch in self._minibatches(len(x), rng):
            # A last, smaller minibatch is filled up with its own images, which then don't count.
            rows = np.resize(batch, size)
            # Of the whole data set, the bounds would take as much memory as all else together.
            lower, upper = self._bounds(x[rows])
            with running(self.target):
                found, kept, finite = self.visit(
                    *(array[rows] for array in (adv, labels, y)),
                    lower,
                    upper,
                    np.arange(size) < len(batch),
                    {name: value[rows] for name, value in memory.items()},
                    tf.constant(sign, tf.float32),
                    tf.constant(begin),
                    tf.constant(begin + config.steps_per_visit),
                    tf.constant(self._noise(rng, rows.size)),
                    numbers,
                )
            self._check_gradients(finite.numpy()[: len(batch)], batch)
            adv[batch] = found.numpy()[: len(batch)]
            for name, value in kept.items():
                memory[name][batch] = value.numpy()[: len(batch)]
            if on_steps is not None:
                on_steps(len(batch) * config.steps_per_visit)
        if config.keep:
            last = margin(predict(self.target, adv), y).numpy()
            worse = np.flatnonzero(memory["best_margin"] < last)
            storage.put(adv, worse, memory["best"], worse)
        ball.check(adv, x, config.eps, clip_range=config.clip_range)
        return adv

    def _bounds(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return ball.bounds(x, self.config.eps, clip_range=self.config.clip_range)

    def _inside(self, adv: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Images inside ball and range, one minibatch after another. [N, H, W, C]."""
        found = storage.empty(x.shape)
        for k in range(0, len(x), self.config.batch_size):
            part = slice(k, k + self.config.batch_size)
            found[part] = np.clip(adv[part], *self._bounds(x[part]))
        return found

    def _lowest(self, versions: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of several versions of each image the one with the lowest margin."""
        if len(versions) == 1:
            return versions[0]
        margins = [margin(predict(self.target, adv), y).numpy() for adv in versions]
        return versions[np.argmin(margins, axis=0), np.arange(len(y))]

    def _check_gradients(self, finite: np.ndarray, batch: np.ndarray) -> None:
        if not finite.all():
            raise InputError(
                f"{self.target.name}: {self.config.method}, {self.config.loss}: "
                f"image {batch[~finite].min()}: expected a finite gradient, got one with nan or inf"
            )

    def _noise(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Random numbers of a visit: drawn here, as those of a graph depend on the device."""
        if "noise" not in parts.needs(self.config.parts.step):
            return np.zeros(0, np.float32)
        channels = self.target.image_shape[-1]
        return rng.random((self.config.steps_per_visit, size, 2 + channels), dtype=np.float32)

    def _minibatches(self, n: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
        """First step and image indices of one visit after another; each round shuffles anew."""
        config = self.config
        for begin in range(0, config.steps_per_unit, config.steps_per_visit):
            order = rng.permutation(n) if config.parts.particles else np.arange(n)
            for k in range(0, n, config.batch_size):
                yield begin, order[k : k + config.batch_size]


def initial(config: AttackConfig) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """How what an attack remembers begins: {name: function of the images}."""
    found = [config.parts.direction, config.parts.step]
    found += [directions.momentum] if config.momentum is not None else []
    found += [keep_best] if config.keep else []
    return {name: first for part in found for name, first in parts.initial(part).items()}


@parts.remembers(best=np.copy, best_margin=lambda x: np.full(len(x), np.inf, np.float32))
def keep_best(
    adv: tf.Tensor, logits: tf.Tensor, y: tf.Tensor, memory: parts.Memory
) -> parts.Memory:
    """Remembers the image with the lowest margin on the way, and that margin."""
    now = margin(logits, y)
    lower = now < memory["best_margin"]
    best = tf.where(lower[:, None, None, None], adv, memory["best"])
    return {**memory, "best": best, "best_margin": tf.minimum(now, memory["best_margin"])}


def _numbers(config: AttackConfig) -> dict[str, tf.Tensor]:
    """The settings that enter the graph as tensors, so that it is the same for all values."""
    values = {"eps": config.eps, **dict(config.options), "steps": config.steps_per_unit}
    found = {}
    for name, value in values.items():
        if parts.is_number(value):
            dtype = tf.int32 if name == "steps" else tf.float64
            found[name] = tf.constant(value, dtype)
    return found


def compile_visit(target: Target, config: AttackConfig, jit: bool | None = None) -> Callable:
    """What a minibatch goes through before it is shuffled again, as one graph.

    The graph never returns to Python in between, so on a GPU everything stays there and one copy
    back is the only synchronisation. It is traced once per size of the minibatch.

    Returns:
        A function of images, labels aimed at, true labels, lower and upper bounds ([M, ...] each),
        `real` ([M] bool, false for rows that only fill the minibatch up), memory (name: [M, ...]),
        sign, first step, the step after the last one, noise of the steps that ask for it
        ([steps, M, 2 + C]), and the settings that are numbers (name: scalar). It returns the new
        images, the new memory, and for each image whether its gradient was finite. If one was not,
        no image means anything.
    """
    jit = (kernels.on_gpu() if jit is None else jit) and target.xla
    method, loss = config.parts, LOSSES[str(config.loss)].function
    blocks = tuple(block for block in ("momentum", "keep", "scale") if config.reads(block))
    texts = {name: v for name, v in config.options if isinstance(v, (str, bool))}
    shared = {"clip_range": config.clip_range}
    key = (
        method.direction,
        method.step,
        loss,
        *sorted(texts.items()),
        config.clip_range,
        jit,
        blocks,
    )
    true_labels, noisy = "y" in parts.needs(loss), "noise" in parts.needs(method.step)

    def compile() -> Callable:
        def visit(
            adv: tf.Tensor,
            labels: tf.Tensor,
            y: tf.Tensor,
            lower: tf.Tensor,
            upper: tf.Tensor,
            real: tf.Tensor,
            memory: parts.Memory,
            sign: tf.Tensor,
            begin: tf.Tensor,
            end: tf.Tensor,
            noise: tf.Tensor,
            numbers: dict[str, tf.Tensor],
        ) -> tuple[tf.Tensor, parts.Memory, tf.Tensor]:
            def signed(logits: tf.Tensor) -> tf.Tensor:
                if "scale" in blocks:
                    logits = tf.cast(numbers["scale"], logits.dtype) * logits
                return sign * (loss(logits, labels, y) if true_labels else loss(logits, labels))

            def part(function: parts.Part, memory: parts.Memory, **more: Any) -> Any:
                known = {**shared, **texts, **numbers, "real": real, "labels": labels, "y": y}
                found = parts.call(function, {**known, "memory": memory, **more})
                return found if hasattr(function, "initial") else (found, memory)

            def step(
                k: tf.Tensor, adv: tf.Tensor, memory: parts.Memory, finite: tf.Tensor
            ) -> tuple[tf.Tensor, tf.Tensor, parts.Memory, tf.Tensor]:
                known = {"x": adv, "adv": adv, "lower": lower, "upper": upper, "k": k}
                if noisy:
                    known["noise"] = noise[k - begin]
                if method.direction is directions.nowhere:
                    logits = target(adv)
                    known |= {"logits": logits, "losses": signed(logits)}
                    now = tf.math.is_finite(tf.reduce_sum(logits, axis=1))
                else:
                    grad, losses, logits = gradient_of(target, signed, adv)
                    known |= {"grad": grad, "logits": logits, "losses": losses}
                    known["gradient"] = lambda x: gradient_of(target, signed, x)[0]
                    # A sum is as finite as its terms, and costs less than a look at each of them.
                    now = tf.math.is_finite(tf.reduce_sum(grad, axis=[1, 2, 3]))
                # Once one gradient is not finite, the particles spread it, so only the first step
                # tells whose it was.
                finite = tf.where(tf.reduce_all(finite), now, finite)
                if "keep" in blocks:
                    memory = keep_best(adv, logits, y, memory)
                v, memory = part(method.direction, memory, **known)
                if "momentum" in blocks:
                    v, memory = directions.momentum(v, memory, decay=numbers["momentum"])
                moved, memory = part(method.step, memory, **{**known, "v": v})
                return k + 1, ball.project(moved, lower, upper), memory, finite

            first = (begin, adv, memory, tf.ones_like(real))
            with kernels.traced_for_xla(bool(jit)):
                return tf.while_loop(lambda k, *_: k < end, step, first)[1:]

        # TensorFlow takes graphs of one piece of code for needless retracing, and warns. A partial
        # is one of its own.
        return tf.function(partial(visit), autograph=False, jit_compile=jit)

    return target.compiled(key, compile)
