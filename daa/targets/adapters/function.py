"""Targets from TensorFlow functions."""

from __future__ import annotations

from typing import Any

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
    """A target from a function of native pixels to logits [N, K]; options as for `from_keras`."""
    name = name or getattr(call, "__name__", None) or type(call).__name__
    shape = layouts.image_shape_of(None, image_shape, data_format, name)

    def weights_sha256() -> str | None:
        """Hash of the variables and constants of the function; None if it has no graph."""
        spec = tf.TensorSpec([None, *layouts.input_shape(shape, data_format)], tf.float32)
        try:
            traced = tf.function(lambda x: call(x), autograph=False).get_concrete_function(spec)
        except Exception:  # a function for eager mode only
            return None
        graph = traced.graph
        weights = [variable.numpy() for variable in graph.variables]
        weights += [t.numpy() for t, _ in graph.captures if t.dtype != tf.resource]
        nodes = [node for node in graph.as_graph_def().node if node.op == "Const"]
        weights += [tf.make_ndarray(node.attr["value"].tensor) for node in nodes]
        return common.sha256_of_arrays(weights)

    return common.target_of(
        call,
        name,
        image_shape=shape,
        bounds=bounds,
        weights_sha256=weights_sha256,
        data_format=data_format,
    )
