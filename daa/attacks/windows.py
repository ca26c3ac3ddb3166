"""Windows of random search: squares of images, intervals of vectors, cubes of volumes.

Common arguments:

    shape: of the images. [N, H, W, C], [N, F] or [N, D, H, W, C].
    noise: position of the window of each image, U(0, 1). [N, number of sizes].
    length: side of the windows in pixels. Scalar.
"""

from __future__ import annotations

from collections.abc import Sequence

from daa.tensorflow import tf


def sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes that a window has: (H, W) of [N, H, W, C], (F,) of [N, F]."""
    return tuple(shape)[1:-1] or tuple(shape)[1:]


def channels(shape: Sequence[int]) -> int:
    """Number of channels; 1 for vectors."""
    return shape[-1] if len(shape) > 2 else 1


def offsets(shape: Sequence[int], noise: tf.Tensor, length: tf.Tensor) -> list[tf.Tensor]:
    """Position of each pixel relative to the window, along each axis. [N, 1, size, 1, ...] each."""
    ones, positions = [1] * (len(shape) - 1), []
    for axis, size in enumerate(sizes(shape)):
        edge = tf.cast(noise[:, axis] * tf.cast(size - length + 1, tf.float32), tf.int32)[:, None]
        to = [-1, *ones[:axis], size, *ones[axis + 1 :]]
        positions.append(tf.reshape(tf.range(size) - edge, to))
    return positions


def covered(positions: Sequence[tf.Tensor], length: tf.Tensor) -> tf.Tensor:
    """Whether each pixel is inside the window. [N, H, W, 1] bool."""
    inside = tf.constant(True)
    for position in positions:
        inside &= (position >= 0) & (position < length)
    return inside


def per_channel(shape: Sequence[int], noise: tf.Tensor) -> tf.Tensor:
    """A number for each channel, in the rank of the images. [N, C] -> [N, 1, 1, C]."""
    return tf.reshape(noise, [shape[0], *[1] * (len(shape) - 2), -1])
