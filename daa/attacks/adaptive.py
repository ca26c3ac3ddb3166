"""Adaptive DAA: a plan that spends its gradients on images that are likely to be misclassified.

docs/adaptive.md explains each part and its benefit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from daa import memory
from daa.attacks import starts
from daa.attacks.bandit import AdaptiveSettings, allocate, make_arms, update
from daa.attacks.components import Config
from daa.attacks.plans import Plan, Report, Unit


@dataclass(frozen=True)
class Reach:
    """Size of a round."""

    width: int  # number of images
    times: int = 1  # steps, as a multiple of the usual number
    wide: int = 0  # width of the last round with the usual number of steps
    longest: int = 1  # the largest `times` since the last success


def adaptive(
    config: Config,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    report: Report,
    settings: AdaptiveSettings = AdaptiveSettings(),  # noqa: B008  (frozen)
    *,
    budget: float = 150.0,
    minutes: float | None = None,
) -> Plan:
    """Rounds over the robust images with the smallest margins, until the budget is spent.

    Args:
        budget: mean number of forward-backward passes per image; a forward pass counts half.
        minutes: stop after the round in which this time is over; None for no limit. With a limit,
            the result depends on the machine.

    Raises:
        InputError: memory is too small for this many images.
    """
    memory.require_memory(x, "adaptive")  # a round may hold all images in several versions
    n, begin = len(x), time.monotonic()
    correct = report.natural[report.natural > 0]
    batch = min(settings.batch, max(10, n // 20))
    margin = float(np.median(correct)) if len(correct) else 1.0
    *arms, search = make_arms(config, batch, margin, settings)
    tries, ranks = np.zeros(n), np.zeros(n, int)
    cost, number, reach = 0.5 * n, 0, Reach(n)
    for k in range(2**31):
        margins = np.where(np.isfinite(report.margin), report.margin, report.natural)
        robust = np.flatnonzero(margins > 0)
        late = minutes is not None and time.monotonic() - begin > 60 * minutes
        opening = k < len(settings.opening)
        if opening:
            steps, first, last, share = settings.opening[k]
        else:
            steps = settings.steps[min(k - len(settings.opening), len(settings.steps) - 1)]
        # One forward pass at the end of a round, and one for each of several starts.
        versions = 1 if opening else len(settings.starts)
        overhead = 0.5 + (0.5 * versions if versions > 1 else 0)
        left = budget * n - cost
        if left >= min(batch, n) * (reach.times * steps + 1 + overhead):
            steps *= reach.times
        room = int(left / (steps + 1 + overhead))
        if late or not len(robust) or room < min(batch, n):
            return
        rng = np.random.default_rng((seed, number, 1))
        if settings.random_order:
            order = rng.permutation(robust)
        else:
            keys = margins[robust] * (1 + tries[robust])
            order = robust[np.argsort(keys, kind="stable")]
        width = reach.width if not opening else len(order) if k == 0 else int(share * len(order))
        width = min(max(width, settings.narrowest * batch), room)
        if width < len(order):
            chosen = order[: max(batch, width // batch * batch)]
        else:  # misclassified images complete the last minibatch
            rest = np.setdiff1d(np.arange(n), order)
            missing = min(-len(order) % batch, len(rest), room - len(order))
            chosen = np.concatenate([order, rng.choice(rest, missing, replace=False)]).astype(int)
        rows = allocate(arms, len(chosen), batch, opening, rng, settings)
        if k == 0:
            firsts = starts.uniform(x[chosen], rng, eps=config.eps)[None]
        elif opening:
            firsts = report.adv[chosen][None]
        else:
            firsts = _firsts(chosen, x, y, report, rng, config.eps, settings.starts)
        before, done = margins[chosen], len(report.history)
        for arm, own in zip(arms, rows, strict=True):
            if len(own):
                images = chosen[own]
                unit = arm.config(config, steps, (first, last) if opening else None)
                report = yield Unit(
                    unit, seed, number, images, firsts[:, own], ranks=ranks[images],
                    overhead=overhead,
                )  # fmt: skip
                ranks[images] += unit.method == "multitargeted"
                number += 1
        while len(report.history) < done + sum(len(own) > 0 for own in rows):
            report = yield None
        outcomes = report.history[done:]
        fallen, constant = update(arms, rows, before, iter(outcomes), settings)
        cost += sum(outcome.gradients * len(outcome.margin) for outcome in outcomes)
        tries[chosen] += steps / settings.patience
        if k == 0 and constant > settings.dead:
            arms.append(search)
        narrow = settings.narrowest * batch
        if len(fallen):
            reach = Reach(int(1.25 * np.quantile(fallen, 0.9)) + 1)
        elif opening:
            reach = Reach(2 * len(chosen))
        # Without success, alternate between few images with more steps and more images.
        elif reach.times == 1 and settings.longest > 1:
            times = min(2 * reach.longest, settings.longest)
            reach = Reach(narrow, times, wide=len(chosen), longest=times)
        else:
            wide = reach.wide if reach.times > 1 else len(chosen)
            width = narrow if 4 * wide > len(robust) else 2 * wide
            reach = Reach(width, wide=wide, longest=reach.longest)


def _firsts(
    chosen: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    report: Report,
    rng: np.random.Generator,
    eps: float,
    names: tuple[str, ...],
) -> np.ndarray:
    """First images of a round, in several versions. [versions, n, H, W, C]."""
    # Images of this round are no donors: after an interrupt, some of them have changed already.
    donors = np.setdiff1d(np.flatnonzero((report.margin <= 0) & (report.natural > 0)), chosen)
    if len(donors) > 1000:
        donors = np.sort(rng.choice(donors, 1000, replace=False))
    donated = x[donors], y[donors], report.adv[donors] - x[donors]
    versions = {
        "transfer": starts.transfer(x[chosen], y[chosen], rng, donors=donated, eps=eps),
        "pixels": starts.pixels(x[chosen], report.adv[chosen], rng, eps=eps, kicked=0.3),
    }
    return np.stack([versions[name] for name in names])
