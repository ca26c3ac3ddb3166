"""Arrays of adversarial images in the format of MadryLab's challenges.

An array holds pixels in the network's range: [N, H * W] for gray images, [N, H, W, C] for color.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daa.attacks import ball
from daa.attacks.losses import margin
from daa.errors import InputError
from daa.target import Bounds, Dataset, Target, predict
from daa.targets.files import read_npy, write_atomically

# run_attack.py allows this much beyond eps and beyond the pixel range.
TOLERANCE = 1e-4
_CHUNK = 500


@dataclass(frozen=True, eq=False)
class Challenge:
    """Network, test images and radius that arrays are verified against; `eps` as in [0, 1]."""

    target: Target
    data: Dataset
    eps: float

    @property
    def name(self) -> str:
        """Name of the network and origin of its weights."""
        return f"{self.target.name} ({self.target.provenance} weights)"

    @property
    def radius(self) -> float:
        """Radius in the unit of the network's pixels."""
        bounds = self.target.bounds
        return round(self.eps * (bounds.upper - bounds.lower), 9)

    @property
    def pixel_type(self) -> type:
        """Type of the challenge's clean images: bytes for the range [0, 255]."""
        return np.uint8 if self.target.bounds == Bounds(0, 255) else np.float32

    def shape(self, images: int) -> tuple[int, ...]:
        height, width, channels = self.target.image_shape
        return (images, height * width) if channels == 1 else (images, height, width, channels)

    def clean_images(self, rows: slice = slice(None)) -> np.ndarray:
        """Clean images exactly as the challenge's run_attack.py reads them.

        MadryLab's CIFAR10 reader returns bytes. TensorFlow's MNIST reader multiplies bytes by
        float32(1 / 255), which rounds differently than a division by 255.
        """
        x = self.data.x[rows]
        pixels = np.rint(x.astype(np.float64) * 255)
        if not np.allclose(pixels, x * 255.0, atol=1e-3):  # the data set does not store bytes
            images = self.to_native(x)
        elif self.pixel_type == np.uint8:
            images = pixels.astype(np.uint8)
        else:
            images = self.to_native(pixels.astype(np.float32) * np.float32(1 / 255))
        return images.reshape(self.shape(len(images)))

    def to_native(self, x: np.ndarray) -> Any:
        """Images in [0, 1] as float32 pixels in the network's range."""
        return self.target.bounds.to_native(x).astype(np.float32)

    def to_images(self, array: np.ndarray) -> np.ndarray:
        """Rows of an array as images in [0, 1]. [N, H, W, C] float32."""
        return self.target.bounds.from_native(array.reshape(-1, *self.target.image_shape))

    def logits(self, array: np.ndarray) -> np.ndarray:
        """Logits of the rows of an array, computed in float32 as in the challenge."""
        return predict(self.target, self.to_images(array))


@dataclass(frozen=True, eq=False)
class Verified:
    """An array that run_attack.py accepts, with predicted labels and margins of the logits.

    `distance` is the largest |adv - x| in float64, in the network's unit. `beyond` is the number of
    pixels outside the exact ball or range, but within the tolerance.
    """

    array: np.ndarray
    predictions: np.ndarray
    margin: np.ndarray
    accuracy: float
    distance: float
    beyond: int


def build(challenge: Challenge, adv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The float32 array of images in [0, 1], clipped to the ball of the challenge's clean images.

    And the distance by which clipping moved the pixels of each image, in the network's unit. [N].
    """
    bounds = challenge.target.bounds
    array = challenge.to_native(adv).reshape(challenge.shape(len(adv)))
    clean = challenge.clean_images().astype(np.float32)
    lower, upper = ball.bounds(clean, challenge.radius, clip_range=False)
    inside = np.clip(array, np.maximum(lower, bounds.lower), np.minimum(upper, bounds.upper))
    return inside, np.abs(inside - array).reshape(len(array), -1).max(axis=1)


def load(challenge: Challenge, path: Path) -> np.ndarray:
    """Opens an .npy file as a memory map; refuses other shapes and types than the challenge's."""
    array = read_npy(path)
    shape = challenge.shape(len(challenge.data))
    if array.shape != shape:
        advice = f"; use array.reshape{shape}" if array.size == math.prod(shape) else ""
        raise InputError(
            f"{path}: shape must be {list(shape)} for {challenge.target.name}, "
            f"got {list(array.shape)}{advice}"
        )
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: must hold numbers, got {array.dtype}")
    # run_attack.py subtracts the array from clean images that are bytes for the range [0, 255].
    # In an unsigned type 0 - 248 is 8.
    if np.result_type(challenge.pixel_type, array.dtype).kind in "ub":
        raise InputError(
            f"{path}: must hold signed numbers, got {array.dtype}, for which |adv - x| overflows "
            "in run_attack.py; save the array as float32"
        )
    return array


def verify(challenge: Challenge, path: Path) -> Verified:
    """Verifies an array as run_attack.py does, and measures its exact distance.

    run_attack.py compares with the tolerance in the arithmetic of the array's type. This function
    does the same, so it accepts the same arrays, except that it refuses NaN for every target. Its
    error names the first bad pixel, and the cause if the order or unit of the images seems wrong.

    Source: MadryLab/mnist_challenge and MadryLab/cifar10_challenge, run_attack.py.
    """
    array = load(challenge, path)
    bounds, radius, scores = challenge.target.bounds, challenge.radius, []
    for begin, chunk, clean in _chunks(challenge, array):
        inside = (chunk <= bounds.upper + TOLERANCE) & (chunk >= bounds.lower - TOLERANCE)
        if not inside.all():
            expected = f"[{bounds.lower:g}, {bounds.upper:g}]"
            high = bounds == Bounds() and 1.5 < float(np.max(array)) <= 255
            hint = "; the array seems to be in [0, 255]: divide it by 255" if high else ""
            raise _refused(path, begin, ~inside, chunk, expected, hint)
        with np.errstate(over="ignore"):
            distance = np.abs(clean - chunk)
        inside = distance.astype(np.float64) <= radius + TOLERANCE
        if not inside.all():
            expected = f"|adv - x| <= {radius:g} + {TOLERANCE:g}"
            raise _refused(path, begin, ~inside, distance, expected, _hint(challenge, array))
        scores.append(challenge.logits(chunk))
    logits, y = np.concatenate(scores), challenge.data.y
    predictions, margins = logits.argmax(axis=1).astype(np.int64), margin(logits, y).numpy()
    accuracy = float((predictions == y).mean())
    return Verified(array, predictions, margins, accuracy, *measure(challenge, array))


def _chunks(challenge: Challenge, array: np.ndarray) -> Iterator[tuple]:
    """Index of the first image, rows and clean images of each chunk."""
    for begin in range(0, len(array), _CHUNK):
        rows = slice(begin, begin + _CHUNK)
        yield begin, np.asarray(array[rows]), challenge.clean_images(rows)


def measure(challenge: Challenge, array: np.ndarray) -> tuple[float, int]:
    """Largest |adv - x| in float64, and number of pixels outside the exact ball or range."""
    bounds, largest, beyond = challenge.target.bounds, 0.0, 0
    for _, chunk, clean in _chunks(challenge, array):
        adv = chunk.astype(np.float64)
        distance = np.abs(clean.astype(np.float64) - adv)
        outside = (adv < bounds.lower) | (adv > bounds.upper) | (distance > challenge.radius)
        largest, beyond = max(largest, float(distance.max())), beyond + int(outside.sum())
    return largest, beyond


def merge(verified: Sequence[Verified]) -> tuple[np.ndarray, np.ndarray]:
    """The version of each image with the lowest margin, and the index of its array. [N].

    The type holds all values exactly, because rounding could move them out of the ball.
    """
    arrays = [check.array for check in verified]
    source = np.argmin([check.margin for check in verified], axis=0)
    merged = np.empty(arrays[0].shape, np.result_type(*(array.dtype for array in arrays)))
    for k, array in enumerate(arrays):
        merged[source == k] = array[source == k]
    return merged, source


def save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    write_atomically(path, buffer.getvalue())


def _refused(
    path: Path, begin: int, bad: np.ndarray, value: np.ndarray, expected: str, hint: str = ""
) -> InputError:
    """The error for the first bad pixel of a chunk whose first image has the index `begin`."""
    index = tuple(np.argwhere(bad)[0].tolist())
    got, pixel = value[index], index[1:]
    if not hint and not np.isfinite(got):
        hint = "; every value must be a finite number"
    where = pixel[0] if len(pixel) == 1 else pixel
    return InputError(
        f"{path}: image {begin + index[0]}, pixel {where}: expected {expected}, got {got}{hint}"
    )


def _hint(challenge: Challenge, array: np.ndarray, rows: int = 20) -> str:
    """The likely cause if an array leaves the ball: another unit, or another order of images."""
    upper, limit = challenge.target.bounds.upper, challenge.radius + TOLERANCE
    if upper > 1 and float(np.max(array)) <= 1.0001:
        return f"; the array seems to be in [0, 1] instead of [0, {upper:g}]"
    clean = challenge.clean_images().astype(np.float32).reshape(len(array), -1)
    adv = np.asarray(array, np.float32).reshape(len(array), -1)
    outside = np.flatnonzero(~(np.abs(clean - adv).max(axis=1) <= limit))[:rows]
    matches = [(i, np.flatnonzero((np.abs(clean - adv[i]) <= limit).all(axis=1))) for i in outside]
    swapped = [(i, match[0]) for i, match in matches if len(match)]
    if 2 * len(swapped) <= len(outside):
        return ""
    i, j = swapped[0]
    return (
        f"; the images are not in the official order: {len(swapped)} of the first {len(outside)} "
        f"images outside the ball match another clean image, for example image {i} matches {j}"
    )
