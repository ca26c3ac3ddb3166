"""Targets from Keras models and .keras files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common as models
from daa.targets.adapters import graphs, layouts
from daa.targets.adapters.layouts import DataFormat
from daa.targets.adapters.logits import Guess
from daa.tensorflow import tf


def from_keras(
    model: Any,
    *,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
    data_format: DataFormat = "channels_last",
    output: str | None = None,
) -> Target:
    """A target from a Keras model, always in inference mode.

    A final softmax or sigmoid is taken off; where that can't be done, the logarithm of the
    probabilities or the inverse of the sigmoid is attacked. `Target.notes` says so, and a warning.
    Preprocessing inside the model stays there. Make a new target after you have trained the model
    further.

    Args:
        model: a Keras 3 model (TensorFlow backend) or the path of a .keras file, which is loaded
            in safe mode.
        bounds: lowest and highest pixel value that the model takes; None for (0, 1), or for
            (0, 255) where it takes integers.
        name: of the target; None for that of the model or the file.
        image_shape: (H, W, C), whatever the model's data format; None to read it from the model.
        data_format: of the model's input. The images of a target are channels-last always.
        output: which one, where the model has several with names.

    Raises:
        InputError: a file or a model that can't be used; says why in one line.
    """
    require_tensorflow_backend()
    path = None
    if isinstance(model, (str, Path)):
        path = Path(model)
        model = load(path)
    elif not isinstance(model, keras.Model):
        require(False, "model", "a Keras model or the path of a .keras file", model)
    name = name or (str(model.name) if path is None else path.stem)
    spec = input_of(model, name)
    shape = None if spec is None else spec.shape
    image_shape = layouts.image_shape_of(shape, image_shape, data_format, name)
    if spec is None:
        height, width, channels = image_shape
        first = data_format == "channels_first"
        shape = (None, channels, height, width) if first else (None, *image_shape)
        spec = tf.TensorSpec(shape, tf.float32)

    def raw(x: tf.Tensor) -> tf.Tensor:
        return models.output_of(model(x, training=False), output, name)

    def flat() -> graphs.Flat:
        return graphs.flat(tf.function(raw).get_concrete_function(spec), name)

    whole = not spec.dtype.is_floating
    # Keras casts its input to integers, which has no gradient, so the graph takes its place.
    network, notes = graphs.of_whole_pixels(flat(), name) if whole else (raw, [])
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
        weights_sha256=partial(weights_sha256, model)
        if path is None
        else lambda: files.sha256(path),
        guesses=(Guess(guess.end, layout(guess.network)) for guess in ends),
        notes=notes,
    )


def require_tensorflow_backend() -> None:
    """Checks that Keras computes with TensorFlow.

    Raises:
        InputError: it computes with something else.
    """
    expected = "tensorflow (set KERAS_BACKEND before Keras is imported)"
    require(
        keras.backend.backend() == "tensorflow", "Keras backend", expected, keras.backend.backend()
    )


def load(path: Path) -> Any:
    """The model of a .keras file, loaded in safe mode: code inside the file is refused.

    Raises:
        InputError: another kind of file, or one that Keras can't load without code of the user.
    """
    if path.suffix in (".h5", ".hdf5"):
        raise InputError(
            f"{path}: expected a .keras file, got HDF5, which may hold code; load it with "
            "keras.models.load_model and give the model, or save it as .keras"
        )
    require(path.suffix == ".keras" and path.is_file(), str(path), "a .keras file", path.name)
    files.require_unpacks(path, "a .keras file")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise InputError(
            f"{path}: expected a model that Keras loads without code of yours, got "
            f"{files.reason(error)}; load such a model in your own code and give the model"
        ) from error


def input_of(model: Any, name: str) -> tf.TensorSpec | None:
    """Shape and type of a model's only input; None for a model that does not know it.

    Raises:
        InputError: several inputs.
    """
    try:
        inputs = model.inputs
    except (AttributeError, ValueError):  # a subclassed model, or one that was not called yet
        inputs = None
    if not inputs:
        return None
    require(len(inputs) == 1, f"{name}: inputs", "1", [x.name for x in inputs])
    return tf.TensorSpec(inputs[0].shape, inputs[0].dtype)


def weights_sha256(model: Any) -> str:
    """Hash of the weights of a model, in its own order."""
    return models.sha256_of_arrays(np.asarray(weight) for weight in model.weights)
