"""Checks and conversions of models from all libraries: float32 logits with a gradient."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Note, NoteWarning, Target
from daa.targets.adapters import graphs, layouts, logits
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.adapters.logits import Candidate, Network
from daa.targets.files import reason
from daa.tensorflow import tf

_PROBES = 10  # images in the first call of a model


def of_graph(
    call: Network,
    spec: tf.TensorSpec,
    name: str,
    *,
    image_shape: Iterable[int] | None,
    bounds: Any,
    data_format: DataFormat,
    weights_sha256: Callable[[], str | None],
) -> Target:
    """A target from a TensorFlow function; integer inputs get a gradient.

    Args:
        call: function of a tensor like `spec`; its outputs as for `target_of`.
        spec: shape and type of the input.
        name: name of the target.
        image_shape: (H, W, C), or None for the shape in `spec`.
        bounds: native range of the pixels; None for (0, 1), or for (0, 255) with integer inputs.
        data_format: layout of the input.
        weights_sha256: returns the hash of the weights.
    """
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    image_shape = layouts.image_shape_of(shape, image_shape, data_format, name)

    def layout(network: Network) -> Network:
        return layouts.in_layout(network, shape, image_shape, data_format)

    def flat() -> graphs.Flat:
        return graphs.flat(tf.function(call, autograph=False).get_concrete_function(spec), name)

    network, notes, default = call, list[Note](), (0.0, 1.0)
    candidates: Iterable[Candidate] = ()
    if not spec.dtype.is_floating:
        network, notes = graphs.of_integers(flat(), name)
        default, candidates = (0.0, 255.0), graphs.without_end(flat, name)
    return target_of(
        layout(network),
        name,
        image_shape=image_shape,
        bounds=layouts.bounds_of(bounds, name, default),
        weights_sha256=weights_sha256,
        candidates=(Candidate(c.end, layout(c.network)) for c in candidates),
        notes=notes,
    )


def target_of(
    call: Network,
    name: str,
    *,
    image_shape: Shape,
    bounds: Bounds,
    weights_sha256: Callable[[], str | None],
    candidates: Iterable[Candidate] = (),
    notes: Iterable[Note] = (),
    xla: bool = True,
) -> Target:
    """A target from a function, checked with some images.

    A final softmax or sigmoid is removed, or inverted if the removal fails. Each note is also a
    warning.

    Args:
        call: native pixels [N, H, W, C] float32 -> logits, probabilities or outputs of sigmoids,
            [N, K] of any float.
        name: name of the target.
        image_shape: (H, W, C).
        bounds: native range of the pixels.
        weights_sha256: returns the hash of the weights, or None; called after the function.
        candidates: versions of the function without its end, in addition to the usual ones.
        notes: changes already made to the model.
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
        sizes = ", ".join(map(str, ["N", *image_shape]))
        raise InputError(
            f"{name}: expected a model that takes images of shape [{sizes}], got {reason(error)}"
        ) from error
    shape = list(out.shape)
    valid = len(shape) == 2 and shape[0] == _PROBES and shape[1] >= 2
    require(valid, f"{name}: output", f"logits [{_PROBES}, K >= 2] of {_PROBES} images", shape)
    if not out.dtype.is_floating:
        raise InputError(
            f"{name}: output: expected logits, got {out.dtype.name}, which have no gradient"
        )
    notes = list(notes)
    if out.dtype != tf.float32:
        cast = f"The outputs of the model are {out.dtype.name}; they are cast to float32."
        notes.append(Note("output-cast", cast))

    def flat() -> graphs.Flat:
        spec = tf.TensorSpec([None, *image_shape], tf.float32)
        return graphs.flat(tf.function(call, autograph=False).get_concrete_function(spec), name)

    usual = graphs.without_end(flat, name)
    network, ends = logits.of(call, pixels, out, chain(candidates, usual))
    target = Target(
        name=name,
        network=lambda x: tf.cast(network(x), tf.float32),
        image_shape=image_shape,
        classes=shape[1],
        bounds=bounds,
        weights_sha256=weights_sha256(),
        notes=(*notes, *ends),
        xla=xla,
    )
    check_gradient(target)
    for note in target.notes:
        warnings.warn(f"{name}: {note.message} [{note.code}]", NoteWarning, stacklevel=5)
    return target


def with_logits(target: Target) -> Target:
    """The target without a softmax or a sigmoid at the end of the network."""
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
    """Native pixels of very different images: from plain grey to pure noise."""
    rng = np.random.default_rng(0)
    noise, grey = (rng.random((_PROBES, *size)) for size in (image_shape, (1, 1, 1)))
    contrast = np.linspace(0, 1, _PROBES).reshape(-1, 1, 1, 1)
    images = (grey + contrast * (noise - grey)).astype(np.float32)
    return tf.constant(bounds.to_native(images), tf.float32)


def check_gradient(target: Target) -> None:
    """Checks that the logits of a target have a gradient at the images; zeros are allowed."""
    x = tf.fill([1, *target.image_shape], 0.5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(target(x) * tf.range(1.0, target.classes + 1))
    if tape.gradient(total, x) is None:
        raise InputError(
            f"{target.name}: expected logits with a gradient at the images, got none; "
            "something in the model has no derivative, as a cast to integers or a lookup"
        )


def output_of(outputs: Any, output: str | None, name: str) -> Any:
    """The output to attack, among the outputs of the target `name`.

    Args:
        outputs: a tensor, or a mapping or sequence of tensors.
        output: name in a mapping; None for a single output or for "logits".
    """
    if isinstance(outputs, Mapping):
        names = [str(key) for key in outputs]
        if output is None:
            output = names[0] if len(names) == 1 else "logits"
        require(output in names, f"{name}: output", f"one of {', '.join(names)}", output)
        return outputs[output]
    require(output is None, f"{name}: output", "none, as the outputs have no names", output)
    if isinstance(outputs, (list, tuple)):
        require(len(outputs) == 1, f"{name}: outputs", "1", len(outputs))
        return outputs[0]
    return outputs


def sha256_of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Hash of the types, shapes and values of arrays, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
