"""The arms of Adaptive DAA, and how much of each round each of them gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daa.attacks.plans import Outcome

if TYPE_CHECKING:
    from daa.attacks.methods import AttackConfig

# The median margin of the natural images in units of the logits, after scaling. A cross-entropy
# then neither saturates nor is it linear.
SCALE = 8.0
# The same for Auto-PGD, which does better where the loss is nearly linear.
FLAT = 2.0
# How much of an arm's record counts one round later.
MEMORY = 0.8
# What lowering a margin counts, as a part of it, against breaking an image.
PARTIAL = 0.03
# The least share of an arm.
LEAST = 0.05
# Gradients that a record of none counts for, in an arm's posterior.
PRIOR = 1000.0


@dataclass
class Arm:
    """One way to attack, and what it has brought so far.

    Args:
        settings: of its attacks.
        lengths: of the first and the last step, as parts of eps; None for a step rule of its own.
        reward: broken images, and lowered margins at `PARTIAL`; older rounds count less.
        gradients: that it spent for that; older rounds count less.
        owed: minibatches that rounding has kept from it so far.
    """

    settings: dict[str, Any]
    lengths: tuple[float, float] | None = None
    reward: float = 0.0
    gradients: float = 0.0
    owed: float = 0.0


def portfolio(config: AttackConfig, batch: int, margin: float) -> list[Arm]:
    """Coupled cross-entropy, the margin to each of the nearest classes, Auto-PGD, random search.

    Args:
        config: gives eps, clipping and precision.
        batch: images of a minibatch.
        margin: median margin of the natural images, in units of the logits.
    """
    shared = {
        "eps": config.eps,
        "clip_range": config.clip_range,
        "precision": config.precision,
        "batch_size": batch,
        "keep": "best",
        "scale": SCALE / margin,
    }
    moving = {**shared, "step": "geometric", "momentum": 0.75}
    coupled = {**moving, "method": "blob", "loss": "xent", "c": 2.0, "steps_per_shuffle": 5}
    return [
        Arm(coupled, (0.67, 0.01)),
        Arm({**moving, "method": "multitargeted"}, (1.0, 0.03)),
        Arm({**shared, "method": "apgd", "scale": FLAT / margin}),
        Arm({**shared, "method": "square"}),
    ]


def attack_of(
    config: AttackConfig, arm: Arm, steps: int, lengths: tuple[float, float] | None = None
) -> AttackConfig:
    """The attack of an arm in one round.

    Args:
        config: any; its class is that of the result.
        arm: whose settings it has.
        steps: that cost a gradient each.
        lengths: of the first and the last step, in the place of the arm's own.
    """
    make = type(config)
    if arm.settings["method"] == "square":
        return make(**arm.settings, steps=2 * steps)  # its steps cost half a gradient
    if arm.lengths is None:
        return make(**arm.settings, steps=steps)
    first, last = lengths or arm.lengths
    return make(**arm.settings, steps=steps, first_step=first, last_step=last)


def dealt(
    arms: list[Arm], count: int, batch: int, even: bool, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows of a round for each arm, interleaved, so that all get images of the same difficulty.

    The share of an arm is the probability that its rate of reward is the largest one (Thompson
    sampling with Gamma posteriors).

    Args:
        arms: what rounding keeps from each of them is added to what it is owed.
        count: images of the round, in whole minibatches but for the last one.
        batch: images of a minibatch.
        even: the same share for all arms, whatever they have brought.
        rng: of the draws.
    """
    rates = [rng.gamma(arm.reward + 0.5, 1 / (arm.gradients + PRIOR), 400) for arm in arms]
    best = np.bincount(np.argmax(rates, axis=0), minlength=len(arms)) / 400
    shares = np.full(len(arms), 1.0) if even else np.maximum(best, LEAST)
    batches = -(-count // batch)
    wanted = shares / shares.sum() * batches + [arm.owed for arm in arms]
    counts = np.maximum(np.floor(wanted).astype(int), 0)
    for k in np.argsort(counts - wanted, kind="stable")[: max(batches - counts.sum(), 0)]:
        counts[k] += 1
    for arm, want, got in zip(arms, wanted, counts, strict=True):
        arm.owed = float(want - got)
    sizes = counts * batch
    owner = np.repeat(np.arange(len(arms)), sizes)
    place = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size])
    owner = owner[np.argsort(place, kind="stable")][:count]
    return [np.flatnonzero(owner == k) for k in range(len(arms))]


def learn(
    arms: list[Arm], parts: list[np.ndarray], before: np.ndarray, outcomes: Iterator[Outcome]
) -> tuple[np.ndarray, float]:
    """Adds a round to the records of the arms.

    Args:
        arms: all of them.
        parts: rows of the round for each arm.
        before: margins of the round's images before it.
        outcomes: one for each arm that had rows.

    Returns:
        Rows that fell, and the share of those that stood whose margin did not drop at all.
    """
    fallen, dead, stood = [], 0, 0
    for arm, rows in zip(arms, parts, strict=True):
        arm.reward, arm.gradients = MEMORY * arm.reward, MEMORY * arm.gradients
        if not len(rows):
            continue
        outcome, was = next(outcomes), before[rows]
        up = was > 0
        drop = np.clip((was - outcome.margin)[up] / was[up], 0, 1)
        fell = outcome.margin[up] <= 0
        arm.reward += float(np.where(fell, 1.0, PARTIAL * drop).sum())
        arm.gradients += outcome.gradients * len(rows)
        fallen.append(rows[up][fell])
        dead, stood = dead + int((drop == 0).sum()), stood + int(up.sum())
    return np.concatenate(fallen), dead / max(stood, 1)
