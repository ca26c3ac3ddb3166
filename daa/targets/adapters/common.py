"""Checks and conversions of models from all libraries: float32 logits with a gradient."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from daa.errors import require
from daa.target import Bounds, Note, NoteWarning, Target, gradient_of
from daa.targets.adapters import graphs, layouts, logits
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.adapters.logits import Candidate, Network
from daa.targets.files import reading
from daa.tensorflow import tf

_PROBES = 10  # images in the first call of a model
_ONE = (
    "The model has one output z for two classes; their logits are -z and z, so the model predicts "
    "class 1 where z > 0."
)


def target_of(
    call: Network,
    name: str,
    *,
    image_shape: Iterable[int] | None,
    bounds: Any,
    weights_sha256: Callable[[], str | None],
    spec: tf.TensorSpec | None = None,
    data_format: DataFormat = "channels_last",
    candidates: Iterable[Candidate] = (),
    notes: Iterable[Note] = (),
    xla: bool = True,
) -> Target:
    """A target from a function, checked with some images.

    A final softmax or sigmoid is removed, or inverted if the removal fails. A function of integers
    gets a gradient. Each note about a change is also a warning.

    Args:
        call: native pixels in its layout -> logits, probabilities or outputs of sigmoids, [N, K] of
            any float.
        image_shape: (H, W, C), or None for the shape in `spec`.
        weights_sha256: called after the function.
        spec: shape and type of the function's input; None for float32 images of `image_shape`.
        candidates: versions of the function without its end, in addition to the usual ones.
        notes: on changes to the model before the call.
    """
    sizes = spec.shape.as_list() if spec is not None and spec.shape.rank else None
    fixed = bool(sizes and sizes[0])  # the number of images
    shape = layouts.image_shape_of(sizes, image_shape, data_format, name)
    notes, default = list(notes), (0.0, 1.0)
    if spec is not None and not spec.dtype.is_floating:
        call, candidates, note = graphs.of_integers(call, spec, name)
        notes, default = [*notes, note], (0.0, 255.0)
    if fixed:
        spec = tf.TensorSpec(sizes, tf.float32)
        candidates = chain(candidates, graphs.without_end(call, spec, name))

    native = layouts.bounds_of(bounds, name, default)
    pixels = _probes(shape, native)
    out = _outputs(layouts.in_layout(call, sizes, shape, data_format), pixels, shape, name)
    outputs = list(out.shape)
    one = outputs in ([_PROBES], [_PROBES, 1])
    valid = one or (len(outputs) == 2 and outputs[0] == _PROBES and outputs[1] >= 2)
    require(valid, f"{name}: output", f"logits [{_PROBES}, K] of {_PROBES} images", outputs)
    floats = out.dtype.is_floating
    require(floats, f"{name}: output", "logits with a gradient", out.dtype.name)
    if out.dtype != tf.float32:
        cast = f"The outputs of the model are {out.dtype.name}; they are cast to float32."
        notes.append(Note("output-cast", cast))

    def in_layout(call: Network) -> Network:
        network = layouts.in_layout(call, sizes, shape, data_format)
        return (lambda x: tf.reshape(network(x), [-1, 1])) if one else network

    network = in_layout(call)
    usual = graphs.without_end(network, tf.TensorSpec([None, *shape], tf.float32), name)
    candidates = chain(logits.changed(candidates, in_layout), usual)
    network, ends = logits.of(network, pixels, tf.reshape(out, [_PROBES, -1]), candidates)
    if one:
        ends.append(Note("one-output", _ONE))

    def float32(x: tf.Tensor) -> tf.Tensor:
        z = tf.cast(network(x), tf.float32)
        return tf.concat([-z, z], axis=1) if one else z

    target = Target(
        name=name,
        network=float32,
        image_shape=shape,
        classes=2 if one else outputs[1],
        bounds=native,
        weights_sha256=weights_sha256(),
        notes=(*notes, *ends),
        xla=xla and not fixed,
    )
    _check_gradient(target)
    for note in target.notes:
        warnings.warn(f"{name}: {note.message} [{note.code}]", NoteWarning, stacklevel=4)
    return target


def with_logits(target: Target) -> Target:
    """The checked target without a softmax or a sigmoid at the end of the network."""
    _check_gradient(target)
    pixels = _probes(target.image_shape, target.bounds)
    out = _outputs(target.network, pixels, target.image_shape, target.name)
    network, notes = logits.of(target.network, pixels, out)
    if not notes:
        return target
    return replace(target, network=network, half=None, notes=(*target.notes, *notes))


def _probes(image_shape: Shape, bounds: Bounds) -> tf.Tensor:
    """Native pixels of very different images: from plain grey to pure noise."""
    rng = np.random.default_rng(0)
    ones = [1] * len(image_shape)
    noise, grey = (rng.random((_PROBES, *size)) for size in (image_shape, ones))
    contrast = np.linspace(0, 1, _PROBES).reshape(-1, *ones)
    images = (grey + contrast * (noise - grey)).astype(np.float32)
    return tf.constant(bounds.to_native(images), tf.float32)


def _outputs(network: Network, pixels: tf.Tensor, image_shape: Shape, name: str) -> tf.Tensor:
    sizes = ", ".join(map(str, ["N", *image_shape]))
    with reading(name, f"a model that takes images of shape [{sizes}]"):
        return tf.convert_to_tensor(network(pixels))


def _check_gradient(target: Target) -> None:
    """Checks that the logits of a target have a gradient at the images; zeros are allowed."""
    gradient_of(target, tf.identity, tf.fill([1, *target.image_shape], 0.5))


def output_of(outputs: Any, output: str | None, name: str) -> Any:
    """The output to attack, from a tensor, a mapping, a sequence or an object with attributes.

    `output` is its name or number; None for a single output or for "logits".
    """
    if isinstance(outputs, (list, tuple)):
        names = getattr(outputs, "_fields", range(len(outputs)))
        outputs = dict(zip(map(str, names), outputs, strict=True))
    elif not isinstance(outputs, Mapping) and hasattr(outputs, "logits"):
        outputs = vars(outputs)
    if isinstance(outputs, Mapping):
        names = [str(key) for key in outputs]
        if output is None:
            output = names[0] if len(names) == 1 else "logits" if "logits" in names else None
        require(output in names, f"{name}: output", f"one of {', '.join(names)}", output)
        return outputs[output]
    require(output is None, f"{name}: output", "none, because the model has one output", output)
    return outputs


def sha256_of_arrays(arrays: Iterable[Any]) -> str:
    """Hash of the types, shapes and values of arrays, in their order."""
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
