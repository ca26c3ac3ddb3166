"""Images of a user as a data set: arrays, .npz files, folders of images."""

import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from daa import InputError
from daa.targets import user_data

DIGITS = tiny.load_dataset("test").first(5)
BYTES = np.rint(255 * DIGITS.x).astype(np.uint8)


@pytest.mark.parametrize(
    ("x", "y", "options"),
    [
        (BYTES, DIGITS.y, {}),
        (BYTES[..., 0], DIGITS.y[:, None], {}),
        (BYTES, DIGITS.y.astype(float), {}),
        (BYTES.transpose(0, 3, 1, 2), np.eye(10)[DIGITS.y], {"data_format": "channels_first"}),
        (np.rint(255 * DIGITS.x), DIGITS.y, {"bounds": (0, 255)}),
        (BYTES / 127.5 - 1, DIGITS.y, {"bounds": (-1, 1)}),
    ],
)
def test_arrays_of_all_layouts_and_ranges_are_the_same_images(x, y, options):
    data, notes = user_data.dataset(x, y, **options)
    np.testing.assert_allclose(data.x, BYTES / 255, atol=1e-6)
    np.testing.assert_array_equal(data.y, DIGITS.y)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int64)
    assert notes == []


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 0, 0, 1)), [0], r"volumes or images \[N >= 1, H, W, C\], got"),
        (np.full((1, 2, 2, 1), 1e300), [0], "x: expected values from 0 to 1"),
        (np.full((1, 2, 2, 1), "a"), [0], "x: expected uint8 or floats, got <U1"),
        (np.zeros((1, 2, 2, 1)), np.array([2**63], np.uint64), "y: expected labels below"),
        (np.zeros((1, 2, 2, 1)), ["a"], "y: expected 1 "),
        (np.zeros((1, 2, 2, 1)), [2**70], "y: expected 1 "),
        (np.zeros((1, 2, 2, 1)), [[0.5, 0.5]], "y: expected 1 "),
        (np.zeros((1, 2, 2, 1)), [0.5], "y: expected 1 "),
        (np.zeros((1, 2, 2, 1)), [np.inf], "y: expected labels"),
    ],
)
def test_unusable_arrays_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        user_data.dataset(x, y)


class Loader:
    """As a DataLoader: batches of tensors, and a `dataset` with `classes`."""

    dataset = SimpleNamespace(classes=["zero", "one"])

    def __iter__(self):
        return iter([(BYTES[:3], DIGITS.y[:3]), [BYTES[3:], list(DIGITS.y[3:])]])


PAIRS = tf.data.Dataset.from_tensor_slices((BYTES, DIGITS.y))


@pytest.mark.parametrize(
    ("batches", "images", "read"),
    [
        (PAIRS, None, 5),
        (PAIRS.batch(2), None, 5),
        (PAIRS.repeat().batch(2), 3, 4),
        (Loader(), None, 5),
        (Loader(), 2, 3),
        ([(BYTES, DIGITS.y)], None, 5),
    ],
)
def test_batches_are_read_to_the_end_or_to_the_last_image(batches, images, read):
    data, notes = user_data.of_batches(batches, images)
    np.testing.assert_allclose(data.x, BYTES[:images] / 255, atol=1e-6)
    np.testing.assert_array_equal(data.y, DIGITS.y[:images])
    assert notes[0].message.startswith(f"{read} images were read from the ")
    assert data.class_names == (("zero", "one") if isinstance(batches, Loader) else ())


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (PAIRS.repeat(), "has no end; set images"),
        ([], "data: list: expected images, got None"),
        (BYTES, r"data: ndarray: expected pairs \(images, labels\), got 'ndarray'"),
        ([(BYTES, 0), (BYTES[:, 1:], 0)], r"data: list: expected images of shape \(5, 8"),
    ],
)
def test_unusable_batches_are_refused(batches, message):
    with pytest.raises(InputError, match=message):
        user_data.of_batches(batches)


def test_class_names_of_a_file(tmp_path):
    np.savez(tmp_path / "d.npz", x=BYTES, y=DIGITS.y, class_names=["cat", "dog"])
    data, _ = user_data.load(str(tmp_path / "d.npz"), images=3)
    assert [data.label(k) for k in (0, 1, 2)] == ["0 cat", "1 dog", "2"]


@pytest.fixture
def folder(tmp_path):
    """A folder of images with labels."""
    lines = ["file,label"]
    for k, image in enumerate(BYTES):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png,{DIGITS.y[k]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def test_a_folder_of_images_is_read(folder):
    data, notes = user_data.load(str(folder))
    np.testing.assert_allclose(data.x, BYTES / 255, atol=1e-6)
    np.testing.assert_array_equal(data.y, DIGITS.y)
    assert notes == []


def too_large(image):
    """A PNG that claims to have 65,536 x 65,536 pixels."""
    changed = bytearray(image)
    changed[16:24] = b"\x00\x01\x00\x00" * 2
    changed[29:33] = zlib.crc32(changed[12:29]).to_bytes(4, "big")
    return changed


@pytest.mark.parametrize(
    "damage", [too_large, lambda image: image[:40], lambda image: image[:-30], lambda image: b""]
)
def test_damaged_images_are_named(folder, damage):
    image = folder / "3.png"
    image.write_bytes(damage(image.read_bytes()))
    with pytest.raises(InputError, match=r"3\.png: expected an image, got"):
        user_data.load(str(folder))


@pytest.mark.parametrize("line", ["a,-1", "a,1.5", "a,\u0661", f"a,{'9' * 5000}", "", "a"])
def test_wrong_labels_are_refused(folder, line):
    (folder / "labels.csv").write_text(f"file,label\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"labels\.csv: expected lines file,label"):
        user_data.load(str(folder))
