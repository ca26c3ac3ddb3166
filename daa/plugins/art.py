"""The methods of this project as an attack of ART, on TensorFlowV2Classifier.

from art.attacks.evasion import AutoAttack
from daa.plugins.art import DAA

attack = DAA(classifier, method="blob", eps=8, eps_step=2)
adv = attack.generate(x, y)
AutoAttack(classifier, eps=8, attacks=[attack, ...]).generate(x, y)
"""

import warnings
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.plugins.shared import Space, attack, check_method, missing
from daa.target import Bounds, Target

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ART warns about missing optional packages
        from art.attacks import EvasionAttack
        from art.estimators.classification import TensorFlowV2Classifier
        from art.utils import check_and_transform_label_format
except ImportError:
    raise missing("daa.plugins.art", "adversarial-robustness-toolbox") from None


# This project's names of ART's norms.
_NORMS: dict[Any, str] = {np.inf: "linf", "inf": "linf", 2: "l2"}


class DAA(EvasionAttack):
    """An attack of this project.

    The images of a call form the minibatches, which are the particles of DAA. Lengths are in the
    unit of the classifier's `clip_values`, which are required.

    Args:
        estimator: the classifier; its preprocessing must use TensorFlow, not NumPy.
        method: a row of `daa.attacks.methods.METHODS`.
        eps: radius of the ball.
        eps_step: length of a step, for methods with `step_size`; None for eps / 30.
        norm: of the ball, np.inf or 2.
        targeted: whether `y` are target classes.
        restarts: number of runs; the worst result counts.
        seed: source of all random numbers.
        options: further settings of `daa.AttackConfig`, as {"steps": 100, "c": 1.1}.
    """

    attack_params = [  # noqa: RUF012  (ART's name)
        *EvasionAttack.attack_params,
        *("method", "eps", "eps_step", "norm", "targeted", "restarts", "seed", "options"),
    ]
    _estimator_requirements = (TensorFlowV2Classifier,)

    def __init__(
        self,
        estimator: Any,
        method: str = "blob",
        *,
        eps: float = 0.3,
        eps_step: float | None = None,
        norm: float | str = np.inf,
        targeted: bool = False,
        restarts: int = 1,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(estimator=estimator)
        self.method = method
        self.eps = eps
        self.eps_step = eps_step
        self.norm = norm
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
            y: labels, [N] or one-hot [N, K], or target classes of a targeted attack; None for the
                predictions of the classifier.

        Raises:
            InputError: a targeted attack without classes, or invalid settings.
        """
        require(not kwargs, "generate", "no other arguments than x and y", list(kwargs))
        if y is None:
            require(not self.targeted, "y", "the classes to be reached", None)
            y = self.estimator.predict(x)
        y = check_and_transform_label_format(y, nb_classes=self.estimator.nb_classes)
        labels = np.argmax(y, axis=1)
        low, high = (np.unique(value) for value in self.estimator.clip_values)
        ok = len(low) == len(high) == 1
        require(ok, "clip_values", "one range for all pixels", self.estimator.clip_values)
        space = Space(tuple(self.estimator.input_shape), Bounds(float(low[0]), float(high[0])))
        step = self.eps / 30 if self.eps_step is None else self.eps_step
        if self._made is None:
            self._made = space.target(self.estimator._predict_framework, "art/classifier")
        options = {"norm": _NORMS[self.norm], **self.options}
        settings = space.settings(self.method, self.eps, step, options)
        classes = labels if self.targeted else None
        runs = {"restarts": self.restarts, "seed": self.seed}
        return space.pixels(attack(self._made, settings, space.images(x), labels, classes, **runs))

    def _check_params(self) -> None:
        super()._check_params()
        if not hasattr(self, "options"):  # ART calls this before the attributes exist
            return
        check_method(self.method)
        require(self.norm in _NORMS, "norm", "np.inf or 2", self.norm)
        if self.estimator.clip_values is None:
            raise InputError("clip_values: expected the range of the pixels, got None")
