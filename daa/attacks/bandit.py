"""The arms of Adaptive DAA, and a model of the images that they break.

Contextual bandit with logistic regression, cf. Chapelle and Li 2011, "An empirical evaluation of
Thompson sampling".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attacks.components import Config

_Lengths = tuple[float, float] | None
Options = list[tuple[int, int]]  # (index of an arm, steps)


@dataclass(frozen=True)
class ArmSettings:
    """A kind of attack that Adaptive DAA can choose."""

    options: Mapping[str, Any]  # of the `AttackConfig`, except the shared options
    # First and last step, as fractions of eps; None for a step rule with lengths of its own.
    lengths: _Lengths = None
    # Median margin of the clean images after scaling of the logits; None without scaling.
    scale: float | None = None


_MOVING: dict[str, Any] = {"step": "geometric", "momentum": 0.75}
_COUPLED = {**_MOVING, "method": "blob", "loss": "xent", "c": 2.0, "steps_per_shuffle": 5}


@dataclass(frozen=True)
class AdaptiveSettings:
    """Constants of Adaptive DAA; `docs/adaptive.md` explains them."""

    # Coupled cross-entropy, margins to the nearest classes, Auto-PGD. At scale 8 the cross-entropy
    # is neither saturated nor linear; Auto-PGD prefers a nearly linear loss.
    arms: tuple[ArmSettings, ...] = (
        ArmSettings(_COUPLED, (0.67, 0.01), scale=8.0),
        ArmSettings({**_MOVING, "method": "multitargeted"}, (1.0, 0.03), scale=8.0),
        ArmSettings({"method": "apgd"}, scale=2.0),
    )
    # Random search, an arm only on networks whose gradients vanish.
    search: ArmSettings = ArmSettings({"method": "square"}, scale=8.0)
    # Minibatch size. With fewer than 2,000 images it is a fortieth of their number, at least 10,
    # so that the model learns from many small rounds.
    batch: int = 50
    # The first round: steps, lengths of the first and the last step as fractions of eps.
    opening: tuple[int, float, float] = (5, 0.67, 0.08)
    steps: tuple[int, ...] = (10, 20, 40)  # numbers of steps to choose from in later rounds
    share: float = 0.035  # of the robust images in a round, at least one minibatch
    # First images that each later round compares by a forward pass.
    starts: tuple[str, ...] = ("transfer", "pixels")
    dead: float = 0.2  # share of constant margins in the first round that enables `search`
    # Prior of the regression, in the order of `features`, set by hand after runs on seven networks.
    prior_mean: tuple[float, ...] = (1.0, -9.0, -3.0, 1.2, 1.2, 6.0)
    prior_variance: tuple[float, ...] = (3.3, 16.0, 1.4, 1.0, 0.5, 3.3)
    between: float = 0.5  # variance between arms, as a fraction of the prior variance
    optimism: float = 0.25  # share of the posterior variance in the predicted probability
    opening_weight: float = 0.2  # of the outcomes of the first round in later rounds


@dataclass(frozen=True)
class Arm:
    """An attack that a round can choose."""

    options: dict[str, Any]
    lengths: _Lengths

    def config(self, base: Config, steps: int, lengths: _Lengths = None) -> Config:
        """The attack of the arm with this many gradients; `lengths` replace its step lengths."""
        options = dict(self.options, steps=steps)
        if options["method"] == "square":
            options["steps"] = 2 * steps  # a step costs half a gradient
        elif self.lengths is not None:
            options["first_step"], options["last_step"] = lengths or self.lengths
        return type(base)(**options)


def make_arms(config: Config, batch: int, margin: float, settings: AdaptiveSettings) -> list[Arm]:
    """The arms of an attack; random search is the last arm.

    `margin` is the median margin of the correctly classified clean images, in logits.
    """
    shared = {name: getattr(config, name) for name in ("eps", "norm", "clip_range", "precision")}
    shared |= {"batch_size": batch, "keep": "best"}
    return [
        Arm({**shared, "scale": arm.scale and arm.scale / margin, **arm.options}, arm.lengths)
        for arm in (*settings.arms, settings.search)
    ]


def features(margin: np.ndarray, spent: np.ndarray, tries: np.ndarray, steps: int) -> np.ndarray:
    """Features of images before an attack. [n, 6].

    Args:
        margin: lowest margin so far, as a multiple of the median clean margin. [n].
        spent: steps of earlier attacks on the image. [n].
        tries: earlier attacks of the same arm on the image. [n].
        steps: steps of the attack.
    """
    one, tried = np.ones(len(margin)), np.log1p(spent / 25)
    length = np.log(steps / 20) * one
    return np.stack([one, np.sqrt(margin), tried, tries == 0, length, spent == 0], axis=1)


class Model:
    """Bayesian logistic regression of "this arm breaks this image" on `features`.

    The coefficients of an arm are the sum of shared coefficients and a deviation, both with
    Gaussian priors. The posterior is approximated at its mode (Laplace).
    """

    def __init__(self, settings: AdaptiveSettings) -> None:
        self.arms = len(settings.arms) + 1
        mean, variance = np.array(settings.prior_mean), np.array(settings.prior_variance)
        self.prior = np.concatenate([mean, np.zeros(self.arms * len(mean))])
        self.precision = 1 / np.concatenate([variance, *[settings.between * variance] * self.arms])
        self.mode, self.covariance = self.prior, np.diag(1 / self.precision)
        self.rows: np.ndarray = np.zeros((0, len(self.prior)))
        self.broken, self.weights = self.rows[:, 0], self.rows[:, 0]

    def _own(self, arm: int) -> np.ndarray:
        """Indices of the shared coefficients and of the deviations of an arm."""
        shared = np.arange(len(self.prior) // (self.arms + 1))
        return np.concatenate([shared, (1 + arm) * len(shared) + shared])

    def update(self, outcomes: list[tuple[int, np.ndarray, np.ndarray]], fade: float) -> None:
        """Adds (arm, features, broken) of a round; the weights of older outcomes fade."""
        self.weights = np.concatenate(
            [fade * self.weights, *(np.ones(len(broken)) for _, _, broken in outcomes)]
        )
        rows = [np.zeros((len(broken), len(self.prior))) for *_, broken in outcomes]
        for row, (arm, own, _) in zip(rows, outcomes, strict=True):
            row[:, self._own(arm)] = np.hstack([own, own])
        heavy = self.weights > 0.02
        self.rows = np.vstack([self.rows, *rows])[heavy]
        self.broken = np.concatenate([self.broken, *(broken for *_, broken in outcomes)])[heavy]
        self.weights = self.weights[heavy]
        for _ in range(12):  # Newton's method
            p = _sigmoid(self.rows @ self.mode)
            gradient = self.rows.T @ (self.weights * (self.broken - p))
            gradient -= self.precision * (self.mode - self.prior)
            curvature = (self.rows.T * (self.weights * p * (1 - p))) @ self.rows
            self.covariance = np.linalg.inv(curvature + np.diag(self.precision))
            step = self.covariance @ gradient
            self.mode = self.mode + step / max(1, np.abs(step).max() / 2)
            if np.abs(step).max() < 1e-12:
                break
        # The order of summation in linear algebra libraries must not change a choice.
        self.mode, self.covariance = self.mode.round(9), self.covariance.round(9)

    def probabilities(
        self, options: Options, margin: np.ndarray, spent: np.ndarray, tries: np.ndarray,
        optimism: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """Predicted probability that each option breaks each image. [options, n].

        `optimism` is a share of the posterior variance; a large variance gives larger probabilities
        of rare events, so unexplored arms and margins are tried. `tries` has a row for each arm.
        """
        logits = []
        for arm, steps in options:
            own, rows = self._own(arm), features(margin, spent, tries[arm], steps)
            rows = np.hstack([rows, rows])
            variance = ((rows @ self.covariance[np.ix_(own, own)]) * rows).sum(axis=1)
            shrunk = np.sqrt(1 + np.pi / 8 * optimism * variance)
            logits.append(rows @ self.mode[own] / shrunk)
        return _sigmoid(np.stack(logits))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


def choose(
    values: np.ndarray, costs: np.ndarray, batch: int, count: int, money: float
) -> dict[int, np.ndarray]:
    """Minibatches of a round, each with the option and the images of the largest mean value.

    Args:
        values: value of each option for each image. [options, n].
        costs: gradients per image of each option. [options].
        count: images of the round.
        money: gradients of all images that the round may spend.

    Returns:
        {option: rows of its images}.
    """
    values, left = values.copy(), values.shape[1]
    chosen: dict[int, np.ndarray] = {}
    while count > 0 and left > 0:
        size = min(batch, left)
        best = -np.sort(-values, axis=1)[:, :size].mean(axis=1)
        best[costs * size > money] = -1
        option = int(np.argmax(best))
        if best[option] < 0:
            break
        rows = np.argsort(-values[option], kind="stable")[:size]
        chosen[option] = np.concatenate([chosen.get(option, rows[:0]), rows])
        values[:, rows] = -1
        count, left, money = count - size, left - size, money - size * costs[option]
    return dict(sorted(chosen.items()))


def expected(
    model: Model, options: Options, costs: np.ndarray, margin: np.ndarray, spent: np.ndarray,
    tries: np.ndarray, gradients: float,
) -> float:  # fmt: skip
    """Expected number of images that the next attacks break, if failed attacks keep the margins.

    Arguments as for `Model.probabilities`; `costs` are the gradients per image of each option, and
    `gradients` those of all next attacks together.
    """
    robust, spent, tries = np.ones(len(margin)), spent.copy(), tries.copy()
    arms, steps = np.array(options).T
    while gradients > 0 and len(margin):
        p = model.probabilities(options, margin, spent, tries)
        values = robust * p / costs[:, None]
        if values.max() * gradients < 0.01:  # the rest hardly changes the sum
            break
        best = values.argmax(axis=0)
        top = np.argsort(-values.max(axis=0), kind="stable")[: len(margin) // 10 + 1]
        top = top[np.cumsum(costs[best[top]]) <= max(gradients, costs[best[top[0]]])]
        chosen = best[top]
        robust[top] *= 1 - p[chosen, top]
        spent[top] += steps[chosen]
        tries[arms[chosen], top] += 1
        gradients -= costs[chosen].sum()
    return float(len(margin) - robust.sum())
