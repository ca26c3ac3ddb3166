"""Targets from PyTorch modules, which compute on the CPU beside TensorFlow."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.target import Bounds, Target
from daa.targets import files
from daa.targets.adapters import common as models
from daa.targets.adapters import layouts
from daa.targets.adapters.layouts import DataFormat, Shape
from daa.targets.adapters.logits import Guess, Network
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

    Every gradient crosses from TensorFlow to PyTorch and back, and runs the module twice. A final
    softmax or sigmoid is taken off; where that can't be done, the logarithm of the probabilities or
    the inverse of the sigmoid is attacked. `Target.notes` says so, and a warning.

    Args:
        module: a `torch.nn.Module`. Normalisation of the pixels must be part of it.
        image_shape: (H, W, C), whatever the module's data format.
        bounds: lowest and highest pixel value that the module takes; None for (0, 1).
        name: of the target; None for that of the module's class.
        data_format: of the module's input. The images of a target are channels-last always.
        output: which one, where the module returns several with names.

    Raises:
        InputError: PyTorch is not installed, or a module that can't be used; says why in one line.
    """
    require(isinstance(module, torch.nn.Module), "module", "a torch.nn.Module", module)
    name = name or type(module).__name__
    image_shape = layouts.image_shape_of(None, image_shape, data_format, name)
    module = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    classes = _classes(module, image_shape, data_format, output, name)

    def network(module: Any) -> Network:
        function = bridge(lambda x: models.output_of(module(x), output, name), classes)
        return layouts.in_layout(function, None, image_shape, data_format)

    return models.target_of(
        network(module),
        name,
        image_shape=image_shape,
        bounds=models.bounds_of(bounds, name),
        weights_sha256=partial(weights_sha256, module),
        guesses=(Guess(end, network(other)) for end, other in _without_end(module)),
        xla=False,
    )


def bridge(function: Callable[[Any], Any], classes: int) -> Network:
    """A function of PyTorch tensors as a differentiable function of TensorFlow tensors.

    Args:
        function: images as tensors -> logits [N, K].
        classes: K.
    """

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
            found = tf.numpy_function(backward, [x, upstream], tf.float32, stateful=False)
            return tf.ensure_shape(found, x.shape)

        return tf.ensure_shape(logits, [x.shape[0], classes]), grad

    return network


def _classes(
    module: Any, image_shape: Shape, data_format: DataFormat, output: str | None, name: str
) -> int:
    """The number of classes of a module, tried with one image.

    Raises:
        InputError: it does not take such an image, or gives no logits with a gradient.
    """
    height, width, channels = image_shape
    first = data_format == "channels_first"
    size = (channels, height, width) if first else image_shape
    try:
        out = models.output_of(module(torch.rand(1, *size, requires_grad=True)), output, name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{name}: expected a module that takes images of shape {['N', *size]}, "
            f"got {files.reason(error)}"
        ) from error
    fits = isinstance(out, torch.Tensor) and out.ndim == 2
    shape = list(getattr(out, "shape", [type(out).__name__]))
    require(fits, f"{name}: output", "logits [1, K] of one image", shape)
    if not (out.is_floating_point() and out.requires_grad):
        raise InputError(
            f"{name}: expected logits with a gradient at the images, got {out.dtype} without one"
        )
    return out.shape[1]


def _without_end(module: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a module, each without one of its softmax or sigmoid layers, the last one first."""
    ends = {torch.nn.Softmax: "softmax", torch.nn.Sigmoid: "sigmoid"}
    layers = [(path, ends.get(type(part))) for path, part in module.named_modules()]
    for path, end in reversed(layers):
        if path and end:
            other = copy.deepcopy(module)
            parent, _, leaf = path.rpartition(".")
            setattr(other.get_submodule(parent), leaf, torch.nn.Identity())
            yield end, other


def weights_sha256(module: Any) -> str:
    """Hash of the parameters and buffers of a module, in its own order."""
    return models.sha256_of_arrays(
        tensor.float().numpy() for tensor in module.state_dict().values()
    )
