"""NumPy's files that are damaged, lie about themselves or would unpack without end."""

import io
import struct
import zipfile

import numpy as np
import pytest

from daa import InputError
from daa.targets import files, npy

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)


def npy_bytes(array=NUMBERS):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_header(text, data=bytes(48), version=1):
    """A file whose header is this text."""
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + data


def described(shape, descr="'<f4'", **options):
    return with_header(
        f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n", **options
    )


LIES = {
    "empty": (b"", "magic string"),
    "no npy": (b"x" * 999, "magic string"),
    "too short": (npy_bytes()[:-4], r"44 bytes for shape \[3, 4\] of float32"),
    "too long": (npy_bytes() + b"more", r"52 bytes for shape \[3, 4\] of float32"),
    "forty digits": (described("(" + "9" * 40 + ",)"), r"the shape \(9999"),
    "negative": (described("(-3, -4)"), r"the shape \(-3, -4\)"),
    "true": (described("(True, 12)"), r"the shape \(True, 12\)"),
    "fifty axes": (described(str((1,) * 50), data=bytes(4)), r"the shape \(1, 1"),
    "empty but vast": (described((0, 2**50), data=b""), "the shape"),
    "empty, vast by all": (described((0, *[2**40] * 3), data=b""), "0 bytes for shape"),
    "objects": (npy_bytes(np.array([None])), "pickled objects"),
    "records": (npy_bytes(np.zeros(3, "i4,f4")), "the type"),
    "no size": (described((5,), "'<U0'", data=b""), "the type <U0"),
    "deep": (described("(" * 9000), "can't be read"),
    "not closed": (with_header("{'descr': '''"), "can't be read|Cannot parse"),
    "long": (described("(3, 4)", descr="'<f4'" + " " * 20_000), "can't be read|header|EOF"),
    "very long": (with_header("{}", version=2)[:8] + b"\xff" * 4 + bytes(99), "EOF|header"),
    "another version": (described((12,))[:6] + b"\x03" + described((12,))[7:], "version"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_npy_file_that_lies_is_refused_in_one_line(tmp_path, lie):
    content, message = LIES[lie]
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a.npy: expected a whole .npy file of numbers, got .*"
                       rf"({message})") as error:  # fmt: skip
        npy.open_npy(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + len(str(path))


@pytest.mark.parametrize("lie", LIES)
def test_a_member_of_an_npz_file_that_lies_is_refused_in_one_line(tmp_path, lie):
    content, message = LIES[lie]
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError, match=rf"a.npz: expected an .npz file of arrays, got x: .*"
                       rf"({message})"):  # fmt: skip
        npy.read_npz(tmp_path / "a.npz")


ARRAYS = {
    "a": NUMBERS,
    "columns": np.asfortranarray(NUMBERS),
    "big-endian": NUMBERS.astype(">f8"),
    "number": np.array(3.5),
    "text": np.array("a text"),
    "empty": np.zeros((0, 3), np.int64),
    "yes": np.array([True, False]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = npy.read_npz(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(npy.open_npy(tmp_path / "a.npy"), array)


def test_arrays_of_an_npz_file_may_be_written_to(tmp_path):
    np.savez(tmp_path / "a.npz", x=NUMBERS)
    npy.read_npz(tmp_path / "a.npz")["x"][0] = 7


def encrypted(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy_bytes())
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the header of the member and in the list of members
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def twice(path):
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", npy_bytes())
        archive.writestr("x.npy", npy_bytes())


def other_packing(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", npy_bytes())


def corrupt(path):
    np.savez(path, x=NUMBERS)
    content = bytearray(path.read_bytes())
    content[150] ^= 1
    path.write_bytes(content)


def no_array(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("read.me", "text")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (encrypted, "encrypted"),
        (twice, "is there twice"),
        (other_packing, "packed otherwise"),
        (corrupt, "CRC-32"),
        (no_array, "'read.me', which is no array"),
        (lambda path: path.write_bytes(npy_bytes()), "an .npy file of one array"),
        (lambda path: path.write_bytes(b""), "not a zip file"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: None, "none"),
    ],
)
def test_an_npz_file_that_is_none_is_refused(tmp_path, write, message):
    write(tmp_path / "a.npz")
    with pytest.raises(
        InputError, match=rf"a.npz: expected an .npz file of arrays, got .*{message}"
    ):
        npy.read_npz(tmp_path / "a.npz")


def test_an_npz_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10**6))
    assert npy.read_npz(tmp_path / "a.npz")["x"].shape == (10**6,)
    monkeypatch.setattr(files, "_UNPACKED", 1000)
    with pytest.raises(InputError, match=r"a.npz: .* got more than [\d,]+ bytes unpacked"):
        npy.read_npz(tmp_path / "a.npz")


def test_an_npz_file_for_which_there_is_no_room_is_not_called_damaged(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x=np.zeros(4))

    def full(*given):
        raise InputError("images: expected more room")

    monkeypatch.setattr(npy.memory, "empty", full)
    with pytest.raises(InputError, match=r"^images: expected more room$"):
        npy.read_npz(tmp_path / "a.npz")
