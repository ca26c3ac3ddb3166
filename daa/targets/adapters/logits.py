"""Logits of a model that ends in a softmax or in sigmoids.

A saturated softmax or sigmoid has next to no gradient, so an attack that goes through one finds
little. The end is taken off; where that can't be done, its inverse stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from daa.target import Note
from daa.tensorflow import tf

Network = Callable[["tf.Tensor"], "tf.Tensor"]

# Operations of TensorFlow that may end a model, with the names that notes have for them.
ENDS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
# Operations behind such an end that change no value.
THROUGH = ("Cast", "Identity", "Reshape", "Squeeze", "StopGradient")
_REMOVED = {
    "softmax": Note("softmax-removed", "The final softmax of the model is taken off."),
    "sigmoid": Note("sigmoid-removed", "The final sigmoid of the model is taken off."),
}
_TINY = 1e-30  # added to probabilities, so that those of 0 have a finite logarithm
_LEAST = 20  # outputs, fewer of which may all lie in [0, 1] by chance


@dataclass(frozen=True)
class Guess:
    """Perhaps a model without its end.

    Args:
        end: "softmax" or "sigmoid".
        network: the model without it.
    """

    end: str
    network: Network


def of(
    call: Network, pixels: tf.Tensor, out: tf.Tensor, guesses: Iterable[Guess] = ()
) -> tuple[Network, list[Note]]:
    """The logits of a model.

    Args:
        call: native pixels [N, H, W, C] -> outputs [N, K] of any float.
        pixels: of some images that differ much.
        out: the outputs of these images.
        guesses: at the model without its end. The first one counts that gives the same outputs with
            its end put on again.

    Returns:
        The model itself where its outputs leave [0, 1], else what gives logits; and what was done.
    """
    precise = out.dtype.size >= 4
    values = tf.cast(out, tf.float64).numpy()
    if not ((values >= 0) & (values <= 1)).all():
        return call, []
    for guess in chain(cut(call), guesses):  # each is made only when it is tried
        if _fits(guess, pixels, values, 1e-5 if precise else 1e-2):
            return guess.network, [_REMOVED[guess.end]]
    if np.abs(values.sum(axis=1) - 1).max() < (1e-4 if precise else 1e-2):
        return (lambda x: _logarithm(call(x))), [
            Note(
                "softmax-logarithm",
                "The model returns probabilities, and its softmax could not be taken off; their "
                "logarithm is attacked. Where a probability is 0 in float32, it has no gradient. "
                "Give a model that returns logits.",
            )
        ]
    if values.size < _LEAST:
        return call, []
    return (lambda x: _inverse_sigmoid(call(x))), [
        Note(
            "sigmoid-inverted",
            "The outputs lie in [0, 1], and no final sigmoid could be taken off; the inverse of a "
            "sigmoid is attacked.",
        )
    ]


def _fits(guess: Guess, pixels: tf.Tensor, values: np.ndarray, tolerance: float) -> bool:
    end = tf.sigmoid if guess.end == "sigmoid" else tf.nn.softmax
    try:
        again = end(tf.cast(guess.network(pixels), tf.float64)).numpy()
    except Exception:  # a guess may be wrong in any way
        return False
    return again.shape == values.shape and bool(np.abs(again - values).max() < tolerance)


def cut(call: Network) -> Iterator[Guess]:
    """A function without its last operation, where that is a softmax or a sigmoid.

    The function is run in a graph, in which a tensor knows what it was computed from. So weights
    stay variables, and gradients that the user defined stay as they are.
    """
    for operation, end in ENDS.items():
        yield Guess(end, _in_graph(_shorter(call, operation)))


def _shorter(call: Network, operation: str) -> Network:
    """The function without its last operation, in a graph."""

    def network(x: tf.Tensor) -> tf.Tensor:
        out = tf.convert_to_tensor(call(x))
        last = out.op
        while last.type in THROUGH:
            last = last.inputs[0].op
        if last.type != operation:
            raise ValueError(f"the last operation is {last.type}")
        return tf.ensure_shape(last.inputs[0], out.shape)

    return network


def _in_graph(function: Network) -> Network:
    """A function that needs a graph, made callable outside one, too; its code then runs anew."""

    def network(x: tf.Tensor) -> tf.Tensor:
        if not tf.executing_eagerly():
            return function(x)
        x = tf.convert_to_tensor(x)
        traced = tf.function(function, autograph=False)
        return traced.get_concrete_function(tf.TensorSpec(x.shape, x.dtype))(x)

    return network


def _logarithm(probabilities: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.cast(probabilities, tf.float32) + _TINY)


def _inverse_sigmoid(s: tf.Tensor) -> tf.Tensor:
    """log(s / (1 - s)), which goes on where float32 has no numbers closer to 0 or 1.

    It rises everywhere, so that no verdict changes, whatever the outputs are.
    """
    s = tf.cast(s, tf.float32)
    return _log(s, 1e-30) - _log(1 - s, 2.0**-24)


def _log(s: tf.Tensor, low: float) -> tf.Tensor:
    """log(s); below `low` a curve that goes on with the same value and slope, and falls slowly."""
    below = 2 * np.float32(np.log(low)) - tf.math.log(2 * low - tf.minimum(s, low))
    return tf.where(s < low, below, tf.math.log(tf.maximum(s, low)))
