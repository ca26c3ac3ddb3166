"""Targets from PyTorch modules, which compute on the CPU."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Note, Target
from daa.targets import files
from daa.targets.adapters import common, layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.adapters.logits import Candidate, Network, changed
from daa.tensorflow import tf

try:
    import torch
except ImportError:
    raise InputError(
        "from_torch: expected the package torch, got none; pip install torch"
    ) from None

_SCRIPT = "a TorchScript file (for weights, write a function that builds and loads the module)"


def from_torch(
    module: Any,
    *,
    image_shape: Shape,
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    data_format: DataFormat = "channels_first",
    output: str | None = None,
) -> Target:
    """A target from a copy of a PyTorch module, in evaluation mode on the CPU.

    Each gradient crosses from TensorFlow to PyTorch and back, and runs the module twice. A final
    softmax or sigmoid is removed, as by `from_keras`. Weights of other types are cast to float32.

    Args:
        module: a `torch.nn.Module` which includes the normalisation of the pixels, or the path of
            a TorchScript file.
        image_shape, bounds, name, data_format, output: as for `from_keras`.

    Raises:
        InputError: PyTorch is not installed, or unusable file or module.
    """
    path = Path(module) if isinstance(module, (str, Path)) else None
    if path is not None:
        with files.reading(path, _SCRIPT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(path, map_location="cpu")
    require(isinstance(module, torch.nn.Module), "module", "a torch.nn.Module", module)
    name = name or (type(module).__name__ if path is None else path.stem)
    image_shape = layouts.image_shape_of(None, image_shape, data_format, name)
    weights = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta or torch.nn.parameter.is_lazy(tensor) for tensor in weights):
        raise InputError(
            f"{name}: has lazy or meta parameters without values; load the weights, or call the "
            "module once"
        )
    with files.reading(name, "a module that can be copied to the CPU"):
        module = _copied(module).cpu().eval().float()
    types = {tensor.dtype for tensor in weights if tensor.is_floating_point()} - {torch.float32}
    size = layouts.input_shape(image_shape, data_format)

    def call(module: Any, x: Any) -> Any:
        # A copy, because a module may write into its input.
        return common.output_of(module(x.clone()), output, name)

    expected = f"a module that takes images of shape {['N', *size]}"
    image = torch.rand(1, *size, requires_grad=True)
    with files.reading(name, expected):
        out = call(module, image)
    shape = list(getattr(out, "shape", [type(out).__name__]))
    valid = isinstance(out, torch.Tensor) and len(shape) <= 2
    require(valid, f"{name}: output", "logits [1, K] of one image", shape)
    expected = "logits with a gradient at the images"
    valid = out.is_floating_point() and out.requires_grad
    with files.reading(name, expected):
        valid = valid and torch.autograd.grad(out.sum(), image, allow_unused=True)[0] is not None
    require(valid, name, expected, f"{out.dtype} without one")

    def network(module: Any) -> Network:
        return _bridge(partial(call, module), shape[1] if len(shape) == 2 else 1)

    return common.target_of(
        network(module),
        name,
        image_shape=image_shape,
        bounds=bounds,
        weights_sha256=lambda: (
            common.sha256_of_arrays(_arrays(module.state_dict()))
            if path is None
            else files.sha256(path)
        ),
        data_format=data_format,
        candidates=changed(_without_end(module), network),
        notes=[
            Note("weights-cast", f"The {str(kind)[6:]} weights of the module are cast to float32.")
            for kind in sorted(types, key=str)
        ],
        xla=False,
    )


def _copied(module: Any) -> Any:
    """A copy without gradients; it shares attributes that can't be copied, as locks."""
    try:
        with torch.no_grad():
            copied = copy.deepcopy(module)
    except Exception:  # as a tensor from a forward pass
        shared = {}
        for name, value in chain(*(vars(part).items() for part in module.modules())):
            try:
                name == "_modules" or copy.deepcopy(value)
            except Exception:
                shared[id(value)] = value
        copied = copy.deepcopy(module, shared)
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    return copied


def _arrays(state: Any) -> Iterator[np.ndarray]:
    """The tensors of a state, and its further values."""
    if isinstance(state, torch.Tensor):
        yield state.detach().dequantize().numpy()  # float32
    elif isinstance(state, (dict, list, tuple)):
        for value in state.values() if isinstance(state, dict) else state:
            yield from _arrays(value)
    elif isinstance(state, (np.ndarray, str, bytes, int, float)):
        yield np.asarray(state)


def _bridge(function: Callable[[Any], Any], classes: int) -> Network:
    """A function of PyTorch tensors as a differentiable function of TensorFlow tensors."""

    def forward(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return function(torch.tensor(x)).reshape(len(x), classes).float().numpy()

    def backward(x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
        images = torch.tensor(x, requires_grad=True)
        logits = function(images).reshape(len(x), classes).float()
        (grad,) = torch.autograd.grad(logits, images, torch.tensor(upstream))
        return grad.numpy()

    @tf.custom_gradient
    def network(x: tf.Tensor) -> Any:
        logits = tf.numpy_function(forward, [x], tf.float32, stateful=False)

        def grad(upstream: tf.Tensor) -> tf.Tensor:
            gradient = tf.numpy_function(backward, [x, upstream], tf.float32, stateful=False)
            return tf.ensure_shape(gradient, x.shape)

        return tf.ensure_shape(logits, [x.shape[0], classes]), grad

    return network


def _without_end(module: Any) -> Iterator[Candidate]:
    """Copies of a module, each without a softmax or sigmoid layer, starting with the last layer."""
    ends = {torch.nn.Softmax: "softmax", torch.nn.Sigmoid: "sigmoid"}
    layers = [(path, ends.get(type(layer))) for path, layer in module.named_modules()]
    for path, end in reversed(layers):
        if path and end:
            other = _copied(module)
            parent, _, leaf = path.rpartition(".")
            setattr(other.get_submodule(parent), leaf, torch.nn.Identity())
            yield end, other, _without_end(other)
