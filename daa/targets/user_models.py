"""The model of a user as a target."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from daa import targets
from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets.adapters import common, layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.files import reason
from daa.tensorflow import tf


def of_project(reference: str) -> bool:
    """Whether a reference names a target of a target folder, as `madry_mnist/secret`."""
    path = Path(reference)
    return len(path.parts) == 2 and path.parts[0] in targets.folders() and not path.exists()


def load(
    model: Any,
    *,
    image_shape: Shape | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    name: str | None = None,
    signature: str | None = None,
    model_dir: str | Path | None = None,
) -> Target:
    """A target from a model or its name; the model and the options are those of `daa.evaluate`."""
    layout = {"bounds": bounds, "data_format": data_format}
    if isinstance(model, (str, Path)):
        reference, path = str(model), Path(model)
        if (path / "saved_model.pb").is_file() or path.suffix in (".keras", ".h5", ".hdf5"):
            model = path
        elif ":" in reference and not path.exists():
            model, name = _called(reference), name or reference
        elif of_project(reference):
            for option, value in {**layout, "signature": signature}.items():
                require(value is None, option, f"no such option for {reference}", value)
            return targets.load_target(reference, model_dir=model_dir)
        else:
            raise InputError(
                "model: expected FOLDER/NAME with FOLDER one of "
                f"{', '.join(targets.folders())}, a .keras file, a SavedModel folder or "
                f"package.module:function, got {reference!r}"
            )
    saved = isinstance(model, Path) and (model / "saved_model.pb").is_file()
    if signature is not None and not saved:
        raise InputError(f"signature: only a SavedModel has signatures, got {signature!r}")
    if isinstance(model, Target):
        for option, value in layout.items():
            require(value is None, option, "none, as the target has its own", value)
        return common.with_logits(model)
    make: Callable[..., Target]
    if saved:
        make = partial(Target.from_saved_model, signature=signature)
    elif isinstance(model, Path) or _is(model, "keras", "Model"):
        make = Target.from_keras
    elif _is(model, "torch", "nn.Module"):
        make = Target.from_torch
    else:
        expected = "a Target, a Keras model, a PyTorch module or a function of pixels"
        require(callable(model), name or "model", expected, model)
        make = _from_function
    return _in_first_layout(
        partial(make, model, bounds=bounds, name=name), image_shape, data_format
    )


def _from_function(
    call: Any,
    *,
    image_shape: Shape | None,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    data_format: DataFormat = "channels_last",
) -> Target:
    """A target from a function of native pixels to logits [N, K]; options as for `from_keras`."""
    name = name or getattr(call, "__name__", None) or type(call).__name__
    shape = layouts.image_shape_of(None, image_shape, data_format, name)

    def weights_sha256() -> str | None:
        """Hash of the variables and constants of the function; None if it has no graph."""
        spec = tf.TensorSpec([None, *layouts.input_shape(shape, data_format)], tf.float32)
        try:
            traced = tf.function(lambda x: call(x), autograph=False).get_concrete_function(spec)
        except Exception:  # a function for eager mode only
            return None
        graph = traced.graph
        weights = [variable.numpy() for variable in graph.variables]
        weights += [t.numpy() for t, _ in graph.captures if t.dtype != tf.resource]
        nodes = [node for node in graph.as_graph_def().node if node.op == "Const"]
        weights += [tf.make_ndarray(node.attr["value"].tensor) for node in nodes]
        return common.sha256_of_arrays(weights)

    return common.target_of(
        call,
        name,
        image_shape=shape,
        bounds=bounds,
        weights_sha256=weights_sha256,
        data_format=data_format,
    )


def _in_first_layout(
    make: Callable[..., Target], image_shape: Shape | None, data_format: DataFormat | None
) -> Target:
    """The target in the first shape and layout that the model accepts; its own shape is first."""
    formats = list(dict.fromkeys(filter(None, [data_format, *get_args(DataFormat)])))
    made: list[Target] = []
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
                warnings.warn(note.message, stacklevel=3)
            return target
        made.append(target)
    if made:
        return made[0]  # its images have another shape, which the attack will refuse
    # The error with `image_shape` is clearer than the error without it, and an error without a
    # cause comes from a model that accepted the layout.
    clear = failed[-len(formats) :]
    raise next((error for error in clear if error.__cause__ is None), clear[0])


def _is(model: Any, package: str, name: str) -> bool:
    """Whether a model is of a class of a package, without importing the package."""
    loaded = sys.modules.get(package)
    return loaded is not None and isinstance(model, attrgetter(name)(loaded))


def _called(reference: str) -> Any:
    """The result of a function `package.module:function`; an object that is no function, itself."""
    module, _, attribute = reference.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    loaded = targets.import_module(module, reference, "module")
    for part in attribute.split("."):
        names = [key for key, value in vars(loaded).items() if key[0] != "_" and callable(value)]
        expected = f"one of {', '.join(names)}"
        require(hasattr(loaded, part), f"{reference}: {module}", expected, part)
        loaded = getattr(loaded, part)
    if isinstance(loaded, Target) or _is(loaded, "keras", "Model") or not callable(loaded):
        return loaded
    try:
        return loaded()
    except Exception as error:
        raise InputError(
            f"{reference}: expected a function without arguments that returns a model, "
            f"got {type(error).__name__}: {reason(error)}"
        ) from error
