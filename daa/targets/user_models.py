"""The model of a user as a target."""

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from functools import partial
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

import numpy as np

from daa import targets
from daa.errors import InputError, is_number, require
from daa.target import Bounds, Target, as_array
from daa.targets.adapters import common, layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.files import reason
from daa.tensorflow import tf

# Ends of the names of TorchScript files.
_TORCHSCRIPT = (".pt", ".pth", ".ts")


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
    output: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    model_dir: str | Path | None = None,
) -> Target:
    """A target from a model or its name; the model and the options are those of `daa.evaluate`."""
    layout: dict[str, Any] = {"bounds": bounds, "data_format": data_format, "output": output}
    layout |= {"mean": mean, "std": std}
    if isinstance(model, (str, Path)):
        reference, path = str(model), Path(model)
        saved = (path / "saved_model.pb").is_file()
        if saved or path.suffix in (".keras", ".h5", ".hdf5", *_TORCHSCRIPT):
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
                f"{', '.join(targets.folders())}, a .keras file, a TorchScript file (.pt), a "
                f"SavedModel folder or package.module:function, got {reference!r}"
            )
    saved = isinstance(model, Path) and (model / "saved_model.pb").is_file()
    if signature is not None and not saved:
        raise InputError(f"signature: only a SavedModel has signatures, got {signature!r}")
    if isinstance(model, Target):
        for option, value in layout.items():
            require(value is None, option, "none, as the target has its own", value)
        target = common.with_logits(model)
        return target if of_project(target.name) else _with_options(target)
    make: Callable[..., Target]
    if saved:
        make = partial(Target.from_saved_model, signature=signature)
    elif _is(model, "torch", "nn.Module") or getattr(model, "suffix", None) in _TORCHSCRIPT:
        make = Target.from_torch
    elif isinstance(model, Path) or _is(model, "keras", "Model"):
        make = Target.from_keras
    else:
        expected = "a Target, a Keras model, a PyTorch module or a function of pixels"
        require(callable(model), name or "model", expected, model)
        make = _from_function
    make = partial(make, model, bounds=bounds, name=name, output=output)
    target = _in_first_layout(make, image_shape, data_format)
    normalised = {
        name: as_array(value, name).ravel().tolist()
        for name, value in {"mean": mean, "std": std}.items()
        if value is not None
    }
    if normalised:
        target = _normalised(target, **normalised)
    options = {"data_format": data_format, "signature": signature, "output": output}
    return _with_options(target, **options, **normalised)


def _with_options(target: Target, **options: Any) -> Target:
    """The target with the options that the user set, and bounds other than (0, 1)."""
    options["bounds"] = None if target.bounds == Bounds() else list(astuple(target.bounds))
    options = {name: value for name, value in options.items() if value is not None}
    # The same target keeps its graphs.
    return replace(target, options=options) if options != target.options else target


def _normalised(
    target: Target, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)
) -> Target:
    """The target of a model that takes (x - mean) / std for native pixels x."""
    network, channels = target.network, target.image_shape[-1]
    for name, numbers in (("mean", mean), ("std", std)):
        valid = len(numbers) in (1, channels) and all(map(is_number, numbers))
        valid = valid and (name == "mean" or min(numbers) > 0)
        require(valid, name, f"one number or {channels}, one for each channel", numbers)
    shift, scale = np.array(mean, np.float32), np.array(std, np.float32)
    return replace(target, network=lambda x: network((x - shift) / scale))


def _from_function(
    call: Any,
    *,
    image_shape: Shape | None,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    data_format: DataFormat = "channels_last",
    output: str | None = None,
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
        lambda x: common.output_of(call(x), output, name),
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
