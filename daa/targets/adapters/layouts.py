"""Layouts and ranges of a model's input images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from daa.attacks.components import checked
from daa.errors import is_number, require
from daa.target import SHAPES, Bounds, is_shape
from daa.targets.adapters.logits import Network
from daa.tensorflow import tf

DataFormat = Literal["channels_last", "channels_first"]
Shape = tuple[int, ...]


def image_shape_of(
    shape: Sequence[int | None] | None,
    image_shape: Iterable[int] | None,
    data_format: DataFormat,
    name: str,
) -> Shape:
    """(H, W, C) from the user, else from the `shape` of the model's input, with the batch first."""
    checked(f"{name}: data_format", data_format, DataFormat)
    if image_shape is not None:
        sizes = tuple(image_shape)
        require(is_shape(sizes), f"{name}: image_shape", SHAPES, sizes)
        return sizes
    inputs = tuple(shape or ())[1:]
    if len(inputs) == 2:
        inputs = (*inputs, 1) if data_format == "channels_last" else (1, *inputs)
    expected = f"{SHAPES}; the input of the model has the shape {shape and tuple(shape)}"
    require(is_shape(inputs), f"{name}: image_shape", expected, image_shape)
    if data_format == "channels_first":
        inputs = (*inputs[1:], inputs[0])
    return inputs  # type: ignore[return-value]


def input_shape(image_shape: Shape, data_format: DataFormat) -> Shape:
    """Shape of an image in the layout of the model's input."""
    *sizes, channels = image_shape
    return (channels, *sizes) if data_format == "channels_first" else image_shape


def in_layout(
    call: Network, shape: Sequence[int | None] | None, image_shape: Shape, data_format: DataFormat
) -> Network:
    """A function of N images from a model with another layout, rank or fixed N of the input."""
    batch, *sizes = [size or 0 for size in shape or (0,)]  # 0 for a size that varies
    rank = len(image_shape)
    reshaped = len(sizes) not in (0, rank) and np.prod(sizes) == np.prod(image_shape)
    batched = _in_batches(call, batch) if batch else call

    def network(x: tf.Tensor) -> tf.Tensor:
        if data_format == "channels_first":
            x = tf.transpose(x, [0, rank, *range(1, rank)])
        return batched(tf.reshape(x, [-1, *sizes]) if reshaped else x)

    return network


def _in_batches(call: Network, size: int) -> Network:
    """A function of any number of images; repeated images complete the last batch."""

    def network(x: tf.Tensor) -> tf.Tensor:
        count = tf.shape(x)[0]
        rows = tf.reshape(tf.range(-(-count // size) * size) % count, [-1, size])
        outputs = tf.map_fn(
            lambda batch: tf.cast(call(tf.gather(x, batch)), tf.float32),
            rows,
            fn_output_signature=tf.float32,
        )
        shape = tf.concat([[-1], tf.shape(outputs)[2:]], axis=0)
        return tf.reshape(outputs, shape)[:count]

    return network


def bounds_of(bounds: Any, name: str, default: tuple[float, float] = (0.0, 1.0)) -> Bounds:
    """The native range of the pixels, from `Bounds`, a pair of numbers, or None for the default."""
    if bounds is None:
        bounds = default
    elif isinstance(bounds, Bounds):
        bounds = (bounds.lower, bounds.upper)
    valid = isinstance(bounds, (tuple, list)) and len(bounds) == 2 and all(map(is_number, bounds))
    valid = valid and bounds[0] < bounds[1]
    require(valid, f"{name}: bounds", "the lowest and the highest value of a pixel", bounds)
    return Bounds(float(bounds[0]), float(bounds[1]))
