"""Targets from TensorFlow functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from daa.target import Bounds, Target
from daa.targets.adapters import common, layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.tensorflow import tf


def from_function(
    call: Any,
    *,
    image_shape: Shape | None,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    data_format: DataFormat = "channels_last",
) -> Target:
    """A target from a function of native pixels, [N, H, W, C] or [N, C, H, W], to logits [N, K].

    Args:
        call: the function.
        image_shape: (H, W, C) in any data format.
        bounds: lowest and highest pixel value; None for (0, 1).
        name: name of the target; None for the name of the function.
        data_format: layout of the function's input.

    Raises:
        InputError: unusable function.
    """
    name = name or getattr(call, "__name__", None) or type(call).__name__
    shape = layouts.image_shape_of(None, image_shape, data_format, name)
    spec = tf.TensorSpec([None, *layouts.input_shape(shape, data_format)], tf.float32)
    return common.target_of(
        layouts.in_layout(call, None, shape, data_format),
        name,
        image_shape=shape,
        bounds=layouts.bounds_of(bounds, name),
        weights_sha256=lambda: _weights_sha256(call, spec),
    )


def _weights_sha256(call: Any, spec: tf.TensorSpec) -> str | None:
    """Hash of the variables and constants of a function; None if it has no graph."""
    try:
        traced = tf.function(lambda x: call(x), autograph=False).get_concrete_function(spec)
    except Exception:  # a function for eager mode only
        return None
    graph = traced.graph
    weights = [variable.numpy() for variable in graph.variables]
    weights += [t.numpy() for t, _ in graph.captures if t.dtype != tf.resource]
    nodes = [node for node in graph.as_graph_def().node if node.op == "Const"]
    weights += [tf.make_ndarray(node.attr["value"].tensor) for node in nodes]
    return common.sha256_of_arrays(np.asarray(array) for array in weights)
