"""What models of all libraries need to become targets: layout, type, logits, a gradient."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import numpy as np

from daa.errors import InputError, require
from daa.parts import is_number, is_whole
from daa.target import Bounds, Note, Target
from daa.targets.files import reason
from daa.tensorflow import tf

DataFormat = Literal["channels_last", "channels_first"]
Network = Callable[["tf.Tensor"], "tf.Tensor"]
Shape = tuple[int, int, int]

_PROBES = 4  # random images that a model is tried with
_TINY = 1e-30  # added to probabilities, so that those of 0 have a finite logarithm


def target_of(
    call: Network,
    name: str,
    *,
    image_shape: Shape,
    bounds: Bounds,
    weights_sha256: Callable[[], str | None],
    without_softmax: Iterable[Network] = (),
    notes: Iterable[Note] = (),
    xla: bool = True,
) -> Target:
    """A target from a function, tried with some random images.

    If the function returns probabilities, the target uses the first of `without_softmax` whose
    softmax gives the same probabilities, else their logarithm. Each note is given as a warning.

    Args:
        call: native pixels [N, H, W, C] float32 -> logits or probabilities, [N, K] of any float.
        name: of the target.
        image_shape: (H, W, C).
        bounds: native range of the pixels.
        weights_sha256: gives the hash of the weights, or None; called after the function.
        without_softmax: guesses at the same function without its final softmax.
        notes: what was already done to the model.
        xla: whether XLA can compile the function.

    Raises:
        InputError: the function fails, does not return [N, K] floats, or has no gradient.
    """
    noise = np.random.default_rng(0).random((_PROBES, *image_shape), dtype=np.float32)
    pixels = tf.constant(bounds.to_native(noise), tf.float32)
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
    network = call
    if _are_probabilities(out):
        network, note = _logits(call, without_softmax, pixels, out)
        found.append(note)
    target = Target(
        name=name,
        network=lambda x: tf.cast(network(x), tf.float32),
        image_shape=image_shape,
        classes=int(out.shape[1]),
        bounds=bounds,
        weights_sha256=weights_sha256(),
        notes=tuple(found),
        xla=xla,
    )
    check_gradient(target)
    for note in found:
        warnings.warn(f"{name}: {note.message} [{note.code}]", stacklevel=4)
    return target


def _check_output(out: tf.Tensor, name: str) -> None:
    shape = list(out.shape)
    fits = len(shape) == 2 and shape[0] == _PROBES and shape[1] >= 2
    require(fits, f"{name}: output", f"logits [{_PROBES}, K >= 2] of {_PROBES} images", shape)
    if not out.dtype.is_floating:
        raise InputError(
            f"{name}: output: expected logits, got {out.dtype.name}, which have no gradient"
        )


def _are_probabilities(out: tf.Tensor) -> bool:
    tolerance = 1e-4 if out.dtype.size >= 4 else 1e-2
    values = tf.cast(out, tf.float64).numpy()
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) < tolerance).all())


def _logits(
    call: Network, without_softmax: Iterable[Network], pixels: tf.Tensor, out: tf.Tensor
) -> tuple[Network, Note]:
    for guess in without_softmax:
        try:
            again = tf.nn.softmax(tf.cast(guess(pixels), tf.float64)).numpy()
        except Exception:  # a guess may be wrong in any way
            continue
        tolerance = 1e-5 if out.dtype.size >= 4 else 1e-2
        if np.abs(again - tf.cast(out, tf.float64).numpy()).max() < tolerance:
            return guess, Note("softmax-removed", "The final softmax of the model is taken off.")

    def logarithm(x: tf.Tensor) -> tf.Tensor:
        return tf.math.log(tf.cast(call(x), tf.float32) + _TINY)

    return logarithm, Note(
        "softmax-logarithm",
        "The model returns probabilities, and its softmax could not be taken off; their logarithm "
        "is attacked. Where a probability is 0 in float32, it has no gradient. Give a model that "
        "returns logits.",
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


def image_shape_of(
    shape: Iterable[int | None] | None,
    given: Iterable[int] | None,
    data_format: DataFormat,
    name: str,
) -> Shape:
    """(H, W, C) of the images of a model.

    Args:
        shape: of the model's input, with the number of images first; None where it is not known.
        given: (H, W, C) that the user gave; None to read them from `shape`.
        data_format: of the model's input.
        name: of the target.

    Raises:
        InputError: neither says it, or something else than three whole numbers was given.
    """
    formats = get_args(DataFormat)
    require(
        data_format in formats, f"{name}: data_format", f"one of {', '.join(formats)}", data_format
    )
    if given is not None:
        found = tuple(given)
        fits = len(found) == 3 and all(is_whole(size) and size >= 1 for size in found)
        require(fits, f"{name}: image_shape", "(H, W, C)", found)
        return found  # type: ignore[return-value]
    sizes = tuple(shape or ())[1:]
    if len(sizes) == 2:
        sizes = (*sizes, 1) if data_format == "channels_last" else (1, *sizes)
    if len(sizes) != 3 or None in sizes:
        raise InputError(
            f"{name}: image_shape: expected (H, W, C), got none, and the model's input does not "
            f"say it: {None if shape is None else tuple(shape)}"
        )
    if data_format == "channels_first":
        sizes = (*sizes[1:], sizes[0])
    return sizes  # type: ignore[return-value]


def in_layout(
    call: Network, shape: Iterable[int | None] | None, image_shape: Shape, data_format: DataFormat
) -> Network:
    """A function of images [N, H, W, C] from one of the layout that a model takes.

    Args:
        call: the model.
        shape: of its input; an input of another rank than 4 gets the same numbers in its shape.
        image_shape: (H, W, C).
        data_format: of the model's input.
    """
    sizes = list(shape)[1:] if shape is not None else []
    known = [size for size in sizes if size is not None]
    reshaped = known == sizes and len(sizes) not in (0, 3)
    reshaped = reshaped and np.prod(known) == np.prod(image_shape)

    def network(x: tf.Tensor) -> tf.Tensor:
        if data_format == "channels_first":
            x = tf.transpose(x, [0, 3, 1, 2])
        return call(tf.reshape(x, [-1, *known]) if reshaped else x)

    return network


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
