"""Targets from Keras models and .keras files."""

import zipfile
from pathlib import Path
from typing import Any

import keras

from daa.errors import require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.tensorflow import tf


def from_keras(
    model: Any,
    *,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    image_shape: Shape | None = None,
    data_format: DataFormat = "channels_last",
    output: str | None = None,
) -> Target:
    """A target from a Keras model, always in inference mode.

    A final softmax or sigmoid is removed; if the removal fails, the attack uses the logarithm of
    the probabilities or the inverse of the sigmoid. A note in `Target.notes` and a warning report
    the change. Preprocessing inside the model stays. After further training of the model, make a
    new target.

    Args:
        model: a Keras 3 model (TensorFlow backend) or the path of a .keras file, which is loaded
            in safe mode.
        bounds: lowest and highest pixel value of the model's input; None for (0, 1), or for
            (0, 255) with integer inputs.
        name: name of the target; None for the name of the model or the file.
        image_shape: (H, W, C), (F,) or (D, H, W, C) in any data format; None to read it from the
            model.
        data_format: layout of the model's input. Images of targets are always channels-last.
        output: name of the output, if the model has several.

    Raises:
        InputError: unusable file or model.
    """
    backend = keras.backend.backend()
    expected = "tensorflow (set KERAS_BACKEND before Keras is imported)"
    require(backend == "tensorflow", "Keras backend", expected, backend)
    path = Path(model) if isinstance(model, (str, Path)) else None
    if path is not None:
        model = _load(path)
    expected = "a Keras model or the path of a .keras file"
    require(isinstance(model, keras.Model), "model", expected, model)
    name = name or (str(model.name) if path is None else path.stem)
    try:
        inputs = model.inputs
    except (AttributeError, ValueError):  # before the first call; ValueError in Keras 3.3
        inputs = None
    spec = None
    if inputs:
        require(len(inputs) == 1, f"{name}: inputs", "1", [x.name for x in inputs])
        spec = tf.TensorSpec(inputs[0].shape, inputs[0].dtype)
    return common.target_of(
        lambda x: common.output_of(model(x, training=False), output, name),
        name,
        image_shape=image_shape,
        bounds=bounds,
        weights_sha256=lambda: (
            common.sha256_of_arrays(model.weights) if path is None else files.sha256(path)
        ),
        spec=spec,
        data_format=data_format,
    )


def _load(path: Path) -> Any:
    """The model in a .keras file, loaded in safe mode, which refuses code inside the file."""
    expected = "a .keras file (load another file with keras.models.load_model, give the model)"
    with files.reading(path, expected):
        zipfile.ZipFile(path).close()
        require(path.suffix == ".keras", str(path), expected, path.name)
    expected = "a model that Keras loads without code (load it in your own code, give the model)"
    with files.reading(path, expected):
        return keras.saving.load_model(path, compile=False, safe_mode=True)
