"""Targets from TensorFlow SavedModels."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common as models
from daa.targets.adapters import graphs, layouts
from daa.targets.adapters.layouts import DataFormat
from daa.targets.adapters.logits import Guess
from daa.tensorflow import tf


def from_saved_model(
    folder: str | Path,
    *,
    signature: str | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
    data_format: DataFormat = "channels_last",
    output: str | None = None,
) -> Target:
    """A target from a SavedModel.

    A final softmax or sigmoid is taken off its graph; where that can't be done, the logarithm of
    the probabilities or the inverse of the sigmoid is attacked. A signature that takes uint8 images
    gets them rounded, and the gradient passes the rounding. `Target.notes` says so, and a warning.

    A SavedModel is a program. TensorFlow runs it without a sandbox, so load none that you don't
    trust.

    Args:
        folder: the one with saved_model.pb.
        signature: a signature, or an endpoint as "serve" of a model that Keras exported; None for
            "serving_default", else "serve", else the only one.
        bounds: lowest and highest pixel value that the model takes; None for (0, 1), or for
            (0, 255) where it takes integers.
        name: of the target; None for that of the folder.
        image_shape: (H, W, C), whatever the model's data format; None to read it from the model.
        data_format: of the model's input. The images of a target are channels-last always.
        output: which one, where the signature returns several.

    Raises:
        InputError: a folder or a signature that can't be used; says why in one line.
    """
    folder = Path(folder)
    is_one = (folder / "saved_model.pb").is_file()
    require(is_one, str(folder), "a SavedModel folder with saved_model.pb", folder.name)
    for path in folder.rglob("*"):
        if not path.is_dir():
            files.plain(path, "a file of a SavedModel")
    name = name or folder.resolve().name
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:
        reason = files.reason(error)
        raise InputError(f"{folder}: expected a SavedModel that loads, got {reason}") from error
    function = _function(loaded, signature, str(folder))
    positional, named = function.structured_input_signature
    specs = {**dict(enumerate(positional)), **named}
    specs = {key: spec for key, spec in specs.items() if isinstance(spec, tf.TensorSpec)}
    require(len(specs) == 1, f"{name}: inputs", "1", [spec.name for spec in specs.values()])
    ((key, spec),) = specs.items()
    spec = tf.TensorSpec(spec.shape, spec.dtype)
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    image_shape = layouts.image_shape_of(shape, image_shape, data_format, name)

    def call(x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, spec.dtype)
        found = function(x) if isinstance(key, int) else function(**{key: x})
        return models.output_of(found, output, name)

    def flat() -> graphs.Flat:
        return graphs.flat(tf.function(call, autograph=False).get_concrete_function(spec), name)

    call.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it does
    whole = not spec.dtype.is_floating
    network, notes = graphs.of_whole_pixels(flat(), name) if whole else (call, [])
    default = (0.0, 255.0) if whole else (0.0, 1.0)
    layout = partial(
        layouts.in_layout, shape=shape, image_shape=image_shape, data_format=data_format
    )
    ends = graphs.without_end(flat, name) if whole else ()
    return models.target_of(
        layout(network),
        name,
        image_shape=image_shape,
        bounds=models.bounds_of(bounds, name, default),
        weights_sha256=partial(folder_sha256, folder),
        guesses=(Guess(guess.end, layout(guess.network)) for guess in ends),
        notes=notes,
    )


def _function(loaded: Any, signature: str | None, where: str) -> Any:
    """The concrete function of a signature or of an endpoint."""
    signatures = dict(loaded.signatures)
    endpoints = {
        key: value.concrete_functions[0]
        for key, value in vars(loaded).items()
        if getattr(value, "concrete_functions", None)
    }
    every = {**endpoints, **signatures}
    if signature is None:
        usual = [key for key in ("serving_default", "serve") if key in every]
        only = list(every) if len(every) == 1 else []
        signature = next(iter([*usual, *only]), None)
    require(signature in every, f"{where}: signature", f"one of {', '.join(every)}", signature)
    return every[str(signature)]


def folder_sha256(folder: Path) -> str:
    """Hash of the files of a folder: their names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(files.sha256(path).encode())
    return digest.hexdigest()
