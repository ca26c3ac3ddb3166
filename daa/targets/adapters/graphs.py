"""Graphs of TensorFlow functions, changed where a model has no gradient or no logits.

A SavedModel holds graphs, not layers. So its final softmax is taken off in the graph, and so is the
cast of an input that takes whole numbers, through which no gradient flows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from daa.errors import InputError
from daa.target import Note
from daa.targets.adapters.logits import ENDS, THROUGH, Guess, Network
from daa.targets.files import reason
from daa.tensorflow import tf


@dataclass(frozen=True, eq=False)
class Flat:
    """A function as one graph without variables and calls.

    Args:
        graph: its operations.
        spec: of its only input.
        input: name of the operation that is fed.
        output: name of the tensor that is read.
    """

    graph: Any
    spec: tf.TensorSpec
    input: str
    output: str


def flat(function: Any, name: str) -> Flat:
    """A concrete function of one tensor, with its weights as constants.

    Args:
        function: the concrete function.
        name: of the target.

    Raises:
        InputError: TensorFlow can't make one graph of it.
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    try:
        frozen = convert_variables_to_constants_v2(function)
    except Exception as error:
        raise InputError(
            f"{name}: expected a graph whose weights can be frozen, got {reason(error)}"
        ) from error
    (fed,), (read,) = frozen.inputs, frozen.outputs
    spec = tf.TensorSpec(fed.shape, fed.dtype)
    return Flat(frozen.graph.as_graph_def(), spec, fed.op.name, read.name)


def of_whole_pixels(function: Flat, name: str) -> tuple[Network, list[Note]]:
    """A function of whole numbers as one of floats, which it rounds.

    The gradient passes the rounding unchanged, and enters the graph behind its first cast.

    Raises:
        InputError: the input is used for something else than one cast to floats.
    """
    dtype = function.spec.dtype
    readers, through = [], {function.input}
    for node in function.graph.node:  # inputs stand before what reads them
        if _sources(node) & through:
            if node.op == "Identity":
                through.add(node.name)
            else:
                readers.append(node)
    kinds = {node.attr["DstT"].type for node in readers if node.op == "Cast"}
    if len(kinds) != 1 or any(node.op != "Cast" for node in readers):
        raise InputError(
            f"{name}: expected a model with a gradient at the images, got one that takes "
            f"{dtype.name} and does not cast it to floats first"
        )
    first, *others = readers
    spec = tf.TensorSpec(function.spec.shape, tf.as_dtype(kinds.pop()))
    changed = type(function.graph)()
    changed.CopyFrom(function.graph)
    for node in changed.node:
        if node.name == first.name:
            _make_placeholder(node, spec)
        if node.name in {other.name for other in others}:
            node.op = "Identity"
            del node.input[:]
            node.input.append(first.name)
            _only_type(node, spec.dtype)
    inner = runnable(Flat(changed, spec, first.name, function.output))
    low, high = (tf.cast(end, spec.dtype) for end in (dtype.min, dtype.max))

    @tf.custom_gradient
    def rounded(x: tf.Tensor) -> Any:
        return tf.clip_by_value(tf.round(x), low, high), lambda gradient: gradient

    note = Note(
        "whole-pixels",
        f"The model takes {dtype.name}, so it sees images rounded to whole pixel values; the "
        "gradient passes the rounding unchanged.",
    )
    return (lambda x: inner(rounded(tf.cast(x, spec.dtype)))), [note]


def without_end(flat: Callable[[], Flat], name: str) -> Iterator[Guess]:
    """A function up to its final softmax or sigmoid, if it ends in one.

    Args:
        flat: makes its graph, if that is needed.
        name: of the target.
    """
    try:
        function = flat()
    except Exception:  # no graph, no guess
        return
    nodes = {node.name: node for node in function.graph.node}
    end = nodes[_source(function.output)]
    while end.op in THROUGH:
        end = nodes[_source(end.input[0])]
    if end.op in ENDS:
        logits = end.input[0]
        shorter = replace(function, output=logits if ":" in logits else f"{logits}:0")
        whole = not function.spec.dtype.is_floating
        network = of_whole_pixels(shorter, name)[0] if whole else runnable(shorter)
        yield Guess(ENDS[end.op], network)


def runnable(function: Flat) -> Network:
    """A flat function that can be called, and has a gradient."""
    imported = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(function.graph, name=""), []
    )
    graph = imported.graph
    pruned = imported.prune(
        graph.as_graph_element(f"{function.input}:0"), graph.as_graph_element(function.output)
    )
    return lambda x: pruned(tf.cast(x, function.spec.dtype))


def _make_placeholder(node: Any, spec: tf.TensorSpec) -> None:
    node.op = "Placeholder"
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = spec.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(spec.shape.as_proto())


def _only_type(node: Any, dtype: tf.DType) -> None:
    node.attr.clear()
    node.attr["T"].type = dtype.as_datatype_enum


def _sources(node: Any) -> set[str]:
    return {_source(name) for name in node.input}


def _source(name: str) -> str:
    return name.lstrip("^").partition(":")[0]
