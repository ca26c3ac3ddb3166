"""What models of all libraries need to become targets: logits of one type, with a gradient."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from daa.errors import InputError, is_number, require
from daa.target import Bounds, Note, Target
from daa.targets.adapters import graphs, logits
from daa.targets.adapters.layouts import Shape
from daa.targets.adapters.logits import Guess, Network
from daa.targets.files import reason
from daa.tensorflow import tf

_PROBES = 10  # images that a model is tried with


def target_of(
    call: Network,
    name: str,
    *,
    image_shape: Shape,
    bounds: Bounds,
    weights_sha256: Callable[[], str | None],
    guesses: Iterable[Guess] = (),
    notes: Iterable[Note] = (),
    xla: bool = True,
) -> Target:
    """A target from a function, tried with some images.

    A final softmax or sigmoid is taken off, or inverted where that can't be done. Each note is
    given as a warning.

    Args:
        call: native pixels [N, H, W, C] float32 -> logits, probabilities or outputs of sigmoids,
            [N, K] of any float.
        name: of the target.
        image_shape: (H, W, C).
        bounds: native range of the pixels.
        weights_sha256: gives the hash of the weights, or None; called after the function.
        guesses: at the same function without its end, beside those that are always tried.
        notes: what was already done to the model.
        xla: whether XLA can compile the function.

    Raises:
        InputError: the function fails, does not return [N, K] floats, or has no gradient.
    """
    pixels = _probes(image_shape, bounds)
    try:
        out = tf.convert_to_tensor(call(pixels))
    except InputError:
        raise
    except Exception as error:
        shape = ", ".join(map(str, ["N", *image_shape]))
        raise InputError(
            f"{name}: expected a model that takes images of shape [{shape}], got {reason(error)}"
        ) from error
    _check_output(out, name)
    found = list(notes)
    if out.dtype != tf.float32:
        cast = f"The outputs of the model are {out.dtype.name}; they are cast to float32."
        found.append(Note("output-cast", cast))
    always = graphs.without_end(lambda: _flat(call, image_shape, name), name)
    network, ends = logits.of(call, pixels, out, chain(guesses, always))
    target = Target(
        name=name,
        network=lambda x: tf.cast(network(x), tf.float32),
        image_shape=image_shape,
        classes=int(out.shape[1]),
        bounds=bounds,
        weights_sha256=weights_sha256(),
        notes=(*found, *ends),
        xla=xla,
    )
    check_gradient(target)
    for note in target.notes:
        warnings.warn(f"{name}: {note.message} [{note.code}]", stacklevel=4)
    return target


def with_logits(target: Target) -> Target:
    """The same target, without a softmax or a sigmoid at the end of its network.

    Raises:
        InputError: its network fails.
    """
    pixels = _probes(target.image_shape, target.bounds)
    try:
        out = target.network(pixels)
    except Exception as error:
        raise InputError(
            f"{target.name}: expected a network that takes images, got {reason(error)}"
        ) from error
    network, notes = logits.of(target.network, pixels, out)
    if not notes:
        return target
    return replace(target, network=network, half=None, notes=(*target.notes, *notes))


def _probes(image_shape: Shape, bounds: Bounds) -> tf.Tensor:
    """Native pixels of images that differ much: from plain grey to pure noise."""
    rng = np.random.default_rng(0)
    noise, grey = (rng.random((_PROBES, *size)) for size in (image_shape, (1, 1, 1)))
    contrast = np.linspace(0, 1, _PROBES).reshape(-1, 1, 1, 1)
    images = (grey + contrast * (noise - grey)).astype(np.float32)
    return tf.constant(bounds.to_native(images), tf.float32)


def _flat(call: Network, image_shape: Shape, name: str) -> graphs.Flat:
    spec = tf.TensorSpec([None, *image_shape], tf.float32)
    return graphs.flat(tf.function(call, autograph=False).get_concrete_function(spec), name)


def _check_output(out: tf.Tensor, name: str) -> None:
    shape = list(out.shape)
    fits = len(shape) == 2 and shape[0] == _PROBES and shape[1] >= 2
    require(fits, f"{name}: output", f"logits [{_PROBES}, K >= 2] of {_PROBES} images", shape)
    if not out.dtype.is_floating:
        raise InputError(
            f"{name}: output: expected logits, got {out.dtype.name}, which have no gradient"
        )


def check_gradient(target: Target) -> None:
    """Checks that the logits of a target have a gradient at the images; it may be zero.

    Raises:
        InputError: they have none.
    """
    x = tf.fill([1, *target.image_shape], 0.5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = target(x)
        total = tf.reduce_sum(logits * tf.range(1.0, target.classes + 1))
    if tape.gradient(total, x) is None:
        raise InputError(
            f"{target.name}: expected logits with a gradient at the images, got none; "
            "something in the model has no derivative, as a cast to integers or a lookup"
        )


def output_of(found: Any, output: str | None, name: str) -> Any:
    """The one output of a model that is attacked.

    Args:
        found: what the model returned: a tensor, or a mapping or sequence of them.
        output: its name in a mapping; None for the only one or for "logits".
        name: of the target.

    Raises:
        InputError: several outputs and no name, or another name.
    """
    if isinstance(found, Mapping):
        names = [str(key) for key in found]
        if output is None:
            output = names[0] if len(names) == 1 else "logits"
        require(output in names, f"{name}: output", f"one of {', '.join(names)}", output)
        return found[output]
    require(output is None, f"{name}: output", "none, as the outputs have no names", output)
    if isinstance(found, (list, tuple)):
        require(len(found) == 1, f"{name}: outputs", "1", len(found))
        return found[0]
    return found


def bounds_of(bounds: Any, name: str, default: tuple[float, float] = (0.0, 1.0)) -> Bounds:
    """The native range of the pixels as `Bounds`.

    Raises:
        InputError: something else than two numbers, the lower one first.
    """
    bounds = default if bounds is None else bounds
    if isinstance(bounds, Bounds):
        bounds = (bounds.lower, bounds.upper)
    fits = isinstance(bounds, (tuple, list)) and len(bounds) == 2 and all(map(is_number, bounds))
    fits = fits and bounds[0] < bounds[1]
    require(fits, f"{name}: bounds", "the lowest and the highest value of a pixel", bounds)
    return Bounds(float(bounds[0]), float(bounds[1]))


def sha256_of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Hash of the types, shapes and values of arrays, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
