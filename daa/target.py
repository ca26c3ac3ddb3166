"""What is attacked: a classifier, the native range of its pixels, images with labels."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from daa import storage
from daa.attacks.components import is_number, is_whole
from daa.attacks.losses import LOSSES
from daa.errors import InputError, require, shown
from daa.tensorflow import tf

# So many bytes of images go through a network at once; more would fill the memory with layers.
_BATCH = 1 << 26

Provenance = Literal["original", "third-party", "surrogate", "own"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Bounds:
    """The range of pixel values that a network was trained on, in its own unit."""

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        fits = is_number(self.lower) and is_number(self.upper) and self.lower < self.upper
        require(fits, "bounds", "two numbers, the lower one first", (self.lower, self.upper))

    def to_native(self, x: Any) -> Any:
        """Images in [0, 1] in the network's unit."""
        if (self.lower, self.upper) == (0.0, 1.0):
            return x
        return self.lower + (self.upper - self.lower) * x

    def from_native(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels in the network's unit as float32 images in [0, 1]."""
        span = np.float32(self.upper - self.lower)
        return (pixels.astype(np.float32) - np.float32(self.lower)) / span


class NoteWarning(UserWarning):
    """The warning that shows a `Note` to the user."""


@dataclass(frozen=True)
class Note:
    """What was done to a model so that it can be attacked.

    Args:
        code: names the kind of note; stable, as "softmax-removed".
        message: one sentence.
    """

    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Target:
    """A classifier of images in [0, 1].

    Args:
        name: `folder/name`, as in `madry_mnist/secret`.
        network: native pixels [N, H, W, C] float32 -> logits [N, K] float32.
        image_shape: (H, W, C).
        classes: K.
        bounds: native range onto which [0, 1] is mapped. The chain rule then gives the factors
            (255 for CIFAR10) that the released scripts write by hand.
        provenance: where the weights come from: "original" (the paper's), "third-party" (somebody
            else's network), "surrogate" (the paper's architecture trained by this project) or "own"
            (a network of this project or of its user).
        weights_sha256: of the file that the weights were read from.
        half: makes the same network in bfloat16, for gradients.
        notes: what was done to the model that the network comes from.
        xla: whether XLA can compile the network.
    """

    name: str
    network: Callable[[tf.Tensor], tf.Tensor]
    image_shape: tuple[int, int, int]
    classes: int
    bounds: Bounds = Bounds()
    provenance: Provenance = "own"
    weights_sha256: str | None = None
    half: Callable[[], Callable[[tf.Tensor], tf.Tensor]] | None = None
    notes: tuple[Note, ...] = ()
    xla: bool = True
    _graphs: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        fits = _is_name(self.name) and bool(self.name)
        require(fits, "target: name", "one line of printable characters", self.name)
        shape = self.image_shape
        fits = isinstance(shape, tuple) and len(shape) == 3
        fits = fits and all(is_whole(size) and size >= 1 for size in shape)
        require(fits, f"{self.name}: image_shape", "(H, W, C), whole numbers >= 1", shape)
        fits = is_whole(self.classes) and self.classes >= 2
        require(fits, f"{self.name}: classes", "a whole number >= 2", self.classes)
        require(callable(self.network), f"{self.name}: network", "a function", self.network)
        allowed = get_args(Provenance)
        require(
            self.provenance in allowed,
            f"{self.name}: provenance",
            f"one of {', '.join(allowed)}",
            self.provenance,
        )

    @staticmethod
    def from_keras(model: Any, **options: Any) -> Target:
        """A target from a Keras model or a .keras file; see `daa.targets.adapters.keras.from_keras`."""
        return _floor_above("keras").from_keras(model, **options)

    @staticmethod
    def from_saved_model(folder: Any, **options: Any) -> Target:
        """A target from a SavedModel; see `daa.targets.adapters.saved_model.from_saved_model`."""
        return _floor_above("saved_model").from_saved_model(folder, **options)

    @staticmethod
    def from_torch(module: Any, **options: Any) -> Target:
        """A target from a PyTorch module; see `daa.targets.adapters.torch.from_torch`."""
        return _floor_above("torch").from_torch(module, **options)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Logits of images in [0, 1]. [N, H, W, C] float32 -> [N, K] float32.

        Raises:
            InputError: the network fails, or returns something else.
        """
        try:
            logits = self.network(self.bounds.to_native(x))
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise self._unusable(f"{type(error).__name__}: {error}") from error
        if not isinstance(logits, tf.Tensor):  # a sparse one would have no values to compare
            raise self._unusable(type(logits).__name__)
        fits = logits.shape.rank is None or logits.shape.is_compatible_with([None, self.classes])
        if logits.dtype != tf.float32 or not fits:
            raise self._unusable(f"{logits.dtype.name} {logits.shape}")
        return logits

    def _unusable(self, got: str) -> InputError:
        expected = f"float32 logits [N, {self.classes}] of images {list(self.image_shape)}"
        return InputError(f"{self.name}: expected {expected}, got {shown(got)[1:-1]}")

    def compiled(self, key: Any, compile: Callable[[], Any]) -> Any:
        """A graph of this target, compiled when it is first asked for under this key."""
        if key not in self._graphs:
            self._graphs[key] = compile()
        return self._graphs[key]


def _is_name(name: object) -> bool:
    """Whether a name can stand in messages, tables and figures."""
    return isinstance(name, str) and name.isprintable() and len(name) <= 255


def _floor_above(module: str) -> Any:
    """A module of `daa.targets`, which `daa` itself never imports, for the sake of a short name."""
    return importlib.import_module(f"daa.targets.adapters.{module}")


@dataclass(frozen=True)
class Dataset:
    """Images with labels, in the official order of their source.

    Args:
        name: as in `mnist/test`.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        sha256: of images and labels as their source stores them, so that a record says which data
            it used.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    sha256: str

    def __post_init__(self) -> None:
        require(_is_name(self.name), "data: name", "printable characters", self.name)
        x = as_array(self.x, f"{self.name}: images").shape
        y = as_array(self.y, f"{self.name}: labels").shape
        fits = len(x) == 4 and y == x[:1]
        require(fits, self.name, "images [N, H, W, C] and labels [N]", type(self.x).__name__)

    def __len__(self) -> int:
        return len(self.y)

    def first(self, images: int | None) -> Dataset:
        """The first `images` of the data set; all of them for None.

        Raises:
            InputError: fewer than 1, or more than there are.
        """
        if images is None:
            return self
        fits = is_whole(images) and 1 <= images <= len(self)
        expected = f"1 to {len(self)}"
        require(fits, f"{self.name}: images", expected, images)
        return Dataset(self.name, self.x[:images], self.y[:images], self.sha256)


def in_precision(target: Target, precision: Precision) -> Target:
    """The target with its network in "float32", as it is, or in "bfloat16".

    Raises:
        InputError: a target that was made without `half`.
    """
    if precision == "float32":
        return target
    if target.half is None:
        raise InputError(f"{target.name}: precision: expected float32, got {precision!r}")
    half = target.half
    return target.compiled(precision, lambda: replace(target, network=half()))


@contextmanager
def running(target: Target) -> Iterator[None]:
    """Turns what TensorFlow raises while a graph of the target runs into one line.

    Raises:
        InputError: the network fails on these images, or memory is full.
    """
    try:
        yield
    except tf.errors.OpError as error:
        raise InputError(
            f"{target.name}: expected logits and gradients of {list(target.image_shape)} images, "
            f"got {type(error).__name__}: {_last_said(str(error.message))[:200]}"
        ) from error


def _last_said(message: str) -> str:
    """What went wrong, out of a message of TensorFlow with its stack of calls."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"\w+(Error|Exception): ", line)]
    frames = ("File ", "Graph execution error", "Detected at node", "[[", "Stack trace")
    others = [line for line in lines if not line.startswith(frames)]
    return next(iter([*reversed(raised), *reversed(others)]), "no reason")


def predict(target: Target, x: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Logits of any number of images, computed in batches. [N, H, W, C] -> [N, K] float32."""

    def compile() -> Callable[[tf.Tensor], tf.Tensor]:
        return tf.function(partial(target), input_signature=[_images(target)], autograph=False)

    with running(target):
        logits = target.compiled("predict", compile)
        parts = [logits(x[part]).numpy() for part in _batches(target, x, batch_size)]
    found = np.concatenate(parts)
    # The graph of a SavedModel, for example, does not know its shape before it runs.
    fits = found.shape == (len(x), target.classes)
    require(fits, f"{target.name}: logits", f"shape {[len(x), target.classes]}", list(found.shape))
    return found


def input_gradient(
    target: Target, x: np.ndarray, y: np.ndarray, loss: str = "xent", batch_size: int = 500
) -> np.ndarray:
    """Gradient of the summed loss at some images. [N, H, W, C] -> [N, H, W, C] float32.

    Args:
        target: the classifier.
        x: images in [0, 1]. [N, H, W, C] float32.
        y: labels. [N] int64.
        loss: name of the loss.
        batch_size: images per call of the graph.
    """

    def labels() -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.int64)

    return _gradients(target, ("gradient", loss), LOSSES[loss].function, labels, x, y, batch_size)


def logits_gradient(
    target: Target, x: np.ndarray, w: np.ndarray, batch_size: int = 500
) -> np.ndarray:
    """Gradient of w . z(x), the logits weighted per image. [N, H, W, C] float32.

    Args:
        target: the classifier.
        x: images in [0, 1]. [N, H, W, C] float32.
        w: weights of the logits. [N, K] float32.
        batch_size: images per call of the graph.
    """

    def weighted(logits: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(logits * w, axis=1)

    def weights() -> tf.TensorSpec:
        return tf.TensorSpec([None, target.classes], tf.float32)

    return _gradients(target, "logits gradient", weighted, weights, x, w, batch_size)


def _gradients(
    target: Target,
    key: Any,
    loss: Callable[..., tf.Tensor],
    spec: Callable[[], tf.TensorSpec],
    x: np.ndarray,
    given: np.ndarray,
    batch_size: int,
) -> np.ndarray:
    def gradient(x: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
        return gradient_of(target, loss, x, given)[0]

    def compile() -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        return tf.function(
            partial(gradient), input_signature=[_images(target), spec()], autograph=False
        )

    with running(target):
        graph = target.compiled(key, compile)
        parts = _batches(target, x, batch_size)
        return np.concatenate([graph(x[part], given[part]).numpy() for part in parts])


def _batches(target: Target, x: np.ndarray, batch_size: int) -> Iterator[slice]:
    """Batches of so many images, or of fewer large ones, whose layers would fill the memory."""
    size = min(batch_size, max(_BATCH // (4 * math.prod(target.image_shape)), 1))
    return (slice(k, k + size) for k in range(0, len(x), size))


def gradient_of(
    target: Target, loss: Callable[..., tf.Tensor], x: tf.Tensor, *labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradient of the summed loss, the losses and the logits, as tensors of a graph.

    Args:
        target: the classifier.
        loss: (logits, *labels) -> [N].
        x: images in [0, 1]. [N, H, W, C].
        labels: what the loss takes beside the logits. [N] each.

    Returns:
        [N, H, W, C], [N], [N, K].

    Raises:
        InputError: the network has no gradient at its images.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        logits = target(x)
        losses = loss(logits, *labels)
        total = tf.reduce_sum(losses)
    grad = tape.gradient(total, x)
    if grad is None:
        raise InputError(
            f"{target.name}: expected logits with a gradient at the images, got none; something in "
            "the network has no derivative, as a constant, a cast to integers or a lookup"
        )
    grad.set_shape(x.shape)  # the graph of a SavedModel forgets the number of images
    return grad, losses, logits


def _images(target: Target) -> tf.TensorSpec:
    return tf.TensorSpec([None, *target.image_shape], tf.float32)


def as_array(given: Any, name: str) -> np.ndarray:
    """What was given as an array.

    Raises:
        InputError: it is none, as a list of lists of different lengths.
    """
    try:
        return np.asarray(given)
    except Exception as error:  # NumPy asks the object itself, which may fail in any way
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: expected an array, got {said}") from error


def check_images(
    target: Target, x: np.ndarray, y: np.ndarray, labels_name: str = "y"
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as arrays that the target can take.

    Raises:
        InputError: another rank, shape or type, a value outside [0, 1] or not a number, a label
            that is no class of the target; names the first image and pixel.
    """
    x, y = as_array(x, "x"), as_array(y, labels_name)
    fits = x.ndim == 4 and x.shape[1:] == target.image_shape and len(x) > 0
    shape = ["N >= 1", *target.image_shape]
    require(fits, "x", f"shape {shape} for {target.name}", list(x.shape))
    if x.dtype != np.float32:
        raise InputError(f"x: expected float32 images in [0, 1], got {x.dtype}")
    for part in storage.parts(x):
        outside = ~((x[part] >= 0) & (x[part] <= 1))
        if outside.any():
            k, *pixel = (int(k) for k in np.argwhere(outside)[0])
            value = float(x[part][k][tuple(pixel)])
            require(False, f"x: image {part.start + k}, pixel {tuple(pixel)}", "[0, 1]", value)
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise InputError(
            f"{labels_name}: expected {len(x)} integers, got {y.dtype} of shape {list(y.shape)}"
        )
    wrong = np.flatnonzero((y < 0) | (y >= target.classes))
    if len(wrong):
        classes = f"a class from 0 to {target.classes - 1}"
        require(False, f"{labels_name}: image {wrong[0]}", classes, int(y[wrong[0]]))
    return x, y.astype(np.int64)
