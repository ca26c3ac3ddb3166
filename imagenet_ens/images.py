"""ImageNet validation images with slim's preprocessing."""

import hashlib
from pathlib import Path

import numpy as np

from daa import Dataset, memory
from daa.errors import require
from daa.targets import files
from daa.tensorflow import tf
from imagenet_ens.model import SIZE


def imagenet(folder: Path, images: int | None = None) -> Dataset:
    """Validation images from a folder with a file labels.csv.

    Each line of labels.csv has an image and its class, 0 to 999. The labels become 1..1000, as
    class 0 of the networks is the background.

    All 50,000 images take 50 GiB. An attack on them takes 250 GiB of memory, or 200 GiB of disk if
    there is less memory; then the images are in a file.
    """
    table = folder / "labels.csv"
    rows = files.read_labels(table)[:images]
    for name, label in rows:
        require(Path(name).name == name, str(table), "file names without folders", name)
        require(label <= 999, str(table), "classes from 0 to 999", label)
    x = memory.empty((len(rows), SIZE, SIZE, 3))
    digest = hashlib.sha256()
    for i, (name, label) in enumerate(rows):
        content = files.read_bytes(folder / name, "an image")
        digest.update(content + str(label).encode())
        x[i] = preprocess(content, folder / name)
    y = np.array([label + 1 for _, label in rows], np.int64)
    return Dataset("imagenet/validation", x, y, digest.hexdigest())


def preprocess(content: bytes, path: str | Path) -> np.ndarray:
    """Decodes a JPEG file, crops its central 87.5 % and resizes it to 299 x 299, bilinear.

    Returns [299, 299, 3] float32 in [0, 1]; the target maps it to [-1, 1].

    Source: tensorflow/models, slim/preprocessing/inception_preprocessing.py, preprocess_for_eval;
    TensorFlow 1's resize, which does not align pixel centres.
    """
    expected = "a complete JPEG file"
    # TensorFlow would also decode PNG and GIF files, which are not ImageNet's.
    require(content[:3] == b"\xff\xd8\xff", str(path), expected, content[:4])
    with files.reading(path, expected):
        image = tf.io.decode_jpeg(content, channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.central_crop(image, 0.875)
    image = tf.compat.v1.image.resize_bilinear(image[None], [SIZE, SIZE], align_corners=False)
    return np.clip(image[0].numpy(), 0, 1)
