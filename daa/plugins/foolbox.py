"""The methods of this project as attacks of Foolbox, on TensorFlow models.

import foolbox
from daa.plugins.foolbox import DAABlob

model = foolbox.TensorFlowModel(keras_model, bounds=(0, 255))
raw, clipped, success = DAABlob().repeat(5)(model, images, labels, epsilons=[4, 8])
"""

import copy
from functools import partial
from typing import Any, Literal

import numpy as np

from daa.attacks.components import checked
from daa.errors import InputError, require
from daa.plugins.shared import Space, attack, check_method, missing
from daa.target import Bounds, Target

try:
    import eagerpy
    import foolbox
except ImportError:
    raise missing("daa.plugins.foolbox", "foolbox") from None


class DAA(foolbox.attacks.base.FixedEpsilonAttack):
    """An attack of this project.

    The images of a call form the minibatches, which are the particles of DAA. Lengths are in the
    unit of the model's bounds, as everywhere in Foolbox.

    Args:
        method: a row of `daa.attacks.methods.METHODS`.
        rel_stepsize: length of a step as a fraction of epsilon, for methods with `step_size`.
        abs_stepsize: length of a step; None for `rel_stepsize`.
        norm: of the ball, linf or l2.
        restarts: number of runs; `repeat` multiplies it.
        seed: source of all random numbers.
        options: further settings of `daa.AttackConfig`, as `steps`, `batch_size`, `loss`, `c` or
            `random_start`.
    """

    def __init__(
        self,
        method: str = "blob",
        *,
        rel_stepsize: float = 0.01 / 0.3,
        abs_stepsize: float | None = None,
        norm: str = "linf",
        restarts: int = 1,
        seed: int = 0,
        **options: Any,
    ) -> None:
        check_method(method)
        self.method = method
        checked("norm", norm, Literal["linf", "l2"])
        self.rel_stepsize = rel_stepsize
        self.abs_stepsize = abs_stepsize
        self.restarts = restarts
        self.seed = seed
        self.options = {"norm": norm, **options}
        self._last: tuple[Any, Space, Target] | None = None

    @property
    def distance(self) -> Any:
        """Foolbox's distance in the norm."""
        return getattr(foolbox.distances, self.options["norm"])

    def repeat(self, times: int) -> "DAA":
        """The same attack with `times` as many restarts; the worst result counts."""
        require(times >= 1, "times", "at least 1", times)
        repeated = copy.copy(self)
        repeated.restarts = times * self.restarts
        return repeated

    def run(self, model: Any, inputs: Any, criterion: Any, *, epsilon: float, **kwargs: Any) -> Any:
        """Adversarial versions of the inputs, inside the ball of one epsilon.

        Raises:
            InputError: the inputs are not TensorFlow tensors, the criterion is not
                misclassification, or the model or the settings are invalid.
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
        step = self.rel_stepsize * epsilon if self.abs_stepsize is None else self.abs_stepsize
        # Foolbox calls once per epsilon: all calls share a target and its compiled graphs.
        if self._last is None or self._last[0] is not model or self._last[1] != space:
            self._last = (model, space, space.target(model, "foolbox/model"))
        settings = space.settings(self.method, epsilon, step, self.options)
        runs = {"restarts": self.restarts, "seed": self.seed}
        adv = attack(self._last[2], settings, images, labels, classes, **runs)
        return restore(eagerpy.from_numpy(x, space.pixels(adv)))


DAABlob = partial(DAA, "blob")
DAADGF = partial(DAA, "dgf")
AdaptiveDAA = partial(DAA, "adaptive")


def _labels(criterion: Any, images: int) -> tuple[np.ndarray, np.ndarray | None]:
    """True labels and target classes; a targeted attack ignores the true labels."""
    if isinstance(criterion, foolbox.criteria.Misclassification):
        return criterion.labels.numpy(), None
    if isinstance(criterion, foolbox.criteria.TargetedMisclassification):
        return np.zeros(images, np.int64), criterion.target_classes.numpy()
    raise InputError(
        f"criterion: expected Misclassification or TargetedMisclassification, got {criterion!r}"
    )
