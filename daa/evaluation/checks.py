"""Checks of an evaluation: causes of wrong robust accuracies, and signs of a weak attack.

docs/checks.md has a section for each code.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from tqdm import tqdm

from daa.attacks import directions
from daa.attacks.attack import Attack
from daa.attacks.losses import margin, xent
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Report
from daa.attacks.worst_case import margins
from daa.errors import InputError, require
from daa.reports.stats import interval, mcnemar
from daa.target import Bounds, Target, input_gradient, predict
from daa.targets import Published
from daa.targets.files import reason

ADVICE = {
    "batch-dependent": "Evaluate in inference mode: training=False, without batch statistics.",
    "bounds": "Set the pixel range that the model was trained on.",
    "check-failed": "The result of the attack stays. Look for pixels in the range of the images "
    "for which the model has no finite logits or gradients.",
    "checks-left-out": "Raise the budget or the number of images.",
    "classes": "Use the data set that the model was trained for.",
    "clean-accuracy": "Compare weights, preprocessing and pixel range with the publication.",
    "huge-eps": "Look for rounding, thresholds, randomness or saturation, which hide the gradient.",
    "images-narrow-range": "Use images in [0, 1], or uint8; these seem to be scaled twice.",
    "images-outside-range": "Use images in [0, 1], uint8, or the pixel range in `bounds`.",
    "images-rescaled": "Use uint8, or floats in [0, 1], to set the scale explicitly.",
    "labels-permuted": "Use labels in the order of the model's outputs.",
    "labels-shifted": "Count labels from 0, like the model's outputs.",
    "more-steps-weaker": "Look for randomness or wrong gradients; keep the best image of a run.",
    "near-chance": "Check labels, pixel range and weights.",
    "random-outputs": "Disable noise and dropout: training=False. Or make the noise a constant.",
    "scaled-logits": "Use the adaptive attack, which rescales the logits; PGD is too weak here.",
    "search-wins": "Don't trust gradients here: look for their masking, and add random search.",
    "softmax-logarithm": "Build the model without its final softmax.",
    "still-falling": "Increase the budget: the accuracy will be lower.",
    "tied-outputs": "Use logits; saturated probabilities and sigmoids are equal.",
    "unstable-images": "Disable randomness and batch statistics in the model.",
    "vanishing-gradients": "Use the adaptive attack, and logits instead of probabilities; look for "
    "rounding, thresholds and saturation in the model.",
}
# Common pixel ranges.
_RANGES = (Bounds(0, 1), Bounds(0, 255), Bounds(-1, 1))
# Maximum numbers of images for forward passes, gradients, single images and small attacks.
_FORWARD, _GRADIENTS, _SINGLE, _ATTACKED = 500, 200, 16, 100
# Above this median margin a cross-entropy in float32 is flat; typical networks have 2 to 25.
_LARGE_MARGIN = 60.0
# Share of the attack's time after which no further check starts, and its minimum in seconds.
_SHARE, _LEAST = 0.5, 10.0
# Tolerated share of images with tied outputs.
_TIED = 0.01
# Tolerated share of images with a zero gradient, and the size below which a gradient is zero.
_VANISHED, _TINY = 0.03, 1e-37


@dataclass(frozen=True)
class Finding:
    """A warning of a check, under its stable name."""

    code: str
    message: str

    @property
    def advice(self) -> str:
        """What to do next."""
        return ADVICE[self.code]


Check = Callable[[], Iterable[Finding]]


def before(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    published: Published | None = None,
    progress: bool = False,
) -> list[Finding]:
    """Checks model, images and labels; runs no attack. Logits that are not finite are an error."""
    logits = predict(target, x)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{target.name}: image {np.flatnonzero(~finite)[0]}: expected finite logits, got nan "
            f"or inf for {(~finite).sum():,} of {len(x):,} images"
        )
    checks: dict[str, Check] = {
        "random-outputs": lambda: _stability(target, x, logits),
        "images-narrow-range": lambda: _data(target, x, y),
        "labels-shifted": lambda: _labels(y, logits),
        "near-chance": lambda: _accuracy(target, y, logits, published),
        "bounds": lambda: _bounds(target, x, y, logits),
        "vanishing-gradients": lambda: _gradients(target, x, y, logits),
    }
    return _run(checks, progress)


def _run(checks: Mapping[str, Check], progress: bool, seconds: float = math.inf) -> list[Finding]:
    """Findings of the checks, by their codes; no check starts after `seconds`."""
    end, findings, left_out = time.monotonic() + seconds, list[Finding](), list[str]()
    with tqdm(checks.items(), "checks", unit="check", leave=False, disable=not progress) as bar:
        for code, check in bar:
            bar.set_description(f"check {code}")
            if time.monotonic() > end:
                left_out.append(code)
                continue
            try:
                findings += check()
            except Exception as error:  # a model can fail in any way on other images
                message = f"The check {code} failed on images of its own: {reason(error)}."
                findings.append(Finding("check-failed", message))
    if left_out:
        message = f"The checks took {seconds:.0f} s, so some were left out:"
        findings.append(Finding("checks-left-out", f"{message} {', '.join(left_out)}."))
    return findings


def _stability(target: Target, x: np.ndarray, logits: np.ndarray) -> Iterator[Finding]:
    some = x[:_SINGLE]
    size = max(float(np.abs(logits).max()), 1e-30)
    # A graph and Python round differently, and so do minibatches of different sizes. Only outputs
    # of the same computation are compared. The call runs Python code anew.
    calls: list[Callable] = [partial(predict, target), lambda x: target(x).numpy()]
    difference = max(float(np.abs(call(some) - call(some)).max()) for call in calls) / size
    if difference > 1e-3:
        message = "The model returns different logits for the same images, with a difference of"
        yield Finding("random-outputs", f"{message} {percent(difference)}.")
        return
    first, other = (
        predict(target, np.concatenate([some, others]))[: len(some)] for others in (some, 0 * some)
    )
    difference = float(np.abs(first - other).max()) / size
    if difference > 1e-3:
        message = "The logits of an image depend on the other images in its minibatch, with a"
        yield Finding("batch-dependent", f"{message} difference of {percent(difference)}.")


def _data(target: Target, x: np.ndarray, y: np.ndarray) -> Iterator[Finding]:
    lowest, highest, last = float(x.min()), float(x.max()), int(y.max())
    if highest - lowest < 0.1:
        message = f"All pixels are between {lowest:.3g} and {highest:.3g}, a small part of [0, 1]."
        yield Finding("images-narrow-range", message)
    # With this many images, some would have the last class if the data set had it.
    if last + 1 < target.classes and len(y) >= 10 * target.classes:
        message = f"The model has {target.classes} outputs, but the highest label is {last}."
        yield Finding("classes", message)


def _labels(y: np.ndarray, logits: np.ndarray) -> Iterator[Finding]:
    guess = logits.argmax(axis=1)
    right = int((guess == y).sum())
    least = right + max(5, 0.1 * len(y))
    for shift in (-1, 1):
        shifted = int((guess == y + shift).sum())
        if shifted >= least:
            yield Finding(
                "labels-shifted",
                f"The model predicts label {shift:+d} for {percent(shifted / len(y))} of the "
                f"images, and the label itself for {percent(right / len(y))}.",
            )
            return
    labels = np.unique(y)
    usual = {k: int(np.bincount(guess[y == k]).argmax()) for k in labels}
    renamed = int(sum((guess[y == k] == usual[k]).sum() for k in labels))
    if len(set(usual.values())) == len(labels) > 1 and renamed >= least:
        yield Finding(
            "labels-permuted",
            f"With the classes in another order the model would be right for "
            f"{percent(renamed / len(y))} of the images instead of {percent(right / len(y))}.",
        )


def _bounds(target: Target, x: np.ndarray, y: np.ndarray, logits: np.ndarray) -> Iterator[Finding]:
    x, y, now = x[:_FORWARD], y[:_FORWARD], target.bounds
    right = int((margin(logits[:_FORWARD], y).numpy() > 0).sum())
    counts = {
        bounds: (margins(replace(target, bounds=bounds), x, y) > 0).sum()
        for bounds in _RANGES
        if bounds != now
    }
    best, most = max(counts.items(), key=lambda item: item[1])
    if most > right + max(5, 0.05 * len(x)):
        yield Finding(
            "bounds",
            f"With bounds=({best.lower:g}, {best.upper:g}) the clean accuracy is "
            f"{percent(most / len(x))}; with ({now.lower:g}, {now.upper:g}) it is "
            f"{percent(right / len(x))}.",
        )


def _accuracy(
    target: Target, y: np.ndarray, logits: np.ndarray, published: Published | None
) -> Iterator[Finding]:
    values = margin(logits, y).numpy()
    right, tied = values > 0, float((values == 0).mean())
    if tied > _TIED:
        message = f"The label shares the largest output with another class for {percent(tied)} of"
        yield Finding("tied-outputs", f"{message} the images, which count as misclassified.")
    clean = float(right.mean())
    low, high = interval(int(right.sum()), len(y))
    chance = max(1 / target.classes, np.bincount(y).max() / len(y))
    if low <= chance:
        message = f"The clean accuracy, {percent(clean)}, is not above chance, {percent(chance)}."
        yield Finding("near-chance", message)
    elif published and not low - 0.005 <= published.accuracy <= high + 0.005:
        yield Finding(
            "clean-accuracy",
            f"The clean accuracy is {percent(clean)}, the published one is "
            f"{percent(published.accuracy)} ({published.source}).",
        )


def _gradients(
    target: Target, x: np.ndarray, y: np.ndarray, logits: np.ndarray
) -> Iterator[Finding]:
    values = margin(logits, y).numpy()
    rows = np.flatnonzero(values > 0)
    if not len(rows):
        return
    if (median := np.median(values[rows])) > _LARGE_MARGIN:
        message = f"The median margin is {median:.3g}: the cross-entropy of such logits is flat."
        yield Finding("scaled-logits", message)
    rows = rows[:_GRADIENTS]
    gradients = [input_gradient(target, x[rows], y[rows], loss) for loss in (xent, margin)]
    of_xent, of_margin = [
        (np.abs(g).reshape(len(g), -1).max(axis=1) < _TINY).mean() for g in gradients
    ]
    if max(of_xent, of_margin) > _VANISHED:
        yield Finding(
            "vanishing-gradients",
            f"The gradient of the cross-entropy is zero for {percent(of_xent)} of the images, the "
            f"gradient of the margin for {percent(of_margin)}.",
        )


def after(
    target: Target,
    x: np.ndarray,
    y: np.ndarray,
    report: Report,
    attack: AttackConfig,
    seed: int = 0,
    seconds: float = math.inf,
    progress: bool = False,
) -> list[Finding]:
    """Checks a finished attack, with small attacks on some of the images.

    `seconds` is the time of the attack. After a share of it, the other checks are left out.
    """
    rows = np.flatnonzero(report.natural > 0)[: int(np.clip(len(x) // 10, 25, _ATTACKED))]

    @cache
    def broken(method: str, **options: object) -> np.ndarray:
        """The images that a small attack on the margin breaks. [rows] bool."""
        options = {"eps": attack.eps, "norm": attack.norm, "batch_size": len(rows), **options}
        small = AttackConfig(method, "cw", **options)  # type: ignore[arg-type]
        adv = Attack(target, small)(x[rows], y[rows], seed=seed)
        values = margins(target, adv, y[rows])
        require(bool(np.isfinite(values).all()), "logits", "finite numbers", "nan or inf")
        return values <= 0

    few = partial(broken, "pgd", steps=10, step_size=attack.eps / 4)
    many = partial(broken, "pgd", steps=40, step_size=attack.eps / 4)
    largest = attack.ball.largest(x.shape[1:])
    huge = partial(broken, "pgd", eps=largest, steps=40, step="geometric")
    checks: dict[str, Check] = {
        "unstable-images": lambda: unstable(target, y, report),
        "tied-outputs": lambda: _tied(report),
        "still-falling": lambda: falling(report),
    }
    if len(rows):
        checks["more-steps-weaker"] = lambda: more_steps(few(), many())
        checks["huge-eps"] = lambda: _huge_eps(huge(), target.classes, largest)
    if len(rows) and attack.method_spec.direction is not directions.nowhere:
        # A targeted attack does not look for all the images that random search breaks.
        by_attack = None if attack.targeted else report.margin[rows] <= 0
        checks["search-wins"] = lambda: _search_wins(
            broken("square", steps=200), few() | many(), by_attack
        )
    return _run(checks, progress, max(_SHARE * seconds, _LEAST))


def _huge_eps(broken: np.ndarray, classes: int, eps: float) -> Iterator[Finding]:
    accuracy = 1 - float(broken.mean())
    if accuracy > 1 / classes + 0.1:
        message = f"With eps = {eps:.4g}, where any image can become any other, the accuracy is"
        yield Finding("huge-eps", f"{message} {percent(accuracy)}.")


def _search_wins(
    search: np.ndarray, pgd: np.ndarray, attack: np.ndarray | None
) -> Iterator[Finding]:
    """Compares the images that random search, PGD and the attack break. All [N] bool."""
    only, lost = int((search & ~pgd).sum()), int((pgd & ~search).sum())
    new = 0 if attack is None else int((search & ~attack).sum())
    hidden = only >= 3 and only > lost and mcnemar(only, lost) < 0.05
    if hidden or new >= max(2, 0.02 * len(search)):
        message = f"Random search breaks {search.sum()} of {len(search)} images; PGD misses {only}"
        missed = "" if attack is None else f", and the attack {new}"
        yield Finding("search-wins", f"{message} of them{missed}.")


def unstable(target: Target, y: np.ndarray, report: Report) -> Iterator[Finding]:
    finite = np.isfinite(report.margin)
    changed = (margins(target, report.adv, y) > 0) != (report.margin > 0)
    count = int(changed[finite].sum())
    if count:
        message = f"The model judges {count:,} of {finite.sum():,} worst images differently now."
        yield Finding("unstable-images", message)


def _tied(report: Report) -> Iterator[Finding]:
    errors = (report.margin <= 0) & (report.natural > 0)
    tied = int((report.margin[errors] == 0).sum())
    if tied >= max(2, 0.02 * len(report.margin)):
        message = f"{tied:,} of {errors.sum():,} adversarial images have two equal outputs; they"
        yield Finding("tied-outputs", f"{message} count as misclassified.")


def falling(report: Report) -> Iterator[Finding]:
    """Checks that a larger budget would hardly lower the accuracy.

    Adaptive DAA predicts this; for other attacks, the last fifth of the budget is the guide.
    """
    if report.predicted is not None:
        if report.predicted >= max(0.005 * len(report.margin), 2):
            message = f"Twice the budget is expected to break {report.predicted:.0f} more images."
            yield Finding("still-falling", message)
        return
    spent, accuracy = report.gradients_after, report.robust_accuracy
    if len(spent) < 2 or not accuracy[-1]:
        return
    earlier = accuracy[np.searchsorted(spent, 0.8 * spent[-1], side="right") - 1]
    if earlier - accuracy[-1] >= max(0.005, 2 / len(report.margin)):
        message = f"The last fifth of the budget lowered the accuracy from {percent(earlier)} to"
        yield Finding("still-falling", f"{message} {percent(accuracy[-1])}.")


def more_steps(few: np.ndarray, many: np.ndarray) -> list[Finding]:
    """Compares the images that PGD breaks in 10 and in 40 steps. Both [N] bool."""
    lost, won = int((few & ~many).sum()), int((many & ~few).sum())
    if lost - won < max(2, 0.02 * len(few)) or mcnemar(lost, won) > 0.05:
        return []
    message = f"PGD breaks {few.sum()} of {len(few)} images in 10 steps, {many.sum()} in 40 steps."
    return [Finding("more-steps-weaker", message)]


def percent(share: float) -> str:
    """A share in [0, 1] as text with three digits."""
    return f"{100 * share:.3g} %"
