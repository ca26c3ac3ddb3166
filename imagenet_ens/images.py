"""ImageNet validation images with slim's preprocessing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from daa import Dataset, InputError, memory
from daa.errors import require
from daa.targets import files
from daa.tensorflow import tf
from imagenet_ens.model import SIZE

_CENTRAL = 0.875
_JPEG = b"\xff\xd8\xff"
_PIXELS = 10**8


def imagenet(folder: Path, images: int | None = None) -> Dataset:
    """Validation images from a folder with their labels.csv.

    The file labels.csv starts with the line `file,label`. Each further line names one image and its
    class, 0 to 999. The labels are shifted to 1..1000, as the networks' class 0 is the background.

    Args:
        folder: of the images and labels.csv.
        images: read the first ones only; None for all. All 50,000 take 50 GiB, those of an attack
            250 GiB of memory, or 200 GiB of disk where there is less.

    Returns:
        Images [N, 299, 299, 3], which lie on disk where memory is too small for an attack on them.

    Raises:
        InputError: a missing or damaged file, a label beyond 0..999, fewer images than asked for.
    """
    rows = _labels(folder / "labels.csv")
    if images is not None:
        if not 1 <= images <= len(rows):
            raise InputError(f"{folder}: images: expected 1 to {len(rows)}, got {images}")
        rows = rows[:images]
    x = memory.empty((len(rows), SIZE, SIZE, 3))
    digest = hashlib.sha256()
    for i, (name, label) in enumerate(rows):
        content = _content(folder, name)
        digest.update(content + str(label).encode())
        x[i] = preprocess(content, folder / name)
    y = np.array([label + 1 for _, label in rows], np.int64)
    return Dataset("imagenet/validation", x, y, digest.hexdigest())


def _labels(path: Path) -> list[tuple[str, int]]:
    rows = files.read_csv(path, "a file of labels")
    fits = len(rows) > 1 and rows[0] == ["file", "label"]
    found = ",".join(rows[0]) if rows else "an empty file"
    require(fits, str(path), "the line file,label and rows after it", found)
    for number, row in enumerate(rows[1:], start=2):
        fits = len(row) == 2 and re.fullmatch(r"\d{1,3}", row[1], re.ASCII) is not None
        require(fits, f"{path}: line {number}", "a file and a class from 0 to 999", row)
    return [(name, int(label)) for name, label in rows[1:]]


def _content(folder: Path, name: str) -> bytes:
    fits = Path(name).name == name
    require(fits, f"{folder}/labels.csv", "file names without folders", name)
    return files.read_bytes(folder / name, "an image")


def preprocess(content: bytes, where: str | Path) -> np.ndarray:
    """Decodes an image, crops its central 87.5 % and resizes that to 299 x 299, bilinear.

    Args:
        content: of a JPEG file.
        where: the file, for messages.

    Returns:
        [299, 299, 3] float32 in [0, 1]; the target maps it to [-1, 1].

    Raises:
        InputError: not a JPEG file, a damaged one, or one of more than 100 million pixels.

    Source: tensorflow/models, slim/preprocessing/inception_preprocessing.py, preprocess_for_eval;
    TensorFlow 1's resize, which does not align pixel centres.
    """
    # TensorFlow would decode PNG and GIF files, too, of which nobody knows how they were made.
    if content[:3] != _JPEG:
        raise InputError(
            f"{where}: expected a whole JPEG file, got one that begins with {content[:4]!r}"
        )
    try:
        height, width, _ = tf.io.extract_jpeg_shape(content).numpy().tolist()
        require(
            height * width <= _PIXELS, str(where), f"at most {_PIXELS:,} pixels", height * width
        )
        image = tf.io.decode_jpeg(content, channels=3)
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{where}: expected a whole JPEG file, got one that is not") from error
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.central_crop(image, _CENTRAL)
    image = tf.compat.v1.image.resize_bilinear(image[None], [SIZE, SIZE], align_corners=False)
    return np.clip(image[0].numpy(), 0, 1)
