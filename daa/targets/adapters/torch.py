"""Targets from PyTorch modules, which compute on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common, layouts
from daa.targets.adapters.layouts import DataFormat
from daa.targets.adapters.logits import Candidate, Network
from daa.tensorflow import tf

try:
    import torch
except ImportError:
    raise InputError(
        "from_torch: expected the package torch, got none; pip install torch"
    ) from None


def from_torch(
    module: Any,
    *,
    image_shape: tuple[int, int, int],
    bounds: Bounds | tuple[float, float] | None = None,
    name: str | None = None,
    data_format: DataFormat = "channels_first",
    output: str | None = None,
) -> Target:
    """A target from a copy of a PyTorch module, in evaluation mode on the CPU.

    Each gradient crosses from TensorFlow to PyTorch and back, and runs the module twice. A final
    softmax or sigmoid is removed, as by `from_keras`.

    Args:
        module: a `torch.nn.Module` which includes the normalisation of the pixels.
        image_shape, bounds, name, data_format, output: as for `from_keras`.

    Raises:
        InputError: PyTorch is not installed, or unusable module.
    """
    require(isinstance(module, torch.nn.Module), "module", "a torch.nn.Module", module)
    name = name or type(module).__name__
    image_shape = layouts.image_shape_of(None, image_shape, data_format, name)
    module = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    size = layouts.input_shape(image_shape, data_format)
    expected = f"a module that takes images of shape {['N', *size]}"
    with files.reading(name, expected, (Exception,)):
        image = torch.rand(1, *size, requires_grad=True)
        out = common.output_of(module(image), output, name)
    shape = list(getattr(out, "shape", [type(out).__name__]))
    valid = isinstance(out, torch.Tensor) and len(shape) == 2
    require(valid, f"{name}: output", "logits [1, K] of one image", shape)
    valid = out.is_floating_point() and out.requires_grad
    require(valid, name, "logits with a gradient at the images", f"{out.dtype} without one")

    def network(module: Any) -> Network:
        return _bridge(lambda x: common.output_of(module(x), output, name), shape[1])

    def candidates(module: Any) -> Iterator[Candidate]:
        return ((end, network(rest), candidates(rest)) for end, rest in _without_end(module))

    return common.target_of(
        network(module),
        name,
        image_shape=image_shape,
        bounds=bounds,
        weights_sha256=lambda: common.sha256_of_arrays(
            tensor.float().numpy() for tensor in module.state_dict().values()
        ),
        data_format=data_format,
        candidates=candidates(module),
        xla=False,
    )


def _bridge(function: Callable[[Any], Any], classes: int) -> Network:
    """A function of PyTorch tensors as a differentiable function of TensorFlow tensors."""

    def forward(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return function(torch.tensor(x)).float().numpy()

    def backward(x: np.ndarray, upstream: np.ndarray) -> np.ndarray:
        images = torch.tensor(x, requires_grad=True)
        (grad,) = torch.autograd.grad(function(images).float(), images, torch.tensor(upstream))
        return grad.numpy()

    @tf.custom_gradient
    def network(x: tf.Tensor) -> Any:
        logits = tf.numpy_function(forward, [x], tf.float32, stateful=False)

        def grad(upstream: tf.Tensor) -> tf.Tensor:
            gradient = tf.numpy_function(backward, [x, upstream], tf.float32, stateful=False)
            return tf.ensure_shape(gradient, x.shape)

        return tf.ensure_shape(logits, [x.shape[0], classes]), grad

    return network


def _without_end(module: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a module, each without a softmax or sigmoid layer, starting with the last layer."""
    ends = {torch.nn.Softmax: "softmax", torch.nn.Sigmoid: "sigmoid"}
    layers = [(path, ends.get(type(layer))) for path, layer in module.named_modules()]
    for path, end in reversed(layers):
        if path and end:
            other = copy.deepcopy(module)
            parent, _, leaf = path.rpartition(".")
            setattr(other.get_submodule(parent), leaf, torch.nn.Identity())
            yield end, other
