"""The model that a user names or gives, as a target."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from daa import targets
from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets.adapters import common as models
from daa.targets.adapters import layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.files import reason
from daa.tensorflow import tf


def of_project(reference: str) -> bool:
    """Whether a reference names a target of a target folder, as `madry_mnist/secret`."""
    path = Path(reference)
    return len(path.parts) == 2 and path.parts[0] in targets.folders() and not path.exists()


def load(
    reference: str,
    *,
    image_shape: Shape | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    signature: str | None = None,
    model_dir: str | Path | None = None,
) -> Target:
    """The target of a text.

    Args:
        reference: `folder/name` of a target folder, the path of a .keras file, the folder of a
            SavedModel, or `package.module:function`. The function takes no arguments and returns
            what `target_of` takes. Modules are looked for in the working directory, too.
        image_shape: (H, W, C) of the images; needed where the model does not say it.
        bounds: lowest and highest pixel value that the model takes.
        data_format: of the model's input, where both would do; None for channels_last.
        signature: of a SavedModel.
        model_dir: folder of this project's weights; else `DAA_MODELS`, else the cache.

    Raises:
        InputError: there is no such model, or it can't be attacked; says why in one line.
    """
    own: dict[str, Any] = {"bounds": bounds, "data_format": data_format}
    path = Path(reference)
    saved = (path / "saved_model.pb").is_file()
    if signature is not None and not saved:
        raise InputError(f"signature: expected one for a SavedModel alone, got {signature!r}")
    if saved or path.suffix in (".keras", ".h5", ".hdf5"):
        return target_of(path, image_shape=image_shape, signature=signature, **own)
    if ":" in reference and not path.exists():
        model = _called(reference)
        return target_of(model, name=reference, image_shape=image_shape, **own)
    if not of_project(reference):
        raise InputError(
            "model: expected FOLDER/NAME with FOLDER one of "
            f"{', '.join(targets.folders())}, a .keras file, a SavedModel folder or "
            f"package.module:function, got {reference!r}"
        )
    for option, value in own.items():
        require(value is None, option, f"no such option for {reference}, which knows it", value)
    return targets.load_target(reference, model_dir=model_dir)


def loader(reference: str, **options: Any) -> partial[Target]:
    """A function without arguments that loads a target, in any process that has its files."""
    if of_project(reference):
        return targets.loader(reference, options.get("model_dir"))
    return partial(load, reference, **options)


def target_of(
    model: Any,
    *,
    image_shape: Shape | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    name: str | None = None,
    signature: str | None = None,
) -> Target:
    """A target from a model.

    Args:
        model: a `Target`; a Keras model; the path of a .keras file or
            of a SavedModel; a PyTorch module; or a function of native pixels [N, H, W, C] that
            returns logits [N, K].
        image_shape, bounds, data_format, signature: as for `load`.
        name: of the target; None for that of the model.

    Raises:
        InputError: a model that can't be attacked; says why in one line.
    """
    if isinstance(model, Target):
        for option, value in {"bounds": bounds, "data_format": data_format}.items():
            require(value is None, option, "none, as the target has its own", value)
        models.check_gradient(model)
        return models.with_logits(model)
    options: dict[str, Any] = {"bounds": bounds, "name": name}
    make: Callable[..., Target]
    if isinstance(model, Path) and (model / "saved_model.pb").is_file():
        make = partial(Target.from_saved_model, model, signature=signature, **options)
    elif isinstance(model, Path) or _is(model, "keras", "Model"):
        make = partial(Target.from_keras, model, **options)
    elif _is(model, "torch", "nn.Module"):
        make = partial(Target.from_torch, model, **options)
    elif callable(model):
        make = partial(_of_function, model, **options)
    else:
        expected = "a Target, a Keras model, a PyTorch module or a function of pixels"
        require(False, name or "model", expected, model)
    return _first_that_fits(make, image_shape, data_format)


def _first_that_fits(
    make: Callable[..., Target], image_shape: Shape | None, data_format: DataFormat | None
) -> Target:
    """The model in the layout in which it takes the images; `data_format` is tried first.

    A model that knows its input is asked for it; others are told the shape of the images.
    """
    formats = list(dict.fromkeys(filter(None, [data_format, *get_args(DataFormat)])))
    found: list[Target] = []
    failed: list[InputError] = []
    for shape, layout in product(dict.fromkeys([None, image_shape]), formats):
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            try:
                target = make(image_shape=shape, data_format=layout)
            except InputError as error:
                failed.append(error)
                continue
        if image_shape in (None, target.image_shape):
            for note in notes:
                warnings.warn(str(note.message), stacklevel=4)
            return target
        found.append(target)
    if found:
        return found[0]  # the images will be refused, as they have another shape
    # What the model says about the images that it got tells more than that it got none.
    raise failed[-len(formats)]


def _of_function(
    call: Any, *, name: str | None, bounds: Any, image_shape: Shape | None, data_format: DataFormat
) -> Target:
    name = name or getattr(call, "__name__", None) or type(call).__name__
    shape = layouts.image_shape_of(None, image_shape, data_format, name)
    return models.target_of(
        layouts.in_layout(call, None, shape, data_format),
        name,
        image_shape=shape,
        bounds=models.bounds_of(bounds, name),
        weights_sha256=lambda: _weights_sha256(call, shape, data_format),
    )


def _weights_sha256(call: Any, image_shape: Shape, data_format: DataFormat) -> str | None:
    """Hash of the variables and the constants that a function computes with."""
    height, width, channels = image_shape
    size = (channels, height, width) if data_format == "channels_first" else image_shape
    spec = tf.TensorSpec([None, *size], tf.float32)
    try:
        traced = tf.function(lambda x: call(x), autograph=False).get_concrete_function(spec)
    except Exception:  # a function that only runs eagerly has no graph to look into
        return None
    graph = traced.graph
    held = [variable.numpy() for variable in graph.variables]
    held += [t.numpy() for t, _ in graph.captures if t.dtype != tf.resource]
    constants = (node.attr["value"].tensor for node in graph.as_graph_def().node
                 if node.op == "Const")  # fmt: skip
    held += [tf.make_ndarray(tensor) for tensor in constants]
    return models.sha256_of_arrays(np.asarray(array) for array in held)


def _is(model: Any, package: str, name: str) -> bool:
    """Whether a model is of a class of a package, which nobody could have used unless loaded."""
    kind: Any = sys.modules.get(package)
    for part in name.split("."):
        kind = getattr(kind, part, None)
    return kind is not None and isinstance(model, kind)


def _called(reference: str) -> Any:
    """What a function named `package.module:function` returns; an object that is none, as it is.

    Raises:
        InputError: no such module or function, or one that fails.
    """
    place, _, attribute = reference.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(place)
    except Exception as error:
        raise InputError(
            f"{reference}: expected a module that can be imported, got {_said(error)}"
        ) from error
    for part in attribute.split("."):
        names = ", ".join(_names(found))
        require(hasattr(found, part), f"{reference}: {place}", f"one of {names}", part)
        found = getattr(found, part)
    if isinstance(found, Target) or _is(found, "keras", "Model") or not callable(found):
        return found
    try:
        return found()
    except Exception as error:
        raise InputError(
            f"{reference}: expected a function without arguments that returns a model, "
            f"got {_said(error)}"
        ) from error


def _names(module: Any) -> Iterator[str]:
    return (name for name, value in vars(module).items() if name[0] != "_" and callable(value))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {reason(error)}"
