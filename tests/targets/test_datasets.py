"""MNIST, Fashion-MNIST and CIFAR-10 from their official files."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from daa import InputError
from daa.targets import DATASETS, datasets

real = pytest.mark.real
needs_data = pytest.mark.skipif("DAA_DATA" not in os.environ, reason="DAA_DATA is not set")


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A tiny data set in the format of MNIST's official files."""
    (tmp_path / "mnist").mkdir()
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    write(tmp_path, "images-idx3", idx(images))
    write(tmp_path, "labels-idx1", idx(np.array([7, 0, 9])))
    return tmp_path


def write(folder: Path, kind: str, content: bytes) -> None:
    path = folder / "mnist" / f"t10k-{kind}-ubyte.gz"
    path.write_bytes(gzip.compress(content))


@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_images_are_scaled_to_one(folder):
    loaded = DATASETS["mnist"].load("test", folder)
    assert loaded.x.shape == (3, 28, 28, 1)
    assert (loaded.x.dtype, loaded.y.dtype) == (np.float32, np.int64)
    assert loaded.x[0, 0, 5, 0] == np.float32(5 / 255)
    np.testing.assert_array_equal(loaded.y, [7, 0, 9])
    np.testing.assert_array_equal(DATASETS["mnist"].load("test", folder, images=2).y, [7, 0])
    with pytest.raises(InputError, match="mnist/test: images: expected 1 to 3, got 4"):
        DATASETS["mnist"].load("test", folder, images=4)
    with pytest.raises(InputError, match=r"expected the file, got none; .* daa fetch mnist"):
        DATASETS["mnist"].load("train", folder)
    with pytest.raises(InputError, match="split: expected train or test, got 'val'"):
        DATASETS["mnist"].load("val", folder)


def test_the_first_500_test_images_of_mnist_need_no_files(tmp_path):
    loaded = DATASETS["mnist"].load("test", tmp_path, images=500)
    assert loaded.x.shape == (500, 28, 28, 1)
    assert loaded.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert len(DATASETS["mnist"].load("test", tmp_path, images=3)) == 3
    for split, images in [("test", 501), ("test", None), ("train", 1)]:
        with pytest.raises(InputError, match="expected the file, got none; set DAA_DATA"):
            DATASETS["mnist"].load(split, tmp_path, images=images)


@real
@needs_data
@pytest.mark.filterwarnings("error")
def test_the_first_images_are_those_of_the_official_files(tmp_path):
    embedded = DATASETS["mnist"].load("test", tmp_path, images=500)
    official = DATASETS["mnist"].load("test", images=500)
    np.testing.assert_array_equal(embedded.x, official.x)
    np.testing.assert_array_equal(embedded.y, official.y)
    assert (embedded.name, embedded.sha256) == (official.name, official.sha256)


@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_files_that_are_there_are_read_instead_of_the_first_images(folder):
    assert DATASETS["mnist"].load("test", folder, images=3).y.tolist() == [7, 0, 9]
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    message = r"t10k-labels-idx1-ubyte\.gz: expected the file, got none"
    with pytest.raises(InputError, match=message):
        DATASETS["mnist"].load("test", folder, images=3)


@pytest.mark.filterwarnings("ignore:.*not the official file")
@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("images-idx3", b"PK\3\4 not idx", "expected idx magic 00000803, got 504b0304"),
        ("images-idx3", bytes([0, 0, 8, 3, 0, 0]), "expected a header of 16 bytes, got 6"),
        ("images-idx3", idx(np.zeros((3, 28, 28)))[:-5], "expected 2368 bytes .* got 2363"),
        ("labels-idx1", idx(np.zeros(2)), "expected one label per image, got '3 images and 2"),
        ("labels-idx1", idx(np.array([1, 2, 10])), "labels: expected 0 to 9, got 10"),
    ],
)
def test_damaged_files_are_named(folder, kind, content, message):
    write(folder, kind, content)
    with pytest.raises(InputError, match=message):
        DATASETS["mnist"].load("test", folder)


@pytest.fixture
def cifar(tmp_path):
    """Two records of CIFAR-10, labels 3 and 9."""
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    path.parent.mkdir()
    path.write_bytes(bytes([3]) + bytes(3072) + bytes([9]) + bytes(3072))
    return path


def test_cifar10_pixels_are_bytes_over_255_in_rows_and_columns(cifar, monkeypatch, recwarn):
    planes = np.zeros((3, 32, 32), np.uint8)
    planes[1, 2, 3], planes[0, 7, 20], planes[2, 31, 0] = 255, 100, 7
    cifar.write_bytes(bytes([4]) + bytes(3072) + bytes([8]) + planes.tobytes())
    with pytest.warns(UserWarning, match="an incomplete copy, 2 of 10,000 test images"):
        loaded = DATASETS["cifar10"].load("test", cifar.parent.parent)
    monkeypatch.setitem(datasets._CIFAR_IMAGES, "test", 2)
    assert len(DATASETS["cifar10"].load("test", cifar.parent.parent)) == 2 and not recwarn
    np.testing.assert_array_equal(loaded.y, [4, 8])
    assert not loaded.x[0].any()
    expected = np.zeros((32, 32, 3), np.float32)
    expected[2, 3, 1], expected[7, 20, 0] = 1, np.float32(100) / np.float32(255)
    expected[31, 0, 2] = np.float32(7) / np.float32(255)
    np.testing.assert_array_equal(loaded.x[1], expected)
    assert (loaded.x.dtype, loaded.y.dtype) == (np.float32, np.int64)
    assert loaded.x.flags.c_contiguous
    assert loaded.name == "cifar10/test"
    assert loaded.sha256 == hashlib.sha256(cifar.read_bytes()).hexdigest()


def test_cifar10s_training_set_is_five_files_in_order(cifar):
    contents = [bytes([k]) + bytes([k]) * 3072 for k in range(1, 6)]
    for k in (3, 1, 5, 2, 4):
        (cifar.parent / f"data_batch_{k}.bin").write_bytes(contents[k - 1])
    with pytest.warns(UserWarning, match="an incomplete copy, 5 of 50,000 train images"):
        loaded = DATASETS["cifar10"].load("train", cifar.parent.parent)
    np.testing.assert_array_equal(loaded.y, [1, 2, 3, 4, 5])
    np.testing.assert_allclose(loaded.x[:, 0, 0, 0], np.arange(1, 6) / 255, rtol=1e-6)
    assert loaded.sha256 == hashlib.sha256(b"".join(contents)).hexdigest()
    (cifar.parent / "data_batch_2.bin").unlink()
    with pytest.warns(UserWarning, match="an incomplete copy, 4 of 50,000 train images"):
        loaded = DATASETS["cifar10"].load("train", cifar.parent.parent, images=3)
    np.testing.assert_array_equal(loaded.y, [1, 3, 4])


def test_an_unpacked_file_is_preferred(folder):
    path = folder / "mnist" / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx(np.array([1, 2, 3])))
    with pytest.warns(UserWarning, match="not the official file"):
        loaded = DATASETS["mnist"].load("test", folder)
    np.testing.assert_array_equal(loaded.y, [1, 2, 3])
    images = gzip.decompress((folder / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert loaded.sha256 == hashlib.sha256(images + path.read_bytes()).hexdigest()


def test_damaged_cifar10_files_are_named(cifar):
    folder, content = cifar.parent.parent, cifar.read_bytes()
    cifar.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"expected records of 3073 bytes, got 6145"):
        DATASETS["cifar10"].load("test", folder)
    cifar.write_bytes(bytes([10]) + content[1:])
    with pytest.raises(InputError, match="labels: expected 0 to 9, got 10"):
        DATASETS["cifar10"].load("test", folder)
    with pytest.raises(InputError, match=r"data_batch_1.bin: expected the file, .* fetch cifar10"):
        DATASETS["cifar10"].load("train", folder)


@real
@needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.filterwarnings("error")
def test_the_official_files_are_recognised(name):
    loaded = DATASETS[name].load("test")
    assert loaded.x.shape == (10000, 28, 28, 1)
    assert np.bincount(loaded.y).min() > 890
    assert loaded.name == f"{name}/test"
