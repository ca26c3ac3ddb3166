"""Layouts and ranges of a model's input images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from daa.errors import is_number, is_whole, require
from daa.target import Bounds
from daa.targets.adapters.logits import Network
from daa.tensorflow import tf

DataFormat = Literal["channels_last", "channels_first"]
Shape = tuple[int, int, int]


def image_shape_of(
    shape: Sequence[int | None] | None,
    image_shape: Iterable[int] | None,
    data_format: DataFormat,
    name: str,
) -> Shape:
    """(H, W, C) from the user, else from the `shape` of the model's input, with the batch first."""
    formats = get_args(DataFormat)
    valid = data_format in formats
    require(valid, f"{name}: data_format", f"one of {', '.join(formats)}", data_format)
    if image_shape is not None:
        sizes = tuple(image_shape)
        valid = len(sizes) == 3 and all(is_whole(size) and size >= 1 for size in sizes)
        require(valid, f"{name}: image_shape", "(H, W, C)", sizes)
        return sizes  # type: ignore[return-value]
    inputs = tuple(shape or ())[1:]
    if len(inputs) == 2:
        inputs = (*inputs, 1) if data_format == "channels_last" else (1, *inputs)
    valid = len(inputs) == 3 and None not in inputs
    expected = f"(H, W, C), as the input of the model has the shape {shape and tuple(shape)}"
    require(valid, f"{name}: image_shape", expected, image_shape)
    if data_format == "channels_first":
        inputs = (*inputs[1:], inputs[0])
    return inputs  # type: ignore[return-value]


def input_shape(image_shape: Shape, data_format: DataFormat) -> Shape:
    """Shape of an image in the layout of the model's input."""
    height, width, channels = image_shape
    return (channels, height, width) if data_format == "channels_first" else image_shape


def in_layout(
    call: Network, shape: Sequence[int | None] | None, image_shape: Shape, data_format: DataFormat
) -> Network:
    """A function of images [N, H, W, C] from a model with another layout or rank of the input."""
    sizes = [size or 0 for size in list(shape or ())[1:]]  # 0 for a size that varies
    reshaped = len(sizes) not in (0, 3) and np.prod(sizes) == np.prod(image_shape)

    def network(x: tf.Tensor) -> tf.Tensor:
        if data_format == "channels_first":
            x = tf.transpose(x, [0, 3, 1, 2])
        return call(tf.reshape(x, [-1, *sizes]) if reshaped else x)

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
