"""The arms of Adaptive DAA, and the share of each arm in a round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from daa.attacks.components import Config
from daa.attacks.plans import Outcome

_Lengths = tuple[float, float] | None


@dataclass(frozen=True)
class ArmSettings:
    """A kind of attack that Adaptive DAA can choose."""

    options: Mapping[str, Any]  # of the `AttackConfig`, except the shared options
    # First and last step, as fractions of eps; None for a step rule with lengths of its own.
    lengths: _Lengths = None
    # Median margin of the clean images after scaling of the logits; None without scaling.
    scale: float | None = None


_Round = tuple[int, float, float, float]
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
    # Minibatch size. With fewer than 1,000 images it is a twentieth of their number, at least 10,
    # so that a round can serve several arms.
    batch: int = 50
    # The first rounds: steps, lengths of the first and the last step as fractions of eps, share of
    # the robust images. The second round continues from the first round.
    opening: tuple[_Round, ...] = ((5, 0.67, 0.08, 1.0), (5, 0.08, 0.01, 0.4))
    steps: tuple[int, ...] = (20, 30)  # of the further rounds; the last number repeats
    longest: int = 4  # maximum factor of the steps in rounds after rounds without success
    # First images that each further round compares by a forward pass.
    starts: tuple[str, ...] = ("transfer", "pixels")
    narrowest: int = 1  # minimum number of minibatches in a round
    patience: int = 25  # number of steps that doubles the rank of an image that stays robust
    dead: float = 0.2  # share of constant margins in the first round that enables `search`
    random_order: bool = False  # choose images at random, not by margin
    decay: float = 0.8  # per-round decay of past rewards and costs
    partial: float = 0.03  # reward of lowering a margin to 0 without misclassification
    least: float = 0.05  # minimum share of an arm
    prior: float = 1000.0  # prior pseudo-count of gradients in each arm's Gamma posterior


@dataclass
class Arm:
    """An attack with a record of success."""

    options: dict[str, Any]
    lengths: _Lengths
    reward: float = 0.0  # misclassified images and lowered margins, decayed per round
    gradients: float = 0.0  # cost of the reward, decayed per round
    owed: float = 0.0  # minibatches lost to rounding so far

    def config(self, base: Config, steps: int, lengths: _Lengths) -> Config:
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
    shared = {name: getattr(config, name) for name in ("eps", "clip_range", "precision")}
    shared |= {"batch_size": batch, "keep": "best"}
    return [
        Arm({**shared, "scale": arm.scale and arm.scale / margin, **arm.options}, arm.lengths)
        for arm in (*settings.arms, settings.search)
    ]


def allocate(
    arms: list[Arm],
    count: int,
    batch: int,
    even: bool,
    rng: np.random.Generator,
    settings: AdaptiveSettings,
) -> list[np.ndarray]:
    """Rows of a round for each arm, interleaved so that all arms get equally difficult images.

    The share of an arm is the probability that its rate of reward is the largest one (Thompson
    sampling with Gamma posteriors).

    Args:
        count: images of the round.
        batch: minibatch size; only the last minibatch may be smaller.
        even: give all arms the same share.
    """
    rates = [rng.gamma(arm.reward + 0.5, 1 / (arm.gradients + settings.prior), 400) for arm in arms]
    best = np.bincount(np.argmax(rates, axis=0), minlength=len(arms)) / 400
    shares = np.full(len(arms), 1.0) if even else np.maximum(best, settings.least)
    batches = -(-count // batch)
    ideal = shares / shares.sum() * batches + [arm.owed for arm in arms]
    counts = np.maximum(np.floor(ideal).astype(int), 0)
    for k in np.argsort(counts - ideal, kind="stable")[: max(batches - counts.sum(), 0)]:
        counts[k] += 1
    for arm, owed in zip(arms, ideal - counts, strict=True):
        arm.owed = float(owed)
    sizes = counts * batch
    owner = np.repeat(np.arange(len(arms)), sizes)
    position = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size])
    owner = owner[np.argsort(position, kind="stable")][:count]
    return [np.flatnonzero(owner == k) for k in range(len(arms))]


def update(
    arms: list[Arm],
    rows: list[np.ndarray],
    before: np.ndarray,
    outcomes: Iterator[Outcome],
    settings: AdaptiveSettings,
) -> tuple[np.ndarray, float]:
    """Adds the results of a round to the records of the arms.

    Args:
        rows: rows of the round for each arm.
        before: margins of the images before the round.
        outcomes: outcomes of the arms with rows.

    Returns:
        Rows of the newly misclassified images, and the share of constant margins.
    """
    fallen, constant, robust = [], 0, 0
    for arm, own in zip(arms, rows, strict=True):
        arm.reward, arm.gradients = settings.decay * arm.reward, settings.decay * arm.gradients
        if not len(own):
            continue
        outcome, was = next(outcomes), before[own]
        up = was > 0
        drop = np.clip((was - outcome.margin)[up] / was[up], 0, 1)
        fell = outcome.margin[up] <= 0
        arm.reward += float(np.where(fell, 1.0, settings.partial * drop).sum())
        arm.gradients += outcome.gradients * len(own)
        fallen.append(own[up][fell])
        constant, robust = constant + int((drop == 0).sum()), robust + int(up.sum())
    return np.concatenate(fallen), constant / max(robust, 1)
