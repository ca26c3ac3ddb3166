"""Logits of a model with a softmax or sigmoids at the end.

A saturated softmax or sigmoid has nearly no gradient, so attacks through it fail. The end is
removed; if the removal fails, its inverse is appended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from daa.target import Note
from daa.tensorflow import tf

Network = Callable[["tf.Tensor"], "tf.Tensor"]
# The removed activation, "softmax" or "sigmoid", the rest of the model, and the candidates for the
# end of the rest.
Candidate = tuple[str, Network, Iterable[Any]]

# Final operations of TensorFlow, and their names in notes.
ENDS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
# Operations after such an end which keep all values.
THROUGH = ("Cast", "EnsureShape", "Identity", "Reshape", "Squeeze", "StopGradient")
_TINY = 1e-30  # added to probabilities, as log(0) is infinite
_LEAST = 20  # fewer logits may all lie in [0, 1] by chance


def of(
    call: Network, pixels: tf.Tensor, out: tf.Tensor, candidates: Iterable[Candidate] = ()
) -> tuple[Network, list[Note]]:
    """The model itself if its outputs leave [0, 1], else a function with logits; and notes.

    `pixels` are very different images [N, H, W, C], `out` are their outputs [N, K]. `candidates`
    are versions of the model without its end; the first with the same outputs after the activation
    wins, and loses its end too.
    """
    precise = out.dtype.size >= 4
    values = tf.cast(out, tf.float64).numpy()
    if not ((values >= 0) & (values <= 1)).all():
        return call, []
    candidates = iter(candidates)
    for end, network, further in chain(_cut(call), candidates):  # lazily, as each costs time
        if _same(end, network, pixels, values, 1e-5 if precise else 1e-2):
            note = Note(f"{end}-removed", f"The final {end} of the model was removed.")
            # Candidates from the graph of the model show what a cut of its code does not.
            further = chain(further, (c for _, _, more in candidates for c in more))
            rest, notes = of(network, pixels, network(pixels), further)
            if any(note.code == "sigmoid-inverted" for note in notes):
                return network, [note]  # logits may lie in [0, 1]
            return rest, list(dict.fromkeys([note, *notes]))
    one = values.shape[1] == 1
    if not one and np.abs(values.sum(axis=1) - 1).max() < (1e-4 if precise else 1e-2):
        return (lambda x: tf.math.log(tf.cast(call(x), tf.float32) + _TINY)), [
            Note(
                "softmax-logarithm",
                "The model returns probabilities, and its softmax could not be removed; their "
                "logarithm is attacked. Where a probability is 0 in float32, it has no gradient. "
                "Give a model that returns logits.",
            )
        ]
    if values.size < _LEAST and not one:
        return call, []
    return (lambda x: _inverse_sigmoid(call(x))), [
        Note(
            "sigmoid-inverted",
            "The outputs lie in [0, 1], and no final sigmoid could be removed; the inverse of a "
            "sigmoid is attacked.",
        )
    ]


def changed(
    candidates: Iterable[Candidate], change: Callable[[Network], Network]
) -> Iterator[Candidate]:
    """Candidates with changed networks, lazily."""
    for end, network, further in candidates:
        yield end, change(network), changed(further, change)


def _same(
    end: str, network: Network, pixels: tf.Tensor, values: np.ndarray, tolerance: float
) -> bool:
    activation = tf.sigmoid if end == "sigmoid" else tf.nn.softmax
    try:
        again = activation(tf.cast(network(pixels), tf.float64)).numpy()
    except Exception:  # a wrong candidate can fail in any way
        return False
    return again.shape == values.shape and bool(np.abs(again - values).max() < tolerance)


def _cut(call: Network) -> Iterator[Candidate]:
    """A function without its last operation, if this is a softmax or a sigmoid.

    The function runs in a graph, because a tensor in a graph knows its operation. So weights stay
    variables, and custom gradients remain.
    """
    for operation, end in ENDS.items():
        yield end, partial(_before, call, operation), ()


def _before(call: Network, operation: str, x: tf.Tensor) -> tf.Tensor:
    """The input of the function's last operation; each eager call traces the function again."""
    if tf.executing_eagerly():
        traced = tf.function(partial(_before, call, operation), autograph=False)
        return traced(tf.convert_to_tensor(x))
    out = tf.convert_to_tensor(call(x))
    last = out.op
    while last.type in THROUGH:
        last = last.inputs[0].op
    if last.type != operation:
        raise ValueError(f"the last operation is {last.type}")
    return tf.ensure_shape(last.inputs[0], out.shape)


def _inverse_sigmoid(s: tf.Tensor) -> tf.Tensor:
    """log(s / (1 - s)), continued beyond the float32 numbers closest to 0 and 1.

    The function increases everywhere, so it keeps the order of the outputs.
    """
    s = tf.cast(s, tf.float32)
    return _log(s, 1e-30) - _log(1 - s, 2.0**-24)


def _log(s: tf.Tensor, low: float) -> tf.Tensor:
    """log(s); below `low` a curve with the same value and slope which decreases slowly."""
    below = 2 * np.float32(np.log(low)) - tf.math.log(2 * low - tf.minimum(s, low))
    return tf.where(s < low, below, tf.math.log(tf.maximum(s, low)))
