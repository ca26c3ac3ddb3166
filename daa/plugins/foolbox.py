"""DAA and every other method of this project as attacks of Foolbox, on TensorFlow models.

import foolbox
from daa.plugins.foolbox import DAABlob

model = foolbox.TensorFlowModel(keras_model, bounds=(0, 255))
raw, clipped, success = DAABlob().repeat(5)(model, images, labels, epsilons=[4, 8])
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from daa.attacks.methods import METHODS
from daa.errors import InputError, require
from daa.plugins.shared import Space, attack, missing
from daa.target import Bounds, Target

try:
    import eagerpy
    import foolbox
except ImportError:
    raise missing("daa.plugins.foolbox", "foolbox", "foolbox") from None


class DAA(foolbox.attacks.base.FixedEpsilonAttack):
    """An attack of this project.

    All images of a call are one data set, whose minibatches are the particles of DAA. Lengths are
    in the unit of the model's bounds, as everywhere in Foolbox.

    Args:
        method: a row of `daa.attacks.methods.METHODS`.
        rel_stepsize: length of a step as part of epsilon, for methods that read `step_size`.
        abs_stepsize: length of a step; None for `rel_stepsize`.
        restarts: number of runs; `repeat` multiplies it.
        seed: of all random numbers: the same seed gives the same images.
        options: more settings of `daa.AttackConfig`, as `steps`, `batch_size`, `loss`, `c` or
            `random_start`.
    """

    distance = foolbox.distances.linf

    def __init__(
        self,
        method: str = "blob",
        *,
        rel_stepsize: float = 0.01 / 0.3,
        abs_stepsize: float | None = None,
        restarts: int = 1,
        seed: int = 0,
        **options: Any,
    ) -> None:
        require(method in METHODS, "method", f"one of {', '.join(METHODS)}", method)
        self.method = method
        self.rel_stepsize = rel_stepsize
        self.abs_stepsize = abs_stepsize
        self.restarts = restarts
        self.seed = seed
        self.options = options
        self._last: tuple[Any, Space, Target] | None = None

    def repeat(self, times: int) -> DAA:
        """The same attack with `times` as many restarts, of which the worst one counts."""
        require(times >= 1, "times", "at least 1", times)
        repeated = copy.copy(self)
        repeated.restarts = times * self.restarts
        return repeated

    def run(self, model: Any, inputs: Any, criterion: Any, *, epsilon: float, **kwargs: Any) -> Any:
        """Adversarial versions of the inputs, inside the ball of one epsilon.

        Raises:
            InputError: something else than TensorFlow tensors, a criterion other than
                misclassification, or a model or settings that can't work.
        """
        foolbox.attacks.base.raise_if_kwargs(kwargs)
        x, restore = eagerpy.astensor_(inputs)
        if not isinstance(x, eagerpy.TensorFlowTensor):
            raise InputError(f"inputs: expected TensorFlow tensors, got {type(x).__name__}")
        if epsilon == 0:
            return inputs
        criterion = foolbox.attacks.base.get_criterion(criterion)
        space = Space(tuple(x.shape[1:]), Bounds(*map(float, model.bounds)))
        images = space.images(x.numpy())
        labels, classes = _labels(criterion, len(images))
        settings = {"method": self.method, "eps": space.length(epsilon), **self.options}
        if "step_size" in METHODS[self.method].defaults():
            step = self.rel_stepsize * epsilon if self.abs_stepsize is None else self.abs_stepsize
            settings.setdefault("step_size", space.length(step))
        adv = attack(
            self._target(model, space),
            settings,
            images,
            labels,
            restarts=self.restarts,
            seed=self.seed,
            target_labels=classes,
        )
        return restore(eagerpy.from_numpy(x, space.pixels(adv)))

    def _target(self, model: Any, space: Space) -> Target:
        """The target of a model, kept for the next epsilon."""
        if self._last is None or self._last[0] is not model or self._last[1] != space:
            self._last = (model, space, space.target(model, "foolbox/model"))
        return self._last[2]


class DAABlob(DAA):
    """DAA-BLOB, as `DAA("blob")`."""

    def __init__(self, **options: Any) -> None:
        super().__init__("blob", **options)


class DAADGF(DAA):
    """DAA-DGF, as `DAA("dgf")`."""

    def __init__(self, **options: Any) -> None:
        super().__init__("dgf", **options)


class AdaptiveDAA(DAA):
    """The adaptive attack, as `DAA("adaptive")`; `budget` is its mean of gradients per image."""

    def __init__(self, **options: Any) -> None:
        super().__init__("adaptive", **options)


def _labels(criterion: Any, images: int) -> tuple[np.ndarray, np.ndarray | None]:
    """True labels and classes to be reached; the labels mean nothing where there are classes."""
    if isinstance(criterion, foolbox.criteria.Misclassification):
        return criterion.labels.numpy(), None
    if isinstance(criterion, foolbox.criteria.TargetedMisclassification):
        return np.zeros(images, np.int64), criterion.target_classes.numpy()
    raise InputError(
        f"criterion: expected Misclassification or TargetedMisclassification, got {criterion!r}"
    )
