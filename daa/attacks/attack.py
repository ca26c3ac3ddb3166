"""Algorithm 1: shuffle, split into minibatches, ascend each for some steps, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from daa import memory
from daa.attacks import components, directions, kernels, steps
from daa.attacks.components import Memory
from daa.attacks.losses import LOSSES, margin
from daa.attacks.methods import AttackConfig
from daa.errors import InputError, is_number, require, whole
from daa.target import Target, check_images, gradient_of, in_precision, predict, running
from daa.tensorflow import tf

Tensors = dict[str, Any]
# Largest rounding error of the images of a graph.
ROUNDING = 1e-5


class Attack:
    """An attack on a target, for any number of images and restarts.

        adv = Attack(target, config)(x, y, seed=0)

    Attacks on the same target that differ only in numbers (eps, step_size, steps, c, ...) share one
    compiled graph.

    Args:
        jit: compile with XLA; None for only on a GPU, because XLA is slower on a CPU.

    Raises:
        InputError: the config is a plan, or its loss needs more classes.
    """

    def __init__(self, target: Target, config: AttackConfig, jit: bool | None = None) -> None:
        self.target = target
        self.config = config
        if config.loss is None:
            raise InputError(f"method: expected an attack, got the plan {config.method!r}")
        least = LOSSES[config.loss].classes
        expected = f"at least {least} classes for {config.loss}"
        require(target.classes >= least, target.name, expected, target.classes)
        most = config.ball.largest(target.image_shape)
        require(config.eps <= most, "eps", f"at most {most:g} for {target.name}", config.eps)
        self.inner_loop = compile_inner_loop(in_precision(target, config.precision), config, jit)

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
        on_steps: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Attacks images once.

        Args:
            x: images. [N, H, W, C] float32 in [0, 1].
            y: labels. [N] integers.
            seed, restart: source of all random numbers.
            target_labels: target classes, for `targeted="labels"`. [N].
            ranks: ranks of the target classes, for an aim at the nearest classes. [N].
            first: first images instead of the start of the config, [N, H, W, C] float32; or several
                versions, [k, N, H, W, C], of which each image uses the one with the lowest margin.
            on_steps: called after each inner loop with its number of image-steps.

        Returns:
            Adversarial images in the order of x, inside ball and range. [N, H, W, C] float32.

        Raises:
            InputError: invalid images or labels, or a gradient with NaN or infinity.
        """
        config, method = self.config, self.config.method_spec
        seed, restart = whole(seed, "seed"), whole(restart, "restart")
        x, y = check_images(self.target, x, y)
        if (target_labels is not None) != (config.targeted == "labels"):
            raise InputError(
                "target_labels: expected classes with targeted='labels' and none otherwise, "
                f"got targeted={config.targeted!r}"
            )
        rng = np.random.default_rng((seed, restart))
        values = {name: getattr(config, name) for name in components.SHARED}
        values |= {**dict(config.options), "x": x, "y": y, "rng": rng, "restart": restart}
        values |= {"ball": config.ball, "target": self.target}
        values |= {"target_labels": target_labels, "ranks": ranks}
        if first is None:

            def start(x: np.ndarray, y: np.ndarray) -> np.ndarray:
                return components.call(method.start, {**values, "x": x, "y": y, "best": x})

            adv = memory.computed(start, x, y)
        elif first.ndim > x.ndim:
            versions = [self._inside(version, x) for version in first]
            adv = versions[0]
            if len(versions) > 1:
                margins = [self._margin(version, y) for version in versions]
                adv = np.stack(versions)[np.argmin(margins, axis=0), np.arange(len(y))]
        else:
            adv = memory.copy(first)
        labels, sign = components.call(method.aim, {**values, "adv": adv})
        if config.keep:
            adv = self._inside(adv, x)  # the first image may be the best one
        initial = {**components.initial(method.direction), **components.initial(method.step)}
        initial |= components.initial(directions.momentum) if config.reads("momentum") else {}
        initial |= components.initial(keep_best) if config.keep else {}
        remembered = {name: memory.computed(value, x) for name, value in initial.items()}
        settings = {"eps": config.eps, **dict(config.options)}
        numbers = {k: tf.constant(v, tf.float64) for k, v in settings.items() if is_number(v)}
        numbers["steps"] = tf.constant(config.steps_per_unit)
        numbers["sign"] = tf.constant(sign, tf.float32)
        size, inner = min(config.batch_size, len(x)), config.inner_steps
        noisy = "noise" in components.needs(method.step)
        for begin, batch in self._minibatches(len(x), rng):
            # Copies of its images pad a smaller last minibatch; they are not particles.
            rows = np.resize(batch, size)
            images = {"adv": adv[rows], "labels": labels[rows], "y": y[rows]}
            limits = config.ball.bounds(x[rows], config.eps, clip_range=config.clip_range)
            images |= {"limits": limits, "real": np.arange(size) < len(batch)}
            numbers |= {"begin": tf.constant(begin), "end": tf.constant(begin + inner)}
            # Random numbers of a graph would depend on the device.
            drawn = (inner, size, config.ball.noise_size(x.shape))
            noise = rng.random(drawn, np.float32) if noisy else np.zeros(0)
            with running(self.target):
                kept = {name: value[rows] for name, value in remembered.items()}
                noise = tf.constant(noise, tf.float32)
                moved, kept, finite = self.inner_loop(images, kept, numbers, noise)
            finite = finite.numpy()[: len(batch)]
            if not finite.all():
                raise InputError(
                    f"{self.target.name}: {config.method}, {config.loss}: image "
                    f"{batch[~finite].min()}: expected a finite gradient, got one with nan or inf"
                )
            adv[batch] = moved.numpy()[: len(batch)]
            for name, value in kept.items():
                remembered[name][batch] = value.numpy()[: len(batch)]
            if on_steps is not None:
                on_steps(len(batch) * inner)
        if config.keep:
            worse = np.flatnonzero(remembered["best_margin"] < self._margin(adv, y))
            memory.put(adv, worse, remembered["best"], worse)
        self._inside(adv, x, adv)
        config.ball.check(adv, x, config.eps, clip_range=config.clip_range)
        return adv

    def _inside(
        self, adv: np.ndarray, x: np.ndarray, result: np.ndarray | None = None
    ) -> np.ndarray:
        """Images inside ball and range, in minibatches to save memory.

        Images in `result` are only corrected for the rounding error of a graph.
        """
        config = self.config
        most = np.inf if result is None else ROUNDING
        result = memory.empty(x.shape) if result is None else result
        for k in range(0, len(x), config.batch_size):
            rows = slice(k, k + config.batch_size)
            moved = config.ball.inside(adv[rows], x[rows], config.eps, clip_range=config.clip_range)
            if not np.abs(moved - adv[rows]).max() > most:
                result[rows] = moved
        return result

    def _margin(self, adv: np.ndarray, y: np.ndarray) -> np.ndarray:
        return margin(predict(self.target, adv), y).numpy()

    def _minibatches(self, n: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
        """First step and image indices of each inner loop; particles are shuffled every round."""
        config = self.config
        for begin in range(0, config.steps_per_unit, config.inner_steps):
            order = rng.permutation(n) if config.method_spec.particles else np.arange(n)
            for k in range(0, n, config.batch_size):
                yield begin, order[k : k + config.batch_size]


@components.remembers(best=np.copy, best_margin=lambda x: np.full(len(x), np.inf, np.float32))
def keep_best(adv: tf.Tensor, logits: tf.Tensor, y: tf.Tensor, memory: Memory) -> Memory:
    """Remembers the image with the lowest margin of all steps, and this margin."""
    now = margin(logits, y)
    lower = now < memory["best_margin"]
    best = tf.where(steps.along(lower, adv), adv, memory["best"])
    return {**memory, "best": best, "best_margin": tf.minimum(now, memory["best_margin"])}


def compile_inner_loop(
    target: Target, config: AttackConfig, jit: bool | None
) -> Callable[..., Any]:
    """Compiles all steps of a minibatch between two shuffles as one graph.

    The graph never returns to Python, so on a GPU the final copy is the only synchronization. It is
    traced once per minibatch size.

    Returns:
        A function of four arguments: `adv`, `labels` of the aim, true labels `y`, `limits` of the
        ball, and `real`, False for padding rows (name: [M, ...]); memory (name: [M, ...]);
        `sign`, first step `begin`, last step + 1 `end`, and numeric settings (name: scalar); noise
        for steps that need it ([steps, M, numbers]). It returns the new images, the new memory, and
        whether the gradient of each image was finite. A single gradient with NaN or infinity makes
        all images invalid.
    """
    jit = (kernels.on_gpu() if jit is None else jit) and target.xla
    method, loss = config.method_spec, LOSSES[str(config.loss)].function
    blocks = tuple(block for block in ("momentum", "keep", "scale") if config.reads(block))
    texts = {name: v for name, v in config.options if isinstance(v, (str, bool))}
    texts["clip_range"] = config.clip_range
    ball = config.ball
    key = (ball, method.direction, method.step, loss, *sorted(texts.items()), jit, blocks)
    true_labels = "y" in components.needs(loss)
    noisy = "noise" in components.needs(method.step)

    def inner_loop(
        images: Tensors, memory: Memory, numbers: Tensors, noise: tf.Tensor
    ) -> tuple[tf.Tensor, Memory, tf.Tensor]:
        y = images["y"]
        single = {
            name: tf.cast(number, images["adv"].dtype) if number.dtype == tf.float64 else number
            for name, number in numbers.items()
        }

        def signed(logits: tf.Tensor) -> tf.Tensor:
            if "scale" in blocks:
                logits = tf.cast(numbers["scale"], logits.dtype) * logits
            arguments = (logits, images["labels"], y) if true_labels else (logits, images["labels"])
            return numbers["sign"] * loss(*arguments)

        def call(component: Any, memory: Memory, values: dict[str, Any]) -> Any:
            options = numbers if hasattr(component, "double") else single
            known = {**texts, **options, **images, **values, "ball": ball, "memory": memory}
            result = components.call(component, known)
            return result if hasattr(component, "initial") else (result, memory)

        def step(
            k: tf.Tensor, adv: tf.Tensor, memory: Memory, finite: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, Memory, tf.Tensor]:
            values: dict[str, Any] = {"x": adv, "adv": adv, "k": k}
            if noisy:
                values["noise"] = noise[k - numbers["begin"]]
            if method.direction is directions.nowhere:
                logits = target(adv)
                values |= {"logits": logits, "losses": signed(logits)}
                now = tf.math.is_finite(tf.reduce_sum(logits, axis=1))
            else:
                grad, losses, logits = gradient_of(target, signed, adv)
                values |= {"grad": grad, "logits": logits, "losses": losses}
                values["gradient"] = lambda x: gradient_of(target, signed, x)[0]
                # The sum is finite if all its terms are, and cheaper than a test of each term.
                now = tf.math.is_finite(tf.reduce_sum(grad, axis=range(1, grad.shape.rank)))
            # The particles spread NaN, so only the first such step identifies the image.
            finite = tf.where(tf.reduce_all(finite), now, finite)
            if "keep" in blocks:
                memory = keep_best(adv, logits, y, memory)
            v, memory = call(method.direction, memory, values)
            if "momentum" in blocks:
                v, memory = directions.momentum(v, memory, decay=numbers["momentum"])
            moved, memory = call(method.step, memory, {**values, "v": v})
            return k + 1, ball.project(moved, *images["limits"]), memory, finite

        state = (numbers["begin"], images["adv"], memory, tf.ones_like(images["real"]))
        with kernels.traced_for_xla(bool(jit)):
            return tf.while_loop(lambda k, *_: k < numbers["end"], step, state)[1:]

    # A new partial per graph: TensorFlow would warn of retracing the same function.
    graph = partial(tf.function, autograph=False, jit_compile=jit)
    return target.compiled(key, lambda: graph(partial(inner_loop)))
