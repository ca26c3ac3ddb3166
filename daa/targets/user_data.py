"""The images of a user as a data set."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from daa import targets
from daa.attacks.components import checked
from daa.errors import InputError, require
from daa.target import Bounds, Dataset, Note, as_array
from daa.targets import files
from daa.targets.adapters.common import sha256_of_arrays
from daa.targets.adapters.layouts import DataFormat, bounds_of

LABELS = "labels.csv"


def load(
    reference: str,
    *,
    images: int | None = None,
    bounds: tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    split: str = "test",
    data_dir: str | Path | None = None,
) -> tuple[Dataset, list[Note]]:
    """Images with labels from their name, and notes about changes of the images.

    `reference` is a data set of this project, as `cifar10`; an .npz file with the arrays `x` and
    `y`, and perhaps `class_names`; or a folder of images with labels.csv, whose lines are
    `file,label`.
    """
    class_names: Any = ()
    path = Path(reference)
    if reference in targets.DATASETS:
        return targets.DATASETS[reference].load(split, data_dir, images), []
    if path.suffix == ".npz":
        arrays = files.read_npz(path)
        for name in ("x", "y"):
            require(name in arrays, str(path), f"an array {name}", ", ".join(arrays) or None)
        x, y, digest = arrays["x"], arrays["y"], files.sha256(path)
        class_names = arrays.get("class_names", ())
    elif (path / LABELS).is_file():
        x, y, digest = _pictures(path)
        data_format, bounds = None, None  # image files define their layout and range
    else:
        names = ", ".join(targets.DATASETS)
        expected = f"one of {names}, an .npz file, or a folder of images with {LABELS}"
        require(False, "data", expected, reference)
    options: dict[str, Any] = {"bounds": bounds, "data_format": data_format}
    options |= {"name": path.stem, "sha256": digest, "class_names": class_names}
    try:
        data, notes = dataset(x, y, **options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return data.first(images), notes


def dataset(
    x: Any,
    y: Any,
    *,
    name: str = "data",
    sha256: str | None = None,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    class_names: Iterable[Any] = (),
) -> tuple[Dataset, list[Note]]:
    """Arrays as a data set, and notes about changes of the images.

    Args:
        x: images; integers from 0 to 255, floats in [0, 1], or floats in `bounds`. [N, H, W, C],
            [N, C, H, W] or [N, H, W]; vectors [N, F]; volumes [N, D, H, W, C].
        y: labels; integers or one-hot. [N], [N, 1] or [N, K].
        sha256: hash of the source; None for the hash of the arrays.
        data_format: layout of x; None to find it by the position of 1 or 3 channels.
        class_names: names of the classes, in the order of the labels.
    """
    if data_format is not None:
        checked("data_format", data_format, DataFormat)
    x, y = as_array(x, "x"), as_array(y, "y")
    sha256 = sha256 or sha256_of_arrays([x, y])
    if x.ndim == 3:
        x, data_format = x[..., None], "channels_last"
    valid = x.ndim in (2, 4, 5) and x.size > 0
    require(valid, "x", "vectors, volumes or images [N >= 1, H, W, C]", list(x.shape))
    if data_format is None and x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        data_format = "channels_first"
    if data_format == "channels_first":
        x = np.moveaxis(x, 1, -1)
    x, notes = _scaled(x, bounds)
    names = tuple(map(str, class_names))
    return Dataset(name, np.ascontiguousarray(x), _labels(y, len(x)), sha256, names), notes


def of_batches(
    batches: Any, images: int | None = None, **options: Any
) -> tuple[Dataset, list[Note]]:
    """A data set from a `tf.data.Dataset`, a `DataLoader` or another iterable, and notes.

    Args:
        batches: pairs of images and labels, or of one image and its label.
        images: stop after the first `images` images; None to read all.
        options: as for `dataset`.
    """
    kind = type(batches).__name__.lstrip("_")
    x, y, count = list[np.ndarray](), list[np.ndarray](), 0
    if images is None and getattr(batches, "cardinality", lambda: 0)() == -1:
        raise InputError(f"data: the {kind} has no end; set images")
    for pair in batches:
        valid = isinstance(pair, (tuple, list)) and len(pair) == 2
        require(valid, f"data: {kind}", "pairs (images, labels)", type(pair).__name__)
        some, labels = (as_array(value, f"data: {kind}") for value in pair)
        if labels.ndim == 0:
            some, labels = some[None], labels[None]
        x.append(some)
        y.append(labels)
        same = some.shape[1:] == x[0].shape[1:] and labels.shape[1:] == y[0].shape[1:]
        require(same, f"data: {kind}", f"images of shape {x[0].shape[1:]}", some.shape[1:])
        count += len(some)
        if images is not None and count >= images:
            break
    require(count > 0, f"data: {kind}", "images", None)
    source = getattr(batches, "dataset", batches)
    names = getattr(source, "class_names", getattr(source, "classes", ()))
    names = names if isinstance(names, (list, tuple)) else ()
    arrays = np.concatenate(x), np.concatenate(y)
    data, notes = dataset(*arrays, name=kind, class_names=names, **options)
    read = Note("data-read", f"{count:,} images were read from the {kind}.")
    return data.first(images), [read, *notes]


def _scaled(
    x: np.ndarray, bounds: Bounds | tuple[float, float] | None
) -> tuple[np.ndarray, list[Note]]:
    """Images in [0, 1], and notes about changes."""
    if x.dtype == np.uint8:
        return x.astype(np.float32) / np.float32(255), []
    if x.dtype.kind not in "fiu":
        raise InputError(f"x: expected uint8 or floats, got {x.dtype}")
    if not np.isfinite(x).all():
        image = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(f"x: image {image}: expected finite numbers, got nan or inf")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    notes: list[Note] = []
    lowest, highest, limits = float(x.min()), float(x.max()), bounds_of(bounds, "x")
    if highest > 1 + 1e-3 or lowest < -1e-3:
        if bounds is None and lowest >= 0 and 1.5 < highest <= 255:
            limits = Bounds(0.0, 255.0)
            message = f"The images reach {highest:g}; their values were divided by 255."
            notes.append(Note("images-rescaled", message))
        span = limits.upper - limits.lower
        near = limits.lower - span <= lowest and highest <= limits.upper + span
        expected = f"values from {limits.lower:g} to {limits.upper:g} (bounds)"
        require(near, "x", expected, [round(lowest, 4), round(highest, 4)])
        x = limits.from_native(x)
    outside = int(((x < 0) | (x > 1)).reshape(len(x), -1).any(axis=1).sum())
    if outside:
        message = (
            f"{outside:,} of {len(x):,} images had pixels outside the range from {limits.lower:g} "
            f"to {limits.upper:g}; those pixels were clipped."
        )
        notes.append(Note("images-outside-range", message))
    return np.clip(x, 0, 1), notes


def _labels(y: np.ndarray, images: int) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    if y.dtype.kind in "bf" and (y == np.round(y)).all():
        y = y.astype(np.int64)
    valid, got = y.shape == (images,) and y.dtype.kind in "iu", f"{y.dtype} of shape {y.shape}"
    require(valid, "y", f"{images} whole numbers, one for each image", got)
    require(y.min() >= 0, "y", "labels from 0 on", int(y.min()))
    require(y.max() < 2**31, "y", f"labels below {2**31}", int(y.max()))
    return y.astype(np.int64)


def _pictures(folder: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Images in the order of labels.csv, their labels, and the hash of both."""
    from PIL import Image

    table = folder / LABELS
    rows = files.read_labels(table)
    digest = hashlib.sha256(table.read_bytes())
    x = []
    for name, _ in rows:
        path = folder / name
        content = files.read_bytes(path, "an image")
        digest.update(content)
        with files.reading(path, "an image"), Image.open(io.BytesIO(content)) as picture:
            grey = picture.mode in ("1", "L")
            require(not picture.mode.startswith(("I", "F")), str(path), "8 bits", picture.mode)
            x.append(np.asarray(picture.convert("L" if grey else "RGB")))
        same = x[-1].shape == x[0].shape
        require(same, str(path), f"an image of shape {list(x[0].shape)}", list(x[-1].shape))
    return np.stack(x), np.array([label for _, label in rows]), digest.hexdigest()
