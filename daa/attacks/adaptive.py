"""Adaptive DAA: a plan that spends its gradients on the images that are likely to fall next.

docs/adaptive.md explains each part and what it brings.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daa import storage
from daa.attacks import starts
from daa.attacks.bandit import attack_of, dealt, learn, portfolio
from daa.attacks.plans import Plan, Report, Unit

if TYPE_CHECKING:
    from daa.attacks.methods import AttackConfig

# Images of a minibatch, which are the particles of the coupled arm. With fewer than 1,000 images a
# minibatch is a twentieth of them, at least 10, so that a round can serve several arms.
BATCH = 50
# First rounds: steps, first and last length as parts of eps, share of the standing images. The
# second one goes on, for the images with the smallest margins, where the first one ended.
OPENING = ((5, 0.67, 0.08, 1.0), (5, 0.08, 0.01, 0.4))
# Steps of the rounds after them; the last number is that of all further rounds.
STEPS = (20, 30)
# After rounds in vain, a narrow one of up to so many times the steps.
LONGEST = 4
# Which first images a forward pass compares before an attack: with the perturbation of a broken
# neighbour, and the best image with some of its pixels kicked.
VERSIONS = slice(2)
# The least number of minibatches in a round.
NARROWEST = 1
# An attack of so many steps doubles the key of an image that withstands it.
PATIENCE = 25
# Share of images without any drop of the margin from which random search is tried too.
DEAD = 0.2


@dataclass(frozen=True)
class Reach:
    """How far a round goes: to how many images, and for how long.

    Args:
        width: images, those that are likely to fall first.
        times: its steps, as a multiple of the usual number.
        wide: width of the last round with the usual number of steps.
        longest: the largest `times` since an image fell.
    """

    width: int
    times: int = 1
    wide: int = 0
    longest: int = 1


def adaptive(
    config: AttackConfig,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    report: Report,
    *,
    budget: float = 150.0,
    minutes: float | None = None,
) -> Plan:
    """Rounds over the standing images with the smallest margins, until the budget is spent.

    Args:
        config: gives eps, clipping and precision.
        x, y: all images and labels.
        seed: of all random numbers.
        report: so far.
        budget: mean number of forward-backward passes per image; a forward pass alone counts half.
        minutes: stop at the end of the round in which this time is over; None for no limit. With
            it, the result depends on the machine.

    Raises:
        InputError: more images than memory has room for.
    """
    storage.require_memory(x, "adaptive")  # a round may hold all images in several versions
    n, begin = len(x), time.monotonic()
    right = report.natural[report.natural > 0]
    batch = min(BATCH, max(10, n // 20))
    arms = portfolio(config, batch, float(np.median(right)) if len(right) else 1.0)
    search = arms.pop()
    tries, ranks = np.zeros(n), np.zeros(n, int)
    spent, number, reach = 0.5 * n, 0, Reach(n)
    for k in range(2**31):
        margin = np.where(np.isfinite(report.margin), report.margin, report.natural)
        standing = np.flatnonzero(margin > 0)
        late = minutes is not None and time.monotonic() - begin > 60 * minutes
        steps, lengths, share = _round(k)
        # Each round ends with a forward pass, and one for each of several versions comes before it.
        versions = len(range(*VERSIONS.indices(2))) if k >= len(OPENING) else 1
        overhead = 0.5 + (0.5 * versions if versions > 1 else 0)
        left = budget * n - spent
        if left >= min(batch, n) * (reach.times * steps + 1 + overhead):
            steps *= reach.times
        room = int(left / (steps + 1 + overhead))
        if late or not len(standing) or room < min(batch, n):
            return
        rng = np.random.default_rng((seed, number, 1))
        order = _order(rng, standing, margin, tries)
        most = len(order) if k == 0 else reach.width if share is None else int(share * len(order))
        most = min(max(most, NARROWEST * batch), room)
        chosen = _filled(order, most, room, n, batch, rng)
        even = k < len(OPENING)
        parts = dealt(arms, len(chosen), batch, even, rng)
        firsts = _firsts(k, chosen, x, y, report, rng, config.eps)
        before, known = margin[chosen], len(report.history)
        for arm, rows in zip(arms, parts, strict=True):
            if len(rows):
                images = chosen[rows]
                unit = attack_of(config, arm, steps, lengths)
                first = firsts[:, rows]
                report = yield Unit(
                    unit, seed, number, images, first, ranks=ranks[images], overhead=overhead
                )
                ranks[images] += unit.method == "multitargeted"
                number += 1
        while len(report.history) < known + sum(len(rows) > 0 for rows in parts):
            report = yield None
        outcomes = iter(report.history[known:])
        fallen, dead = learn(arms, parts, before, outcomes)
        spent += sum(o.gradients * len(o.margin) for o in report.history[known:])
        tries[chosen] += steps / PATIENCE
        if k == 0 and dead > DEAD:
            arms.append(search)
        reach = _reach(reach, fallen, len(chosen), len(standing), batch, first=even)


def _round(k: int) -> tuple[int, tuple[float, float] | None, float | None]:
    """Steps of a round, lengths of its first and last one, and its share of the standing images.

    Only the first rounds fix lengths and share.
    """
    if k < len(OPENING):
        steps, first, last, share = OPENING[k]
        return steps, (first, last), share
    return STEPS[min(k - len(OPENING), len(STEPS) - 1)], None, None


def _order(
    rng: np.random.Generator, standing: np.ndarray, margin: np.ndarray, tries: np.ndarray
) -> np.ndarray:
    """The standing images, those first that are likely to fall."""
    del rng
    return standing[np.argsort(margin[standing] * (1 + tries[standing]), kind="stable")]


def _filled(
    order: np.ndarray, most: int, room: int, n: int, batch: int, rng: np.random.Generator
) -> np.ndarray:
    """The first images of an order, in whole minibatches; broken images fill the last one up."""
    if most < len(order):
        return order[: max(batch, most // batch * batch)]
    others = np.setdiff1d(np.arange(n), order)
    missing = min(-len(order) % batch, len(others), room - len(order))
    return np.concatenate([order, rng.choice(others, missing, replace=False)]).astype(int)


def _firsts(
    k: int,
    chosen: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    report: Report,
    rng: np.random.Generator,
    eps: float,
) -> np.ndarray:
    """First images of a round, several versions of each. [versions, n, H, W, C]."""
    if k == 0:
        return starts.uniform(x[chosen], rng, eps=eps)[None]
    if k < len(OPENING):
        return report.adv[chosen][None]
    donors = _donors(chosen, x, y, report, rng)
    moved = starts.transfer(x[chosen], y[chosen], rng, donors=donors, eps=eps)
    kicked = starts.pixels(x[chosen], report.adv[chosen], rng, eps=eps, kicked=0.3)
    return np.stack([moved, kicked][VERSIONS])


def _donors(
    chosen: np.ndarray, x: np.ndarray, y: np.ndarray, report: Report, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images that an attack broke, their labels and their perturbations; at most 1,000.

    Those of this round are left out: when the attack was interrupted in the middle of the round,
    some of them have changed already.
    """
    broken = np.flatnonzero((report.margin <= 0) & (report.natural > 0))
    broken = np.setdiff1d(broken, chosen)
    if len(broken) > 1000:
        broken = np.sort(rng.choice(broken, 1000, replace=False))
    return x[broken], y[broken], report.adv[broken] - x[broken]


def _reach(
    last: Reach, fallen: np.ndarray, chosen: int, standing: int, batch: int, first: bool
) -> Reach:
    """The next round: as wide as the places where images of this one fell.

    After a round in vain, by turns a narrow one with more steps, which breaks images that almost
    fell, and a wider one, which reaches others.
    """
    narrow = NARROWEST * batch
    if len(fallen):
        return Reach(int(1.25 * np.quantile(fallen, 0.9)) + 1)
    if first:
        return Reach(2 * chosen)
    if last.times > 1:
        return replace(last, width=narrow if 4 * last.wide > standing else 2 * last.wide, times=1)
    longest = min(2 * last.longest, LONGEST)
    return Reach(narrow, longest, wide=chosen, longest=longest)
