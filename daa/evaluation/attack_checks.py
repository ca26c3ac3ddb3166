"""Checks of a finished attack: signs that a stronger one would find more.

docs/checks.md has a section for each code.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from daa import memory
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Report
from daa.attacks.worst_case import margins
from daa.evaluation.checks import Finding, percent
from daa.reports.stats import mcnemar
from daa.target import Target

# Number of images that the small attacks run on, at most.
_ATTACKED = 100


def after(
    target: Target, x: np.ndarray, y: np.ndarray, report: Report, eps: float, seed: int = 0
) -> list[Finding]:
    """The checks that judge an attack, with small attacks of their own.

    Args:
        target: the classifier.
        x, y: images and labels.
        report: of the attack.
        eps: radius of the ball, in the unit of images in [0, 1].
        seed: of the small attacks.
    """
    found = [*unstable(target, y, report), *_tied(report), *falling(report)]
    rows = np.flatnonzero(report.natural > 0)[: int(np.clip(len(x) // 10, 25, _ATTACKED))]
    if not len(rows):
        return found

    def broken(method: str, **options: object) -> np.ndarray:
        attack = AttackConfig(method, "cw", batch_size=len(rows), **options)  # type: ignore[arg-type]
        return margins(target, Attack(target, attack)(x[rows], y[rows], seed=seed), y[rows]) <= 0

    few = broken("pgd", eps=eps, steps=10, step_size=eps / 4)
    many = broken("pgd", eps=eps, steps=40, step_size=eps / 4)
    huge = broken("pgd", eps=1.0, steps=40, step="geometric")
    search = broken("square", eps=eps, steps=200)
    found += more_steps(few, many)
    found += _huge(huge, target.classes)
    return found + _search(search, few | many, report.margin[rows] <= 0)


def unstable(target: Target, y: np.ndarray, report: Report) -> Iterator[Finding]:
    known = np.isfinite(report.margin)
    worst = memory.taken(report.adv, np.flatnonzero(known))
    now = margins(target, worst, y[known]) > 0
    changed = int((now != (report.margin[known] > 0)).sum())
    if changed:
        message = f"Judged once more, {changed:,} of {known.sum():,} worst images got another"
        yield Finding("unstable-images", f"{message} verdict.")


def _tied(report: Report) -> Iterator[Finding]:
    broken = (report.margin <= 0) & (report.natural > 0)
    tied = int((report.margin[broken] == 0).sum())
    if tied >= max(2, 0.02 * len(report.margin)):
        message = f"{tied:,} of {broken.sum():,} broken images have a tie of two outputs; they"
        yield Finding("tied-outputs", f"{message} count as misclassified.")


def falling(report: Report) -> Iterator[Finding]:
    spent, accuracy = report.gradients_after, report.robust_accuracy
    # Where nothing is left to break, more gradients change nothing.
    if len(spent) < 2 or not accuracy[-1]:
        return
    then = accuracy[np.searchsorted(spent, 0.8 * spent[-1], side="right") - 1]
    if then - accuracy[-1] >= max(0.005, 2 / len(report.margin)):
        message = f"The last fifth of the budget lowered the accuracy from {percent(then)} to"
        yield Finding("still-falling", f"{message} {percent(accuracy[-1])}.")


def more_steps(few: np.ndarray, many: np.ndarray) -> list[Finding]:
    lost, won = int((few & ~many).sum()), int((many & ~few).sum())
    if lost - won < max(2, 0.02 * len(few)) or mcnemar(lost, won) > 0.05:
        return []
    message = f"PGD breaks {few.sum()} of {len(few)} images in 10 steps, {many.sum()} in 40 steps."
    return [Finding("more-steps-weaker", message)]


def _huge(broken: np.ndarray, classes: int) -> list[Finding]:
    accuracy = 1 - float(broken.mean())
    if accuracy <= 1 / classes + 0.1:
        return []
    message = f"With eps = 1, where any image may become any other, PGD leaves {percent(accuracy)}"
    return [Finding("huge-eps", f"{message} of {len(broken)} images.")]


def _search(search: np.ndarray, pgd: np.ndarray, attack: np.ndarray) -> list[Finding]:
    alone, lost = int((search & ~pgd).sum()), int((pgd & ~search).sum())
    new = int((search & ~attack).sum())
    hidden = alone >= 3 and alone > lost and mcnemar(alone, lost) < 0.05
    if not hidden and new < max(2, 0.02 * len(search)):
        return []
    message = f"Random search breaks {search.sum()} of {len(search)} images, {alone} of which PGD"
    return [Finding("search-wins", f"{message} does not break and {new} the attack does not.")]
