"""Adaptive DAA: a plan that learns which images the next attack will break.

docs/adaptive.md explains each part and its benefit.
"""

import time
from typing import Literal

import numpy as np

from daa import memory
from daa.attacks import starts
from daa.attacks.bandit import AdaptiveSettings, Model, choose, expected, features, make_arms
from daa.attacks.components import Config
from daa.attacks.plans import Plan, Report, Unit

LEAST, MOST = 25.0, 1000.0  # gradients per image of the budget "auto"


def adaptive(
    config: Config,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    report: Report,
    settings: AdaptiveSettings = AdaptiveSettings(),  # noqa: B008  (frozen)
    *,
    budget: float | Literal["auto"] = 150.0,
    minutes: float | None = None,
) -> Plan:
    """Rounds of the most promising images, arms and numbers of steps, until the budget is spent.

    Args:
        budget: mean number of forward-backward passes per image; a forward pass counts half.
            "auto" stops, between 25 and 1,000, when the next 50 are expected to break less than
            0.1 % of the images, or less than one image.
        minutes: stop after the round that exceeds this time; the result depends on the machine.

    Returns:
        {"predicted", "stopped"} of the `Report`.

    Raises:
        InputError: memory is too small for this many images.
    """
    memory.require_memory(x, "adaptive")  # a round may hold all images in several versions
    n, begin = len(x), time.monotonic()
    correct = report.natural[report.natural > 0]
    batch = min(settings.batch, max(10, n // 40))
    median = float(np.median(correct)) if len(correct) else 1.0
    *arms, search = make_arms(config, batch, median, settings)
    model = Model(settings)
    tries = np.zeros((len(arms) + 1, n), int)
    spent, ranks = np.zeros(n), np.zeros(n, int)
    cost, number, asked = 0.5 * n, 0, LEAST * n
    most = MOST if budget == "auto" else budget
    for k in range(2**31):
        margins = np.where(np.isfinite(report.margin), report.margin, report.natural)
        robust = np.flatnonzero(margins > 0)
        hard = margins / median
        late = minutes is not None and time.monotonic() - begin > 60 * minutes
        # One forward pass at the end of a round, and one for each of several first images.
        overhead = 0.5 if k == 0 else 0.5 + 0.5 * len(settings.starts)
        numbers = settings.steps if k else settings.opening[:1]
        options = [(arm, steps) for arm in range(len(arms)) for steps in numbers]
        costs = np.array([steps + 1 + overhead for _, steps in options])
        images = hard[robust], spent[robust], tries[:, robust]
        left = most * n - cost
        enough = False
        if budget == "auto" and k and cost >= asked:
            asked = cost + 5 * n
            enough = expected(model, options, costs, *images, 50 * n) < max(1, n / 1000)
        rng = np.random.default_rng((seed, number, 1))
        picked: dict[int, np.ndarray] = {}
        if k == 0 and not late:  # all arms receive equally difficult images
            order = robust[np.argsort(margins[robust], kind="stable")]
            order = order[: int(max(left, 0) / costs[0])]
            if len(order) >= min(batch, len(robust)):
                picked = {arm: order[arm :: len(arms)] for arm in range(min(len(arms), len(order)))}
        elif not (late or enough):
            count = max(1, int(settings.share * len(robust) / batch)) * batch
            values = model.probabilities(options, *images, settings.optimism) / costs[:, None]
            rows = choose(values, costs, batch, count, left)
            picked = {option: robust[own] for option, own in rows.items()}
        if not picked:
            reason = "minutes" if late else "expected" if enough else "budget"
            more = expected(model, options, costs, *images, cost) if k else None
            return {"predicted": more, "stopped": reason if len(robust) else "broken"}
        done, outcomes, units = len(report.history), [], []
        rest = np.setdiff1d(np.arange(n), robust)
        left -= sum(len(own) * costs[option] for option, own in picked.items())
        for option, own in picked.items():  # misclassified images complete the last minibatch
            missing = min(-len(own) % batch, len(rest), int(max(left, 0) / costs[option]))
            left -= missing * costs[option]
            units.append(np.concatenate([own, rng.choice(rest, missing, replace=False)]))
        chosen = np.concatenate(units)
        for (option, own), unit in zip(picked.items(), units, strict=True):
            arm, steps = options[option]
            if k == 0:
                firsts = starts.uniform(x[unit], rng, config.ball, eps=config.eps)[None]
            else:
                firsts = _firsts(unit, chosen, x, y, report, rng, config, settings.starts)
            attack = arms[arm].config(config, steps, None if k else settings.opening[1:])
            report = yield Unit(attack, seed, number, unit, firsts, None, ranks[unit], overhead)
            outcomes.append((arm, features(hard[own], spent[own], tries[arm, own], steps)))
            spent[own] += steps
            tries[arm, own] += 1
            ranks[unit] += attack.method == "multitargeted"
            number += 1
        while len(report.history) < done + len(picked):
            report = yield None
        results = report.history[done:]
        cost += sum(outcome.gradients * len(outcome.margin) for outcome in results)
        attacked = np.concatenate([*picked.values()])
        after = [r.margin[: len(own)] for r, own in zip(results, picked.values(), strict=True)]
        fade = settings.opening_weight if k == 1 else 1 - len(attacked) / len(robust)
        model.update([(*o, m <= 0) for o, m in zip(outcomes, after, strict=True)], fade)
        if k == 0 and np.mean(np.concatenate(after) >= margins[attacked]) > settings.dead:
            arms.append(search)


def _firsts(
    images: np.ndarray, chosen: np.ndarray, x: np.ndarray, y: np.ndarray, report: Report,
    rng: np.random.Generator, config: Config, names: tuple[str, ...],
) -> np.ndarray:  # fmt: skip
    """First images of a unit, in several versions. [versions, n, H, W, C]."""
    # Images of this round are no donors: after an interrupt, some of them have changed already.
    donors = np.setdiff1d(np.flatnonzero((report.margin <= 0) & (report.natural > 0)), chosen)
    if len(donors) > 1000:
        donors = np.sort(rng.choice(donors, 1000, replace=False))
    donated = x[donors], y[donors], report.adv[donors] - x[donors]
    ball, eps, best = config.ball, config.eps, report.adv[images]
    versions = {
        "transfer": starts.transfer(x[images], y[images], rng, ball, donors=donated, eps=eps),
        "pixels": starts.pixels(x[images], best, rng, ball, eps=eps, kicked=0.3),
    }
    return np.stack([versions[name] for name in names])
