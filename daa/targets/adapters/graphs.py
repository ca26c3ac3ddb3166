"""Changes of TensorFlow graphs for models without a gradient or without logits.

A SavedModel has graphs instead of layers. So its final softmax is removed in the graph, and so is
the cast of an integer input, as no gradient passes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from daa.errors import InputError
from daa.target import Note
from daa.targets.adapters.logits import ENDS, THROUGH, Candidate, Network
from daa.targets.files import reason
from daa.tensorflow import tf


@dataclass(frozen=True, eq=False)
class Flat:
    """A function as a single graph without variables and calls.

    Args:
        graph: the operations.
        spec: shape and type of the only input.
        input: name of the input operation.
        output: name of the output tensor.
    """

    graph: Any
    spec: tf.TensorSpec
    input: str
    output: str


def flat(function: Any, name: str) -> Flat:
    """A concrete function of a single tensor, with weights as constants.

    Raises:
        InputError: TensorFlow cannot freeze the weights.
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
    (start,), (end,) = frozen.inputs, frozen.outputs
    spec = tf.TensorSpec(start.shape, start.dtype)
    return Flat(frozen.graph.as_graph_def(), spec, start.op.name, end.name)


def of_integers(function: Flat, name: str) -> tuple[Network, list[Note]]:
    """A function of integers as a function of floats, which it rounds.

    The gradient passes the rounding unchanged, and enters the graph after the first cast.

    Raises:
        InputError: another operation than a single kind of cast reads the input.
    """
    dtype = function.spec.dtype
    readers, inputs = [], {function.input}
    for node in function.graph.node:  # in the order of computation
        if inputs & {_operation(tensor) for tensor in node.input}:
            if node.op == "Identity":
                inputs.add(node.name)
            else:
                readers.append(node)
    types = {node.attr["DstT"].type for node in readers if node.op == "Cast"}
    if len(types) != 1 or any(node.op != "Cast" for node in readers):
        raise InputError(
            f"{name}: expected a model with a gradient at the images, got one that takes "
            f"{dtype.name} and does not cast it to floats first"
        )
    first, *rest = (node.name for node in readers)
    spec = tf.TensorSpec(function.spec.shape, tf.as_dtype(types.pop()))
    changed = type(function.graph)()
    changed.CopyFrom(function.graph)
    for node in changed.node:
        if node.name == first or node.name in rest:
            del node.input[:]
            node.attr.clear()
        if node.name == first:
            node.op = "Placeholder"
            node.attr["dtype"].type = spec.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(spec.shape.as_proto())
        elif node.name in rest:
            node.op = "Identity"
            node.input.append(first)
            node.attr["T"].type = spec.dtype.as_datatype_enum
    inner = runnable(Flat(changed, spec, first, function.output))
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


def without_end(flat: Callable[[], Flat], name: str) -> Iterator[Candidate]:
    """A function up to its final softmax or sigmoid, if any.

    Args:
        flat: makes the graph.
        name: name of the target.
    """
    try:
        function = flat()
    except Exception:  # no graph, no candidate
        return
    nodes = {node.name: node for node in function.graph.node}
    end = nodes[_operation(function.output)]
    while end.op in THROUGH:
        end = nodes[_operation(end.input[0])]
    if end.op in ENDS:
        logits = end.input[0]
        shorter = replace(function, output=logits if ":" in logits else f"{logits}:0")
        if function.spec.dtype.is_floating:
            yield Candidate(ENDS[end.op], runnable(shorter))
        else:
            yield Candidate(ENDS[end.op], of_integers(shorter, name)[0])


def runnable(function: Flat) -> Network:
    """A callable with a gradient from a flat function."""
    imported = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(function.graph, name=""), []
    )
    graph = imported.graph
    pruned = imported.prune(
        graph.as_graph_element(f"{function.input}:0"), graph.as_graph_element(function.output)
    )
    return lambda x: pruned(tf.cast(x, function.spec.dtype))


def _operation(tensor: str) -> str:
    """Name of the operation of a tensor or a control input."""
    return tensor.lstrip("^").partition(":")[0]
