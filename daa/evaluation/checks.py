"""Checks before an attack: what makes a robust accuracy wrong without a word.

docs/checks.md has a section for each code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from daa.attacks.losses import margin, xent
from daa.attacks.worst_case import margins
from daa.errors import InputError
from daa.reports.stats import interval
from daa.target import Bounds, Target, input_gradient, logits_gradient, predict
from daa.targets import Published

# What to do about each finding.
ADVICE = {
    "batch-dependent": "Evaluate in inference mode: training=False, no statistics of the batch.",
    "bounds": "Give the range of pixels that the model was trained on: bounds=(0, 255).",
    "classes": "Give the model and the data set that belong together.",
    "clean-accuracy": "Compare weights, preprocessing and range of pixels with the publication.",
    "huge-eps": "Look for what hides the gradient: rounding, thresholds, randomness, saturation.",
    "images-narrow-range": "Give images in [0, 1], or uint8; they seem to be scaled twice.",
    "images-outside-range": "Give images in [0, 1], uint8, or the range of their pixels (bounds).",
    "images-rescaled": "Give uint8, or floats in [0, 1], so that nothing has to be guessed.",
    "labels-permuted": "Give labels in the order of the model's outputs.",
    "labels-shifted": "Count the labels from 0, as the model's outputs are.",
    "more-steps-weaker": "Look for randomness or a wrong gradient; take the best image on the way.",
    "near-chance": "Check the labels, the range of the pixels and the weights.",
    "random-outputs": "Switch off noise and dropout: training=False. Or make the noise a constant.",
    "scaled-logits": "Use the adaptive attack, which scales the logits back; don't trust PGD here.",
    "search-wins": "Don't trust gradients here: look for what hides them, and add random search.",
    "softmax-logarithm": "Build the model without its final softmax.",
    "still-falling": "Spend more: a larger budget gives a lower accuracy.",
    "tied-outputs": "Give logits; probabilities and sigmoids that saturate can't be told apart.",
    "unstable-images": "Switch off randomness, or the dependence on the batch, inside the model.",
    "vanishing-gradients": "Use the adaptive attack; give logits, not probabilities; look for "
    "rounding, thresholds and saturation in the model.",
}
# Ranges of pixels that are in use.
_RANGES = (Bounds(0, 1), Bounds(0, 255), Bounds(-1, 1))
# Numbers of images that a check looks at, at most.
_FORWARD, _GRADIENTS, _ALONE = 500, 200, 16
# A median margin above which a cross-entropy in float32 says little; networks have 2 to 25.
_LARGE_MARGIN = 60.0
# Share of images that may have a tie.
_TIED = 0.01
# Share of images whose gradient may vanish, and the size below which it did.
_VANISHED, _TINY = 0.03, 1e-37


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        code: stable name of the check.
        message: what is wrong, in one sentence.
    """

    code: str
    message: str

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]


def before(
    target: Target, x: np.ndarray, y: np.ndarray, published: Published | None = None
) -> list[Finding]:
    """The checks that need no attack.

    Args:
        target: the classifier.
        x, y: images and labels that fit it.
        published: clean accuracy that somebody published; None where there is none.

    Raises:
        InputError: a logit that is no finite number.
    """
    logits = predict(target, x)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        image = int(np.flatnonzero(~finite)[0])
        raise InputError(
            f"{target.name}: image {image}: expected finite logits, got nan or inf for "
            f"{(~finite).sum():,} of {len(x):,} images"
        )
    return [
        *_stability(target, x, logits),
        *_images(x),
        *_classes(y, target.classes),
        *_labels(y, logits),
        *_accuracy(target, x, y, logits, published),
        *_gradients(target, x, y, logits),
    ]


def _images(x: np.ndarray) -> Iterator[Finding]:
    highest = float(x.max())
    if highest - float(x.min()) < 0.1:
        message = f"The images have values from {x.min():.3g} to {highest:.3g} only, not to 1."
        yield Finding("images-narrow-range", message)


def _classes(y: np.ndarray, classes: int) -> Iterator[Finding]:
    highest = int(y.max())
    # So many images would have an image of the last class, were there one.
    if highest + 1 < classes and len(y) >= 10 * classes:
        yield Finding("classes", f"The model has {classes} outputs, the labels end at {highest}.")


def _labels(y: np.ndarray, logits: np.ndarray) -> Iterator[Finding]:
    guess = logits.argmax(axis=1)
    right = int((guess == y).sum())
    least = right + max(5, 0.1 * len(y))
    for shift in (-1, 1):
        shifted = int((guess == y + shift).sum())
        if shifted >= least:
            yield Finding(
                "labels-shifted",
                f"The model finds label {shift:+d} for {percent(shifted / len(y))} of the images "
                f"and the label itself for {percent(right / len(y))}.",
            )
            return
    labels = np.unique(y)
    usual = {k: int(np.bincount(guess[y == k]).argmax()) for k in labels}
    renamed = int(sum((guess[y == k] == usual[k]).sum() for k in labels))
    if len(set(usual.values())) == len(labels) and len(labels) > 1 and renamed >= least:
        yield Finding(
            "labels-permuted",
            f"With the classes in another order the model would be right for "
            f"{percent(renamed / len(y))} of the images, not for {percent(right / len(y))}.",
        )


def _stability(target: Target, x: np.ndarray, logits: np.ndarray) -> Iterator[Finding]:
    """Whether the model gives an image the same logits always."""
    some = x[: 4 * _ALONE]
    size = max(float(np.abs(logits).max()), 1e-30)
    known = predict(target, some)
    again = [predict(target, some), target(some).numpy()]  # the second one runs Python code anew
    apart = max(float(np.abs(other - known).max()) for other in again) / size
    if apart > 1e-3:
        message = "The model gives the same images other logits each time; they differ by {}."
        yield Finding("random-outputs", message.format(percent(apart)))
        return
    alone = np.concatenate([predict(target, image[None]) for image in some[:_ALONE]])
    apart = float(np.abs(alone - known[:_ALONE]).max()) / size
    if apart > 1e-3:
        message = "The logits of an image depend on the other images of its minibatch; they differ"
        yield Finding("batch-dependent", f"{message} by {percent(apart)}.")


def _accuracy(
    target: Target, x: np.ndarray, y: np.ndarray, logits: np.ndarray, published: Published | None
) -> Iterator[Finding]:
    own = _margin(logits, y)
    right, tied = own > 0, float((own == 0).mean())
    if tied > _TIED:
        message = f"The label shares the largest output with another class for {percent(tied)} of"
        yield Finding("tied-outputs", f"{message} the images, which count as misclassified.")
    clean, n = float(right.mean()), len(y)
    x, y, part = x[:_FORWARD], y[:_FORWARD], right[:_FORWARD]
    best, most = None, part.sum() + max(5, 0.05 * len(x))
    for other in (bounds for bounds in _RANGES if bounds != target.bounds):
        found = (margins(replace(target, bounds=other), x, y) > 0).sum()
        if found > most:
            best, most = other, found
    if best is not None:
        yield Finding(
            "bounds",
            f"With pixels from {best.lower:g} to {best.upper:g} the clean accuracy is "
            f"{percent(most / len(x))}, with those from {target.bounds.lower:g} to "
            f"{target.bounds.upper:g} it is {percent(part.mean())}.",
        )
    low, high = interval(int(right.sum()), n)
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
    own = _margin(logits, y)
    rows = np.flatnonzero(own > 0)
    if not len(rows):
        return
    middle = float(np.median(own[rows]))
    if middle > _LARGE_MARGIN:
        message = f"The median margin is {middle:.3g}: the cross-entropy of such logits is flat."
        yield Finding("scaled-logits", message)
    rows = rows[:_GRADIENTS]
    x, y, logits = x[rows], y[rows], logits[rows]
    identity = np.eye(target.classes, dtype=np.float32)
    other = np.where(identity[y] > 0, -np.inf, logits).argmax(axis=1)
    grads = {
        "cross-entropy": input_gradient(target, x, y, xent),
        "margin": logits_gradient(target, x, identity[y] - identity[other]),
    }
    gone = {name: float((_size(grad) < _TINY).mean()) for name, grad in grads.items()}
    if max(gone.values()) > _VANISHED:
        parts = " and ".join(
            f"that of the {name} for {percent(share)}" for name, share in gone.items()
        )
        yield Finding("vanishing-gradients", f"Gradients are zero: {parts} of the images.")


def _size(grad: np.ndarray) -> np.ndarray:
    return np.abs(grad).reshape(len(grad), -1).max(axis=1)


def _margin(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    return margin(logits, y).numpy()


def percent(share: float) -> str:
    """A share in [0, 1] as text, with three digits."""
    return f"{100 * share:.3g} %"
