"""What the benchmark times: this project's steps, the bare gradient, the released recipe, peers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import pdist, squareform

from daa import Attack, AttackConfig, InputError, Target, checkpoints, directions, kernels
from daa.attack import Precision
from daa.ball import bounds
from daa.losses import xent
from daa.target import Bounds, in_precision
from daa.visit import compile_visit
from locuslab import model as locuslab
from madry_cifar10 import model as madry_cifar10
from madry_mnist import model as madry_mnist

EPS, STEP, C = 0.3, 0.01, 1.1
# Variables and input shape of each network; CIFAR10's is the narrow one of MadryLab's code.
NETWORKS = {
    "madry_mnist": (madry_mnist, madry_mnist.VARIABLES, (28, 28, 1)),
    "locuslab": (locuslab, locuslab.VARIABLES, (28, 28, 1)),
    "madry_cifar10": (
        madry_cifar10,
        madry_cifar10.variables_of(madry_cifar10.NARROW),
        (32, 32, 3),
    ),
}
Contestants = dict[str, Callable[[], object]]


def target(name: str) -> Target:
    """A network with random weights that keep the signal's scale (He), so no softmax saturates."""
    model, shapes, image_shape = NETWORKS[name]
    rng, arrays = np.random.default_rng(0), {}
    for key, shape in shapes.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if key.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        arrays[key] = (scale * rng.standard_normal(shape)).astype(np.float32)
        if key.endswith(("gamma", "moving_variance")):
            arrays[key] += 1
    if name == "locuslab":
        arrays = locuslab.to_tensorflow(arrays)
    variables = {key: tf.constant(value) for key, value in arrays.items()}
    half = getattr(model, "half", partial(checkpoints.cast, dtype=tf.bfloat16))
    return Target(
        f"{name}/random",
        model.network(variables),
        image_shape,
        10,
        bounds=getattr(model, "BOUNDS", Bounds()),
        half=lambda: model.network(half(variables)),
    )


def minibatch(shape: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((size, *shape), dtype=np.float32), rng.integers(0, 10, size)


def gradient_of(attacked: Target, y: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(xent(attacked(x), y))
        return tape.gradient(loss, x)

    return gradient


def steps_of(name: str, batch_size: int, steps: int) -> Contestants:
    """Steps of one minibatch by every method; each call makes `steps` of them."""
    attacked = target(name)
    images, labels = minibatch(attacked.image_shape, batch_size)
    lower, upper = (tf.constant(bound) for bound in bounds(images, EPS))
    x, y = tf.constant(images), tf.constant(labels)
    gradient = gradient_of(attacked, y)

    @tf.function
    def gradients() -> tf.Tensor:
        g = tf.zeros_like(x)
        for _ in tf.range(steps):
            g = gradient(x + 1e-12 * g)  # depends on the last one, so that none runs beside it
        return g

    runs: Contestants = {"gradient": gradients}
    shared = {"eps": EPS, "step_size": STEP, "steps": steps, "steps_per_shuffle": steps}
    for precision in get_args(Precision):
        for method in ("pgd", "momentum", "blob", "dgf"):
            config = AttackConfig(method, batch_size=batch_size, **shared)
            visit = compile_visit(in_precision(attacked, precision), config)
            label = method if precision == "float32" else f"{method}, {precision}"
            runs[label] = lambda visit=visit: visit(x, y, lower, upper)
    compiled = tf.function(gradient)
    box = (lower.numpy().astype(float), upper.numpy().astype(float))
    runs["released recipe, blob"] = lambda: released_blob(compiled, images, *box, steps)
    return runs


def released_blob(
    gradient: Callable, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, steps: int
) -> np.ndarray:
    """blob_rand.py step by step: a graph call gives the gradient, NumPy and SciPy do the rest."""
    m = len(x)
    x = x.astype(np.float64)
    for _ in range(steps):
        grad = gradient(tf.constant(x, tf.float32)).numpy().reshape(m, -1)
        rows = x.reshape(m, -1)
        d = squareform(pdist(rows)) ** 2
        h2 = 0.5 * np.median(d) / np.log(m)
        k = np.exp(-d / h2 / 2)
        repulsion = (rows * k.sum(axis=1)[:, None] - k @ rows) / h2
        v = grad + C / m * (k @ grad - repulsion)
        x = np.clip(x + STEP * np.sign(v).reshape(x.shape), lower, upper)
    return x


def parts_of(name: str, batch_size: int, steps: int) -> Contestants:
    """What a particle method adds to the gradient, piece by piece, `steps` times each."""
    images, _ = minibatch(NETWORKS[name][2], batch_size)
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


def attacks_of(name: str, batch_size: int, steps: int) -> Contestants:
    """Whole attacks of one minibatch from NumPy to NumPy: this project's and the peers'.

    Raises:
        InputError: a peer is not installed.
    """
    attacked = target(name)
    x, y = minibatch(attacked.image_shape, batch_size)
    shared = {"eps": EPS, "step_size": STEP, "steps": steps, "batch_size": batch_size}
    runs: Contestants = {}
    for method in ("pgd", "blob", "dgf"):
        attack = Attack(attacked, AttackConfig(method, **shared))
        runs[method] = lambda attack=attack: attack(x, y)
    return {
        **runs,
        "Foolbox LinfPGD": _foolbox(attacked, x, y, steps),
        "ART PGD": _art(attacked, x, y, steps),
    }


def _foolbox(attacked: Target, x: np.ndarray, y: np.ndarray, steps: int) -> Callable[[], object]:
    try:
        import foolbox
    except ImportError:
        raise InputError("peers: expected the package foolbox, got none") from None
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
        raise InputError("peers: expected adversarial-robustness-toolbox, got none") from None
    compiled = tf.function(attacked.__call__)
    classifier = TensorFlowV2Classifier(
        model=lambda images, training=False: compiled(images),
        nb_classes=10,
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
