"""Layouts of images: which a model takes, and how it gets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np

from daa.errors import InputError, is_whole, require
from daa.targets.adapters.logits import Network
from daa.tensorflow import tf

DataFormat = Literal["channels_last", "channels_first"]
Shape = tuple[int, int, int]


def image_shape_of(
    shape: Iterable[int | None] | None,
    given: Iterable[int] | None,
    data_format: DataFormat,
    name: str,
) -> Shape:
    """(H, W, C) of the images of a model.

    Args:
        shape: of the model's input, with the number of images first; None where it is not known.
        given: (H, W, C) that the user gave; None to read them from `shape`.
        data_format: of the model's input.
        name: of the target.

    Raises:
        InputError: neither says it, or something else than three whole numbers was given.
    """
    formats = get_args(DataFormat)
    require(
        data_format in formats, f"{name}: data_format", f"one of {', '.join(formats)}", data_format
    )
    if given is not None:
        found = tuple(given)
        fits = len(found) == 3 and all(is_whole(size) and size >= 1 for size in found)
        require(fits, f"{name}: image_shape", "(H, W, C)", found)
        return found  # type: ignore[return-value]
    sizes = tuple(shape or ())[1:]
    if len(sizes) == 2:
        sizes = (*sizes, 1) if data_format == "channels_last" else (1, *sizes)
    if len(sizes) != 3 or None in sizes:
        raise InputError(
            f"{name}: image_shape: expected (H, W, C), got none, and the model's input does not "
            f"say it: {None if shape is None else tuple(shape)}"
        )
    if data_format == "channels_first":
        sizes = (*sizes[1:], sizes[0])
    return sizes  # type: ignore[return-value]


def in_layout(
    call: Network, shape: Iterable[int | None] | None, image_shape: Shape, data_format: DataFormat
) -> Network:
    """A function of images [N, H, W, C] from one of the layout that a model takes.

    Args:
        call: the model.
        shape: of its input; an input of another rank than 4 gets the same numbers in its shape.
        image_shape: (H, W, C).
        data_format: of the model's input.
    """
    sizes = list(shape)[1:] if shape is not None else []
    known = [size for size in sizes if size is not None]
    reshaped = known == sizes and len(sizes) not in (0, 3)
    reshaped = reshaped and np.prod(known) == np.prod(image_shape)

    def network(x: tf.Tensor) -> tf.Tensor:
        if data_format == "channels_first":
            x = tf.transpose(x, [0, 3, 1, 2])
        return call(tf.reshape(x, [-1, *known]) if reshaped else x)

    return network
