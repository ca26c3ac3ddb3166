import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from daa import InputError
from daa.targets import DATASETS, places

real = pytest.mark.real
needs_data = pytest.mark.skipif("DAA_DATA" not in os.environ, reason="DAA_DATA is not set")


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A tiny data set in MNIST's files, packed as the official ones."""
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
    found = DATASETS["mnist"].load("test", folder)
    assert found.x.shape == (3, 28, 28, 1)
    assert (found.x.dtype, found.y.dtype) == (np.float32, np.int64)
    assert found.x[0, 0, 5, 0] == np.float32(5 / 255)
    np.testing.assert_array_equal(found.y, [7, 0, 9])
    np.testing.assert_array_equal(DATASETS["mnist"].load("test", folder, images=2).y, [7, 0])
    with pytest.raises(InputError, match="mnist/test: images: expected 1 to 3, got 4"):
        DATASETS["mnist"].load("test", folder, images=4)


def test_another_file_than_the_official_one_is_said(folder):
    with pytest.warns(UserWarning, match="not the official file of mnist"):
        DATASETS["mnist"].load("test", folder)


@pytest.mark.filterwarnings("ignore:.*not the official file")
@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("images-idx3", b"PK\3\4 not idx", "expected idx magic 00000803, got 504b0304"),
        ("images-idx3", bytes([0, 0, 8, 3, 0, 0]), "expected a header of 16 bytes, got 6"),
        ("images-idx3", idx(np.zeros((3, 28, 28)))[:-5], "expected 2368 bytes .* got 2363"),
        ("labels-idx1", idx(np.zeros(2)), "expected one label per image, got 3 images and 2"),
        ("labels-idx1", idx(np.array([1, 2, 10])), "labels: expected 0 to 9, got 10"),
    ],
)
def test_damaged_files_are_named(folder, kind, content, message):
    write(folder, kind, content)
    with pytest.raises(InputError, match=message):
        DATASETS["mnist"].load("test", folder)


def test_a_truncated_archive_and_a_missing_file(folder):
    path = folder / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="expected a whole gzip file"):
        DATASETS["mnist"].load("test", folder)
    with pytest.raises(
        InputError, match=r"expected the file, got none; set DAA_DATA .* daa fetch mnist"
    ):
        DATASETS["mnist"].load("train", folder)
    with pytest.raises(InputError, match="split: expected train or test, got 'val'"):
        DATASETS["mnist"].load("val", folder)


@pytest.fixture
def cifar(tmp_path):
    """Two whole records in the files of CIFAR-10, labels 3 and 9."""
    (tmp_path / "cifar-10-batches-bin").mkdir()
    records = np.arange(2 * 3073).reshape(2, 3073) % 256
    records[:, 0] = 3, 9
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    path.write_bytes(records.astype(np.uint8).tobytes())
    return path


def test_cifar10_has_its_planes_as_channels(cifar):
    with pytest.warns(UserWarning, match="an incomplete copy, 2 of 10,000 test images"):
        found = DATASETS["cifar10"].load("test", cifar.parent.parent)
    assert found.x.shape == (2, 32, 32, 3)
    # Pixel (0, 1) of the planes red, green, blue of the first record.
    expected = np.array([2, 2 + 1024, 2 + 2048]) % 256 / 255
    np.testing.assert_allclose(found.x[0, 0, 1], expected, rtol=1e-6)
    np.testing.assert_array_equal(found.y, [3, 9])


def test_damaged_cifar10_files_are_named(cifar):
    folder, content = cifar.parent.parent, cifar.read_bytes()
    cifar.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"expected records of 3073 bytes, got 6145 bytes"):
        DATASETS["cifar10"].load("test", folder)
    cifar.write_bytes(bytes([10]) + content[1:])
    with pytest.raises(InputError, match="labels: expected 0 to 9, got 10"):
        DATASETS["cifar10"].load("test", folder)
    with pytest.raises(InputError, match=r"data_batch_1.bin: expected the file, .* fetch cifar10"):
        DATASETS["cifar10"].load("train", folder)


def test_folders_come_from_argument_environment_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DAA_DATA", raising=False)
    assert places.data_dir() == tmp_path / "daa" / "data"
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("DAA_DATA", str(tmp_path / "mine"))
    assert places.data_dir() == tmp_path / "mine"
    assert places.data_dir(tmp_path) == tmp_path
    with pytest.raises(InputError, match="data folder: expected a folder, got"):
        places.data_dir(tmp_path / "none")


@real
@needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.filterwarnings("error")
def test_the_official_files_are_recognised(name):
    found = DATASETS[name].load("test")
    assert found.x.shape == (10000, 28, 28, 1)
    assert np.bincount(found.y).min() > 890
    assert found.name == f"{name}/test"
