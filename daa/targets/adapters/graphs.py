"""TensorFlow graphs without a final softmax, or without a cast of an integer input to floats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from daa.errors import InputError
from daa.target import Note
from daa.targets.adapters.logits import ENDS, THROUGH, Candidate, Network, changed
from daa.targets.files import reading
from daa.tensorflow import tf


@dataclass(frozen=True, eq=False)
class _Flat:
    """A graph without variables and calls; `input` names an operation, `output` a tensor."""

    graph: Any
    dtype: tf.DType
    input: str
    output: str


def _flat(call: Network, spec: tf.TensorSpec, name: str) -> _Flat:
    """The graph of a function, with weights as constants."""
    from tensorflow.python.framework import convert_to_constants

    with reading(name, "a graph whose weights can be frozen"):
        traced = tf.function(call, autograph=False).get_concrete_function(spec)
        frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
    (start,), (end,) = frozen.inputs, frozen.outputs
    return _Flat(frozen.graph.as_graph_def(), start.dtype, start.op.name, end.name)


def of_integers(
    call: Network, spec: tf.TensorSpec, name: str
) -> tuple[Network, Iterator[Candidate], Note]:
    """A function of floats which rounds them for a function of integers; candidates; a note."""
    integer, flat = spec.dtype, _flat(call, spec, name)
    inputs, real = {flat.input}, tf.float32.as_datatype_enum
    for node in flat.graph.node:  # in the order of computation
        if node.name == flat.input:
            node.attr["dtype"].type = real
        elif inputs & {_operation(tensor) for tensor in node.input}:
            if node.op == "Identity":
                node.attr["T"].type = real
                inputs.add(node.name)
            elif node.op == "Cast":
                node.attr["SrcT"].type = real
            else:
                raise InputError(
                    f"{name}: expected a model with a gradient at the images, got one that takes "
                    f"{integer.name} and does not cast it to floats first"
                )

    @tf.custom_gradient
    def rounded(x: tf.Tensor) -> Any:
        low, high = (tf.cast(end, tf.float32) for end in (integer.min, integer.max))
        return tf.clip_by_value(tf.round(x), low, high), lambda gradient: gradient

    def rounding(network: Network) -> Network:
        return lambda x: network(rounded(x))

    note = Note(
        "whole-pixels",
        f"The model takes {integer.name}, so it sees images rounded to whole pixel values; the "
        "gradient passes the rounding unchanged.",
    )
    flat = replace(flat, dtype=tf.float32)
    return rounding(_runnable(flat)), changed(_without_end(flat), rounding), note


def without_end(call: Network, spec: tf.TensorSpec, name: str) -> Iterator[Candidate]:
    """A function up to its final softmax or sigmoid, if it has a graph and such an end."""
    try:
        flat = _flat(call, spec, name)
    except InputError:
        return
    yield from _without_end(flat)


def _without_end(flat: _Flat) -> Iterator[Candidate]:
    nodes = {node.name: node for node in flat.graph.node}
    end = nodes[_operation(flat.output)]
    while end.op in THROUGH:
        end = nodes[_operation(end.input[0])]
    if end.op in ENDS:
        logits = end.input[0]
        rest = replace(flat, output=logits if ":" in logits else f"{logits}:0")
        yield ENDS[end.op], _runnable(rest), _without_end(rest)


def _runnable(flat: _Flat) -> Network:
    imported = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(flat.graph, name=""), []
    )
    element = imported.graph.as_graph_element
    pruned = imported.prune(element(f"{flat.input}:0"), element(flat.output))
    return lambda x: pruned(tf.cast(x, flat.dtype))


def _operation(tensor: str) -> str:
    """Name of the operation of a tensor; of a control input, a name that no operation has."""
    return tensor.partition(":")[0]
