"""Targets from TensorFlow SavedModels."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from daa.errors import require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.tensorflow import tf


def from_saved_model(
    folder: str | Path,
    *,
    signature: str | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    image_shape: Shape | None = None,
    data_format: DataFormat = "channels_last",
    output: str | None = None,
) -> Target:
    """A target from a SavedModel.

    A final softmax or sigmoid is removed, as by `from_keras`. A signature with uint8 images gets
    rounded images, and the gradient passes the rounding.

    A SavedModel is a program, and TensorFlow runs it without a sandbox. Load only SavedModels from
    people you trust.

    Args:
        folder: folder with saved_model.pb.
        signature: a signature, or an endpoint as "serve" of a model exported by Keras; None for
            "serving_default", else "serve", else the only signature.
        bounds, name, image_shape, data_format, output: as for `from_keras`.

    Raises:
        InputError: unusable folder or signature.
    """
    folder = Path(folder)
    is_model = (folder / "saved_model.pb").is_file()
    require(is_model, str(folder), "a SavedModel folder with saved_model.pb", folder.name)
    name = name or folder.resolve().name
    with files.reading(folder, "a SavedModel that loads"):
        loaded = tf.saved_model.load(str(folder))
    function = _function(loaded, signature, str(folder))
    positional, named = function.structured_input_signature
    specs = {**dict(enumerate(positional)), **named}
    specs = {key: spec for key, spec in specs.items() if isinstance(spec, tf.TensorSpec)}
    require(len(specs) == 1, f"{name}: inputs", "1", [spec.name for spec in specs.values()])
    ((key, spec),) = specs.items()

    def call(x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, spec.dtype)
        outputs = function(x) if isinstance(key, int) else function(**{key: x})
        return common.output_of(outputs, output, name)

    call.loaded = loaded  # type: ignore[attr-defined]  # keeps the variables alive
    return common.target_of(
        call,
        name,
        image_shape=image_shape,
        bounds=bounds,
        weights_sha256=partial(folder_sha256, folder),
        spec=tf.TensorSpec(spec.shape, spec.dtype),
        data_format=data_format,
    )


def _function(loaded: Any, signature: str | None, where: str) -> Any:
    """The concrete function of a signature or of an endpoint."""
    endpoints = {
        key: value.concrete_functions[0]
        for key, value in vars(loaded).items()
        if getattr(value, "concrete_functions", None)
    }
    functions = {**endpoints, **dict(loaded.signatures)}
    if signature is None:
        only = list(functions) if len(functions) == 1 else []
        usual = ["serving_default", "serve", *only]
        signature = next((key for key in usual if key in functions), "")
    expected = f"one of {', '.join(functions)}"
    require(signature in functions, f"{where}: signature", expected, signature or None)
    return functions[signature]


def folder_sha256(folder: Path) -> str:
    """Hash of the names and contents of the files in a folder, in the order of the names."""
    digest = hashlib.sha256()
    for path in sorted(filter(Path.is_file, folder.rglob("*"))):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(files.sha256(path).encode())
    return digest.hexdigest()
