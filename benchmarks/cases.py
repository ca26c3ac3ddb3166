"""Functions that the benchmark times: attack steps, bare gradients, other libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np
from scipy.spatial.distance import pdist, squareform

import locuslab.model
import madry_cifar10.model
import madry_mnist.model
from daa.attacks import directions, kernels
from daa.attacks.attack import Attack
from daa.attacks.ball import bounds
from daa.attacks.losses import xent
from daa.attacks.methods import METHODS, AttackConfig
from daa.evaluation.device_check import recorded_steps
from daa.plugins.shared import missing
from daa.target import Precision, Target, gradient_of
from daa.tensorflow import tf

EPS, STEP, C = 0.3, 0.01, 1.1
# The CIFAR10 network is the narrow variant of MadryLab's code.
NETWORKS = {
    "madry_mnist": madry_mnist.model.MODEL,
    "locuslab": locuslab.model.MODEL,
    "madry_cifar10": madry_cifar10.model.NARROW,
}
Cases = dict[str, Callable[[], object]]


def target(name: str) -> Target:
    """A network with He-normal weights, so no softmax saturates."""
    rng, arrays = np.random.default_rng(0), {}
    for key, shape in NETWORKS[name].variables.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if key.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        arrays[key] = (scale * rng.standard_normal(shape)).astype(np.float32)
        if key.endswith(("gamma", "moving_variance")):
            arrays[key] += 1
    return NETWORKS[name].target(f"{name}/random", arrays)


def minibatch(shape: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels. [size, H, W, C] float32 and [size]."""
    rng = np.random.default_rng(0)
    return rng.random((size, *shape), dtype=np.float32), rng.integers(0, 10, size)


def steps_of(name: str, batch_size: int, steps: int) -> Cases:
    """Steps of every method on one minibatch; each call makes `steps` steps."""
    attacked = target(name)
    images, labels = minibatch(attacked.image_shape, batch_size)
    x, y = tf.constant(images), tf.constant(labels)

    def gradient(x: tf.Tensor) -> tf.Tensor:
        return gradient_of(attacked, xent, x, y)[0]

    @tf.function
    def gradients() -> tf.Tensor:
        g = tf.zeros_like(x)
        for _ in tf.range(steps):
            # Each gradient depends on the last one, so that TensorFlow runs them in sequence.
            g = gradient(x + 1e-12 * g)
        return g

    runs: Cases = {"gradient": gradients}
    for precision in get_args(Precision):
        for method in ("pgd", "momentum", "blob", "dgf"):
            config = AttackConfig(
                method,
                eps=EPS,
                batch_size=batch_size,
                precision=precision,
                step_size=STEP,
                steps=steps,
                # One inner loop, without shuffles.
                steps_per_shuffle=steps if METHODS[method].particles else None,
            )
            attack = Attack(attacked, config)
            label = method if precision == "float32" else f"{method}, {precision}"
            runs[label] = _inner_loop(attack, images, labels)
    compiled = tf.function(gradient)
    lower, upper = (bound.astype(float) for bound in bounds(images, EPS))
    runs["released recipe, blob"] = lambda: released_blob(compiled, images, lower, upper, steps)
    return runs


def _inner_loop(attack: Attack, images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    """A call that repeats the steps of the first minibatch of an attack."""
    steps, arguments = recorded_steps(attack, images, labels)
    return lambda: steps(*arguments)[0]


def released_blob(
    gradient: Callable, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, steps: int
) -> np.ndarray:
    """Steps of blob_rand.py: a TensorFlow gradient, and NumPy and SciPy for the rest."""
    m = len(x)
    x = x.astype(np.float64)
    for _ in range(steps):
        grad = gradient(tf.constant(x, tf.float32)).numpy().reshape(m, -1)
        rows = x.reshape(m, -1)
        d = squareform(pdist(rows)) ** 2
        h2 = 0.5 * np.median(d) / np.log(m)
        k = np.exp(-d / h2 / 2)
        kernel_gradient = (rows * k.sum(axis=1)[:, None] - k @ rows) / h2
        v = grad + C / m * (k @ grad - kernel_gradient)
        x = np.clip(x + STEP * np.sign(v).reshape(x.shape), lower, upper)
    return x


def parts_of(name: str, batch_size: int, steps: int) -> Cases:
    """The operations that particle methods add to the gradient, `steps` times each."""
    images, _ = minibatch(NETWORKS[name].image_shape, batch_size)
    x = tf.constant(images)
    rows = tf.reshape(x, [batch_size, -1])
    d = kernels.squared_distances(rows)
    upper = d[tf.linalg.band_part(tf.ones_like(d), 0, -1) > tf.eye(batch_size)]

    def repeated(part: Callable[[tf.Tensor], tf.Tensor], argument: tf.Tensor) -> Callable:
        @tf.function
        def run() -> tf.Tensor:
            total = tf.zeros([])
            for _ in tf.range(steps):
                total = tf.reduce_sum(part(argument + 1e-30 * total))
            return total

        return run

    return {
        "nothing": repeated(lambda v: v, x),
        "squared distances": repeated(kernels.squared_distances, rows),
        "median by selection": repeated(kernels.median, d),
        "median by sorting the upper triangle": repeated(tf.sort, upper),
        "median by sorting the whole matrix": repeated(lambda v: tf.sort(tf.reshape(v, [-1])), d),
        "direction of blob": repeated(lambda v: directions.blob(v, x, c=C), x),
        "direction of dgf": repeated(lambda v: directions.dgf(v, x, c=0.001), x),
    }


def attacks_of(name: str, batch_size: int, steps: int) -> Cases:
    """Complete attacks on one minibatch, from NumPy to NumPy, by this project and other libraries.

    Raises:
        InputError: Foolbox or ART is not installed.
    """
    attacked = target(name)
    x, y = minibatch(attacked.image_shape, batch_size)
    runs: Cases = {}
    for method in ("pgd", "blob", "dgf"):
        config = AttackConfig(method, eps=EPS, step_size=STEP, steps=steps, batch_size=batch_size)
        runs[method] = partial(Attack(attacked, config), x, y)
    return {
        **runs,
        "Foolbox LinfPGD": _foolbox(attacked, x, y, steps),
        "ART PGD": _art(attacked, x, y, steps),
    }


def _foolbox(attacked: Target, x: np.ndarray, y: np.ndarray, steps: int) -> Callable[[], object]:
    try:
        import foolbox
    except ImportError:
        raise missing("benchmark", "foolbox") from None
    model = foolbox.TensorFlowModel(tf.function(attacked.__call__), bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=steps, random_start=True)

    def run() -> np.ndarray:
        adversarials, _, _ = attack(model, tf.constant(x), tf.constant(y), epsilons=EPS)
        return adversarials.numpy()

    return run


def _art(attacked: Target, x: np.ndarray, y: np.ndarray, steps: int) -> Callable[[], object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from art.attacks.evasion import ProjectedGradientDescent
            from art.estimators.classification import TensorFlowV2Classifier
    except ImportError:
        raise missing("benchmark", "adversarial-robustness-toolbox") from None
    compiled = tf.function(attacked.__call__)
    classifier = TensorFlowV2Classifier(
        model=lambda images, training=False: compiled(images),
        nb_classes=attacked.classes,
        input_shape=attacked.image_shape,
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )
    attack = ProjectedGradientDescent(
        classifier,
        eps=EPS,
        eps_step=STEP,
        max_iter=steps,
        num_random_init=1,
        batch_size=len(x),
        verbose=False,
    )
    return lambda: attack.generate(x, y)
