"""Arrays of adversarial images as the MadryLab challenges take them: [N, 784] or [N, H, W, C]."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daa.attacks import ball
from daa.attacks.losses import margin
from daa.errors import InputError
from daa.reports.stats import mcnemar
from daa.target import Bounds, Dataset, Target, predict
from daa.targets.files import read_npy, write_atomically

# What the challenges' run_attack.py adds to eps and to the range of the pixels.
TOLERANCE = 1e-4
_CHUNK = 500


def native_eps(target: Target, eps: float) -> float:
    """A radius for images in [0, 1] in the unit of the target's pixels."""
    return round(eps * (target.bounds.upper - target.bounds.lower), 9)


def natural(target: Target, data: Dataset, part: slice = slice(None)) -> np.ndarray:
    """The natural images that the challenges compare with, in the network's own range.

    The range [0, 255] stays uint8, as MadryLab's reader of CIFAR10 gives it. The range [0, 1] is
    bytes times float32(1 / 255), as TensorFlow's MNIST tutorial gives it.

    Returns:
        [N, H * W] for grey images, else [N, H, W, C].
    """
    pixels = np.rint(data.x[part].astype(np.float64) * 255)
    if not np.allclose(pixels, data.x[part] * 255.0, atol=1e-3):
        images = _native(target, data.x[part])  # the source does not store bytes
    elif natural_type(target) == np.uint8:
        images = pixels.astype(np.uint8)
    else:
        images = _native(target, pixels.astype(np.float32) * np.float32(1 / 255))
    return images.reshape(array_shape(target, len(images)))


def natural_type(target: Target) -> np.dtype:
    """The type in which the challenge holds the natural images."""
    of_bytes = (target.bounds.lower, target.bounds.upper) == (0.0, 255.0)
    return np.dtype(np.uint8 if of_bytes else np.float32)


def _native(target: Target, x: np.ndarray) -> np.ndarray:
    return target.bounds.to_native(x).astype(np.float32)


def array_shape(target: Target, images: int) -> tuple[int, ...]:
    """The shape of an array of so many images for this target."""
    height, width, channels = target.image_shape
    return (images, height * width) if channels == 1 else (images, height, width, channels)


def build(
    target: Target, adv: np.ndarray, data: Dataset, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Adversarial images as an array for the challenge.

    Args:
        target: gives range and shape.
        adv: images in [0, 1], inside the ball. [N, H, W, C] float32.
        data: their natural images.
        eps: radius of the ball, for images in [0, 1].

    Returns:
        The images in the network's range, float32, exactly inside the ball around the images that
        the challenge compares with. And how far the pixels of each image were moved for that, in
        the network's unit: no more than a rounding if `adv` was inside the ball. [N].
    """
    array = _native(target, adv).reshape(array_shape(target, len(adv)))
    images = natural(target, data).astype(np.float32)
    lower, upper = ball.bounds(images, native_eps(target, eps), clip_range=False)
    bounds = target.bounds
    inside = np.clip(array, np.maximum(lower, bounds.lower), np.minimum(upper, bounds.upper))
    moved = np.abs(inside - array).reshape(len(array), -1).max(axis=1)
    return inside, moved


def load(path: Path, target: Target, images: int) -> np.ndarray:
    """Opens the array of a file without reading it into memory.

    Raises:
        InputError: the file is not a whole .npy file of numbers, or the array has another shape.
    """
    array = read_npy(path)
    expected = array_shape(target, images)
    if array.shape != expected:
        raise InputError(
            f"{path}: expected shape {list(expected)} for {target.name}, got {list(array.shape)}"
        )
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: expected numbers, got {array.dtype}")
    # The challenge subtracts the array from its images, which are bytes where the range is that of
    # bytes. In a type without negative numbers, 0 - 248 is 8.
    if np.result_type(natural_type(target), array.dtype).kind in "ub":
        raise InputError(
            f"{path}: expected numbers with a sign, got {array.dtype}, in which the challenge's "
            "own |adv - x| wraps around; save it as float32"
        )
    return array


@dataclass(frozen=True)
class Check:
    """What was found on an array that the challenge accepts.

    Args:
        predictions: of the target. [N] int64.
        margin: label's logit minus the largest other one. [N].
        accuracy: in [0, 1], as the challenge counts it.
        distance: largest |adv - x| in float64, in the network's unit.
        beyond: number of pixels outside the exact ball or range, within the challenge's tolerance.
    """

    predictions: np.ndarray
    margin: np.ndarray
    accuracy: float
    distance: float
    beyond: int


def verify(path: Path, array: np.ndarray, target: Target, data: Dataset, eps: float) -> Check:
    """Checks an array as the challenge's run_attack.py does, and then exactly.

    run_attack.py compares with the tolerance in the arithmetic of the array's own type. The same is
    done here, so the same arrays pass. One thing differs: a value that is not a number is refused
    for every target.

    Args:
        path: of the array, for messages.
        array: as `load` gives it.
        target, data: the network and its test images.
        eps: radius of the ball, for images in [0, 1].

    Raises:
        InputError: a pixel outside range or ball; names the first one, and says so where the images
            seem to be in another order or another unit.

    Source: MadryLab/mnist_challenge and MadryLab/cifar10_challenge, run_attack.py.
    """
    radius, bounds = native_eps(target, eps), target.bounds
    logits, distance, beyond = [], 0.0, 0
    for begin in range(0, len(array), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        chunk, images = np.asarray(array[part]), natural(target, data, part)
        fine = (chunk <= bounds.upper + TOLERANCE) & (chunk >= bounds.lower - TOLERANCE)
        _refuse(path, begin, ~fine, chunk, f"[{bounds.lower:g}, {bounds.upper:g}]")
        with np.errstate(over="ignore"):
            apart = np.abs(images - chunk)
        outside = ~(apart.astype(np.float64) <= radius + TOLERANCE)
        if outside.any():
            hint = _hint(array, target, data, radius)
            expected = f"|adv - x| <= {radius:g} + {TOLERANCE:g}"
            _refuse(path, begin, outside, apart, expected, hint)
        farthest, left = _exactly(chunk, images, bounds, radius)
        distance, beyond = max(distance, farthest), beyond + left
        logits.append(logits_of(target, chunk))
    scores = np.concatenate(logits)
    predictions = scores.argmax(axis=1).astype(np.int64)
    accuracy = float((predictions == data.y).mean())
    return Check(predictions, margin(scores, data.y).numpy(), accuracy, distance, beyond)


def exactly(array: np.ndarray, target: Target, data: Dataset, eps: float) -> tuple[float, int]:
    """The largest |adv - x| of an array, and the number of its pixels outside ball or range."""
    distance, beyond = 0.0, 0
    for begin in range(0, len(array), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        images, radius = natural(target, data, part), native_eps(target, eps)
        farthest, left = _exactly(np.asarray(array[part]), images, target.bounds, radius)
        distance, beyond = max(distance, farthest), beyond + left
    return distance, beyond


def _exactly(
    array: np.ndarray, images: np.ndarray, bounds: Bounds, radius: float
) -> tuple[float, int]:
    """The same of some images, in float64 and in the network's unit."""
    adv = array.astype(np.float64)
    apart = np.abs(images.astype(np.float64) - adv)
    beyond = (adv < bounds.lower) | (adv > bounds.upper) | (apart > radius)
    return float(apart.max()), int(beyond.sum())


def logits_of(target: Target, array: np.ndarray) -> np.ndarray:
    """Logits of the images of an array, computed in float32 as the challenge does."""
    return predict(target, images_of(target, array))


def margins_of(target: Target, array: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Label's logit minus the largest other one, of the images of an array. [N]."""
    found: np.ndarray = margin(logits_of(target, array), y).numpy()
    return found


def images_of(target: Target, array: np.ndarray) -> np.ndarray:
    """The images of an array, in [0, 1]. [N, H, W, C] float32."""
    return target.bounds.from_native(array.reshape(-1, *target.image_shape))


def _refuse(
    path: Path, begin: int, bad: np.ndarray, value: np.ndarray, expected: str, hint: str = ""
) -> None:
    """Refuses an array for its first bad pixel; `begin` is the index of the first image."""
    if bad.any():
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        image, pixel, found = index[0], index[1:], value[index]
        place = pixel[0] if len(pixel) == 1 else pixel
        if not hint and not np.isfinite(found):
            hint = "; every value must be a finite number"
        raise InputError(
            f"{path}: image {begin + image}, pixel {place}: expected {expected}, got {found}{hint}"
        )


def _hint(array: np.ndarray, target: Target, data: Dataset, radius: float, rows: int = 20) -> str:
    """What is likely wrong with an array that leaves the ball."""
    upper = target.bounds.upper
    if upper > 1 and float(np.max(array)) <= 1.0001:
        return f"; the array seems to be in [0, 1], expected [0, {upper:g}]"
    images = natural(target, data).astype(np.float32).reshape(len(data), -1)
    moved, tried = [], 0
    for i in range(len(array)):
        row = np.asarray(array[i], np.float32).reshape(-1)
        if np.abs(images[i] - row).max() <= radius + TOLERANCE:
            continue
        near = np.flatnonzero((np.abs(images - row) <= radius + TOLERANCE).all(axis=1))
        if len(near):
            moved.append((i, int(near[0])))
        tried += 1
        if tried == rows:
            break
    if 2 * len(moved) <= tried:
        return ""
    (i, j), count = moved[0], len(moved)
    return (
        f"; the images are not in the official order: {count} of {tried} images that were looked "
        f"at fit another natural image, such as image {i} that of {j}"
    )


def save(path: Path, array: np.ndarray) -> None:
    """Writes an .npy file atomically."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    write_atomically(path, buffer.getvalue())


def merge(arrays: list[np.ndarray], checks: list[Check]) -> tuple[np.ndarray, np.ndarray]:
    """The strongest version of each image: that with the lowest margin.

    Returns:
        The array, in a type that holds the values of all arrays exactly, as rounding could move
        them out of the ball; and the index of the array that each image comes from. [N].
    """
    source = np.argmin([check.margin for check in checks], axis=0)
    merged = np.empty(arrays[0].shape, np.result_type(*(array.dtype for array in arrays)))
    for k, array in enumerate(arrays):
        merged[source == k] = array[source == k]
    return merged, source


def contributions(checks: list[Check], y: np.ndarray) -> list[tuple[int, int]]:
    """For each array, how many images it breaks, and how many of them no other array breaks."""
    broken = np.array([check.predictions != y for check in checks])
    alone = broken & (broken.sum(axis=0) == 1)
    return [(int(b.sum()), int(a.sum())) for b, a in zip(broken, alone, strict=True)]


def contrast(a: Check, b: Check, y: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """Indices of the images broken by both arrays, by one alone, by none; and McNemar's p."""
    first, second = a.predictions != y, b.predictions != y
    kinds = {
        "both": first & second,
        "only the first": first & ~second,
        "only the second": ~first & second,
        "none": ~first & ~second,
    }
    found = {name: np.flatnonzero(mask) for name, mask in kinds.items()}
    return found, mcnemar(len(found["only the first"]), len(found["only the second"]))
