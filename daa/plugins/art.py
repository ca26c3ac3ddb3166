"""DAA and every other method of this project as an attack of ART, on TensorFlowV2Classifier.

from art.attacks.evasion import AutoAttack
from daa.plugins.art import DAA

attack = DAA(classifier, method="blob", eps=8, eps_step=2)
adv = attack.generate(x, y)
AutoAttack(classifier, eps=8, attacks=[attack, ...]).generate(x, y)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from daa.attacks.methods import METHODS
from daa.errors import InputError, require
from daa.plugins.shared import Space, attack, missing
from daa.target import Bounds, Target

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about libraries that ART would like, too
        from art.attacks import EvasionAttack
        from art.estimators.classification import TensorFlowV2Classifier
        from art.utils import check_and_transform_label_format
except ImportError:
    raise missing(
        "daa.plugins.art", "adversarial-robustness-toolbox", "adversarial-robustness-toolbox"
    ) from None


class DAA(EvasionAttack):
    """An attack of this project.

    All images of a call are one data set, whose minibatches are the particles of DAA. Lengths are
    in the unit of the classifier's `clip_values`, which it must have.

    Args:
        estimator: the classifier. Its preprocessing must be TensorFlow's, not NumPy's.
        method: a row of `daa.attacks.methods.METHODS`.
        eps: radius of the L-infinity ball.
        eps_step: length of a step, for methods that read `step_size`; None for eps / 30.
        targeted: whether `y` are the classes to be reached.
        restarts: number of runs, of which the worst one counts.
        seed: of all random numbers: the same seed gives the same images.
        options: more settings of `daa.AttackConfig`, as {"steps": 100, "c": 1.1}.
    """

    attack_params = [  # noqa: RUF012  (ART's name)
        *EvasionAttack.attack_params,
        "method",
        "eps",
        "eps_step",
        "targeted",
        "restarts",
        "seed",
        "options",
    ]
    _estimator_requirements = (TensorFlowV2Classifier,)

    def __init__(
        self,
        estimator: Any,
        method: str = "blob",
        *,
        eps: float = 0.3,
        eps_step: float | None = None,
        targeted: bool = False,
        restarts: int = 1,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(estimator=estimator)
        self.method = method
        self.eps = eps
        self.eps_step = eps_step
        self.targeted = targeted
        self.restarts = restarts
        self.seed = seed
        self.options = dict(options or {})
        self._made: Target | None = None
        self._check_params()

    def generate(self, x: np.ndarray, y: np.ndarray | None = None, **kwargs: Any) -> np.ndarray:
        """Adversarial versions of images.

        Args:
            x: images in the unit of `clip_values`. [N, ...].
            y: labels, [N] or one-hot [N, K]; None for the classifier's own, which then count as
                true. The classes to be reached of a targeted attack.

        Raises:
            InputError: a targeted attack without classes, or settings that can't work.
        """
        require(not kwargs, "generate", "no other arguments than x and y", list(kwargs))
        if y is None:
            require(not self.targeted, "y", "the classes to be reached", None)
            y = self.estimator.predict(x)
        y = check_and_transform_label_format(y, nb_classes=self.estimator.nb_classes)
        labels = np.argmax(y, axis=1)
        space = self._space()
        settings = {"method": self.method, "eps": space.length(self.eps), **self.options}
        if "step_size" in METHODS[self.method].defaults():
            step = self.eps / 30 if self.eps_step is None else self.eps_step
            settings.setdefault("step_size", space.length(step))
        if self._made is None:
            self._made = space.target(self._logits, "art/classifier")
        adv = attack(
            self._made,
            settings,
            space.images(x),
            labels,
            restarts=self.restarts,
            seed=self.seed,
            target_labels=labels if self.targeted else None,
        )
        return space.pixels(adv)

    def _logits(self, x: Any) -> Any:
        return self.estimator._predict_framework(x)

    def _space(self) -> Space:
        shape = tuple(self.estimator.input_shape)
        low, high = (np.unique(value) for value in self.estimator.clip_values)
        fits = len(low) == len(high) == 1
        require(fits, "clip_values", "one range for all pixels", self.estimator.clip_values)
        return Space(shape, Bounds(float(low[0]), float(high[0])))

    def _check_params(self) -> None:
        super()._check_params()
        if not hasattr(self, "options"):  # ART calls this before there is anything to check
            return
        require(self.method in METHODS, "method", f"one of {', '.join(METHODS)}", self.method)
        if self.estimator.clip_values is None:
            raise InputError("clip_values: expected the range of the pixels, got None")
