"""Classifiers under attack, the pixel ranges of their inputs, and images with labels.

Common arguments:

    x: images in [0, 1]. [N, H, W, C] float32; or vectors [N, F], or volumes [N, D, H, W, C].
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from daa import memory
from daa.errors import InputError, is_number, is_whole, plain, require, shown
from daa.tensorflow import tf

# Bytes of images that go through a network at once; more would fill the memory with activations.
_BATCH = 1 << 26

# The shapes of one image.
SHAPES = "(H, W, C), (F,) or (D, H, W, C)"
Provenance = Literal["original", "third-party", "surrogate", "own"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Bounds:
    """The range of pixel values that a network expects."""

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        ok = is_number(self.lower) and is_number(self.upper) and self.lower < self.upper
        require(ok, "bounds", "two numbers, the lower one first", (self.lower, self.upper))
        self.__dict__.update(lower=plain(self.lower), upper=plain(self.upper))

    def to_native(self, x: Any) -> Any:
        """Maps images in [0, 1] to the network's pixel range."""
        if (self.lower, self.upper) == (0.0, 1.0):
            return x
        return self.lower + (self.upper - self.lower) * x

    def from_native(self, pixels: np.ndarray) -> np.ndarray:
        """Maps pixels in the network's range to float32 images in [0, 1]."""
        span = np.float32(self.upper - self.lower)
        return (pixels.astype(np.float32) - np.float32(self.lower)) / span


class NoteWarning(UserWarning):
    """The warning that shows a `Note` to the user."""


@dataclass(frozen=True)
class Note:
    """A change to a model before the attack; `code` is stable, as in "softmax-removed"."""

    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Target:
    """A classifier of images in [0, 1].

    Args:
        name: `folder/name`, as in `madry_mnist/secret`.
        network: native pixels [N, H, W, C] float32 -> logits [N, K] float32.
        image_shape: (H, W, C), (F,) for vectors or (D, H, W, C) for volumes.
        classes: number of classes, K.
        bounds: native range onto which [0, 1] is mapped. The chain rule then gives the factors
            (255 for CIFAR10) that the released scripts write by hand.
        provenance: source of the weights: "original" (the paper's), "third-party" (another
            author's network), "surrogate" (the paper's architecture, trained by this project) or
            "own" (a network of this project or of the user).
        weights_sha256: hash of the weight file.
        half: makes the same network in bfloat16, for gradients.
        notes: changes to the user's model.
        xla: whether XLA can compile the network.
        options: the user's options that decide the logits, such as the bounds and the signature.
    """

    name: str
    network: Callable[[tf.Tensor], tf.Tensor]
    image_shape: tuple[int, ...]
    classes: int
    bounds: Bounds = Bounds()
    provenance: Provenance = "own"
    weights_sha256: str | None = None
    half: Callable[[], Callable[[tf.Tensor], tf.Tensor]] | None = None
    notes: tuple[Note, ...] = ()
    xla: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    _graphs: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        ok = _is_name(self.name) and bool(self.name)
        require(ok, "target: name", "one line of printable characters", self.name)
        shape = self.image_shape
        ok = isinstance(shape, tuple) and is_shape(shape)
        require(ok, f"{self.name}: image_shape", f"{SHAPES}, whole numbers >= 1", shape)
        ok = is_whole(self.classes) and self.classes >= 2
        require(ok, f"{self.name}: classes", "a whole number >= 2", self.classes)
        self.__dict__.update(image_shape=tuple(map(plain, shape)), classes=plain(self.classes))
        require(callable(self.network), f"{self.name}: network", "a function", self.network)
        allowed = get_args(Provenance)
        expected = f"one of {', '.join(allowed)}"
        require(self.provenance in allowed, f"{self.name}: provenance", expected, self.provenance)

    @staticmethod
    def from_keras(model: Any, **options: Any) -> Target:
        """See `daa.targets.adapters.keras.from_keras`."""
        return _adapter("keras").from_keras(model, **options)

    @staticmethod
    def from_saved_model(folder: Any, **options: Any) -> Target:
        """See `daa.targets.adapters.saved_model.from_saved_model`."""
        return _adapter("saved_model").from_saved_model(folder, **options)

    @staticmethod
    def from_torch(module: Any, **options: Any) -> Target:
        """See `daa.targets.adapters.torch.from_torch`."""
        return _adapter("torch").from_torch(module, **options)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Logits of images in [0, 1]. [N, H, W, C] float32 -> [N, K] float32.

        Raises:
            InputError: the network fails, or its output is not [N, K] float32.
        """
        try:
            logits = self.network(self.bounds.to_native(tf.convert_to_tensor(x)))
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise self._unusable(f"{type(error).__name__}: {error}") from error
        if not isinstance(logits, tf.Tensor):  # a sparse tensor, for example
            raise self._unusable(type(logits).__name__)
        ok = logits.shape.rank is None or logits.shape.is_compatible_with([None, self.classes])
        if logits.dtype != tf.float32 or not ok:
            raise self._unusable(f"{logits.dtype.name} {logits.shape}")
        return logits

    def _unusable(self, got: str) -> InputError:
        expected = f"float32 logits [N, {self.classes}] of images {list(self.image_shape)}"
        return InputError(f"{self.name}: expected {expected}, got {shown(got)[1:-1]}")

    def compiled(self, key: Any, compile: Callable[[], Any]) -> Any:
        """A graph of this target, compiled at the first call with this key."""
        if key not in self._graphs:
            self._graphs[key] = compile()
        return self._graphs[key]


def is_shape(sizes: Sequence[Any], least: int = 1) -> bool:
    """Whether sizes are those of a vector, an image or a volume, `SHAPES`."""
    return len(sizes) in (1, 3, 4) and all(is_whole(size) and size >= least for size in sizes)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= 255


def _adapter(name: str) -> Any:
    # Adapters import this module, so it loads them when a user calls them.
    return importlib.import_module(f"daa.targets.adapters.{name}")


@dataclass(frozen=True)
class Dataset:
    """Images with labels, in the official order of their source.

    Args:
        name: as in `mnist/test`.
        x: images. [N, H, W, C] float32 in [0, 1].
        y: labels. [N] int64.
        sha256: hash of images and labels as their source stores them.
        class_names: names of the classes in figures; may be empty.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    sha256: str
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(_is_name(self.name), "data: name", "printable characters", self.name)
        x = as_array(self.x, f"{self.name}: images").shape
        y = as_array(self.y, f"{self.name}: labels").shape
        ok = is_shape(x[1:], least=0) and y == x[:1]
        require(ok, self.name, "images [N, H, W, C] and labels [N]", type(self.x).__name__)

    def __len__(self) -> int:
        return len(self.y)

    def first(self, images: int | None) -> Dataset:
        """The first images of the data set; all of them for None."""
        if images is None:
            return self
        ok = is_whole(images) and 1 <= images <= len(self)
        require(ok, f"{self.name}: images", f"1 to {len(self)}", images)
        return replace(self, x=self.x[:images], y=self.y[:images])

    def label(self, k: int) -> str:
        """The number of a class, and its name if there is one."""
        return f"{k} {self.class_names[k]}" if k < len(self.class_names) else str(k)

    def after(self, skip: int) -> Dataset:
        """The data set without its first `skip` images, with another name."""
        require(skip < len(self), f"{self.name}: skip", f"0 to {len(self) - 1}", skip)
        name = f"{self.name} from image {skip}" if skip else self.name
        return replace(self, name=name, x=self.x[skip:], y=self.y[skip:])


def in_precision(target: Target, precision: Precision) -> Target:
    """The target with its network in "float32" (unchanged) or in "bfloat16".

    Raises:
        InputError: bfloat16 of a target without `half`.
    """
    if precision == "float32":
        return target
    if target.half is None:
        raise InputError(f"{target.name}: precision: expected float32, got {precision!r}")
    half = target.half
    return target.compiled(precision, lambda: replace(target, network=half()))


@contextmanager
def running(target: Target) -> Iterator[None]:
    """Turns errors of TensorFlow inside a graph of the target into an InputError of one line."""
    try:
        yield
    except tf.errors.OpError as error:
        raise InputError(
            f"{target.name}: expected logits and gradients of {list(target.image_shape)} images, "
            f"got {type(error).__name__}: {_reason(str(error.message))[:200]}"
        ) from error


def _reason(message: str) -> str:
    # TensorFlow adds a stack trace to the message.
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"\w+(Error|Exception): ", line)]
    trace = ("File ", "Graph execution error", "Detected at node", "[[", "Stack trace")
    rest = [line for line in lines if not line.startswith(trace)]
    return next(iter([*reversed(raised), *reversed(rest)]), "no reason")


def predict(target: Target, x: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Logits of any number of images, computed in batches. [N, H, W, C] -> [N, K] float32."""
    spec = [_images(target)]
    with running(target):
        graph = target.compiled(
            "predict", lambda: tf.function(partial(target), input_signature=spec, autograph=False)
        )
        batches = [graph(x[batch]).numpy() for batch in _batches(target, x, batch_size)]
    logits = np.concatenate(batches)
    # A SavedModel may hide the shape of its logits until it runs.
    ok = logits.shape == (len(x), target.classes)
    require(ok, f"{target.name}: logits", f"shape {[len(x), target.classes]}", list(logits.shape))
    return logits


def input_gradient(
    target: Target, x: np.ndarray, labels: np.ndarray, loss: Callable[..., tf.Tensor]
) -> np.ndarray:
    """Gradient of a summed loss with respect to images. [N, H, W, C] float32.

    Args:
        labels: second argument of the loss. [N, ...].
        loss: (logits [N, K], labels) -> [N]. Each function is compiled once per target.
    """
    spec = [_images(target), tf.TensorSpec([None, *labels.shape[1:]], labels.dtype)]
    with running(target):
        graph = target.compiled(
            (loss, labels.dtype.name),
            # TensorFlow warns of many graphs of a function, but not of a partial.
            lambda: tf.function(
                partial(gradient_of, target, loss), input_signature=spec, autograph=False
            ),
        )
        batches = _batches(target, x)
        return np.concatenate([graph(x[batch], labels[batch])[0].numpy() for batch in batches])


def logits_gradient(target: Target, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Gradient of w . z(x), the logits with weights w [N, K] float32. [N, H, W, C] float32."""
    return input_gradient(target, x, w, _weighted)


def _weighted(logits: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(logits * w, axis=1)


def _batches(target: Target, x: np.ndarray, batch_size: int = 500) -> Iterator[slice]:
    size = min(batch_size, max(_BATCH // (4 * math.prod(target.image_shape)), 1))
    return (slice(k, k + size) for k in range(0, len(x), size))


def gradient_of(
    target: Target, loss: Callable[..., tf.Tensor], x: tf.Tensor, *labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradient of the summed loss, losses and logits, as tensors of a graph.

    Args:
        loss: (logits, *labels) -> [N].
        labels: further arguments of the loss. [N, ...] each.

    Returns:
        [N, H, W, C], [N], [N, K].

    Raises:
        InputError: the logits have no gradient at the images.
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
    grad = tf.convert_to_tensor(grad)  # tf.gather gives slices
    grad.set_shape(x.shape)  # a SavedModel may hide the number of images
    return grad, losses, logits


def _images(target: Target) -> tf.TensorSpec:
    return tf.TensorSpec([None, *target.image_shape], tf.float32)


def as_array(value: Any, name: str) -> np.ndarray:
    """A value as an array; InputError if NumPy cannot convert it, as lists of several lengths."""
    try:
        return np.asarray(value)
    except Exception as error:  # the object's own conversion may raise anything
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: expected an array, got {reason}") from error


def check_images(
    target: Target, x: np.ndarray, y: np.ndarray, labels_name: str = "y"
) -> tuple[np.ndarray, np.ndarray]:
    """Checks images and labels for a target; returns them as arrays, labels as int64.

    Raises:
        InputError: wrong rank, shape or type, a value outside [0, 1], NaN, or a label that is no
            class of the target; names the first image and pixel.
    """
    x, y = as_array(x, "x"), as_array(y, labels_name)
    ok = x.shape[1:] == target.image_shape and len(x) > 0
    shape = ["N >= 1", *target.image_shape]
    require(ok, "x", f"shape {shape} for {target.name}", list(x.shape))
    if x.dtype != np.float32:
        raise InputError(f"x: expected float32 images in [0, 1], got {x.dtype}")
    for part in memory.parts(x):
        outside = ~((x[part] >= 0) & (x[part] <= 1))
        if outside.any():
            k, *pixel = (int(k) for k in np.argwhere(outside)[0])
            where = f"x: image {part.start + k}, pixel {tuple(pixel)}"
            require(False, where, "[0, 1]", float(x[part][k][tuple(pixel)]))
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        got = f"{y.dtype} of shape {list(y.shape)}"
        raise InputError(f"{labels_name}: expected {len(x)} integers, got {got}")
    wrong = np.flatnonzero((y < 0) | (y >= target.classes))
    if len(wrong):
        classes = f"a class from 0 to {target.classes - 1}"
        require(False, f"{labels_name}: image {wrong[0]}", classes, int(y[wrong[0]]))
    return x, y.astype(np.int64)
