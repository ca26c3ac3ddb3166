"""Atomic writes, and reads which end in one line for damaged files."""

import gzip
import hashlib
import pickle
import sys
import zipfile
from unittest.mock import Mock

import numpy as np
import pytest

from daa import InputError
from daa.targets import files

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), "record.json: expected to write there, got No sp"),
        (KeyboardInterrupt(), "^$"),
    ],
)
def test_a_failed_write_leaves_only_the_old_file(tmp_path, monkeypatch, error, expected):
    path = tmp_path / "new" / "record.json"
    files.write_atomically(path, b"old")
    assert path.stat().st_mode & 0o777 == 0o644
    monkeypatch.setattr(files.os, "fsync", Mock(side_effect=error))
    with pytest.raises((InputError, KeyboardInterrupt), match=expected):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_an_interrupt_at_any_moment_of_writing_leaves_no_temporary_file(tmp_path):
    """An interrupt before each line that writing executes, one after the other."""

    def interrupt(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return interrupt

    for moment in range(1000):
        left = moment
        sys.settrace(interrupt)
        try:
            files.write_atomically(tmp_path / "a.json", b"new")
            break
        except KeyboardInterrupt:
            assert not list(tmp_path.glob("*.partial")), moment
        finally:
            sys.settrace(None)
    assert moment > 10


def test_files_move_together_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "folder"
    with files.together(folder) as temporary:
        (temporary / "a").write_bytes(b"a")
        (temporary / "b").write_bytes(b"b")
        assert [path.suffix for path in folder.iterdir()] == [".partial"]
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    with pytest.raises(KeyboardInterrupt), files.together(folder) as temporary:
        (temporary / "a").write_bytes(b"new")
        raise KeyboardInterrupt
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a": b"a", "b": b"b"}
    message = r"a/x: expected to write there, got Not a directory"
    with pytest.raises(InputError, match=message), files.together(folder / "a" / "x"):
        pass


def test_an_output_is_no_input_also_through_links(tmp_path):
    path, soft, hard = (tmp_path / name for name in ("a", "soft", "hard"))
    path.write_bytes(b"")
    soft.symlink_to(path)
    hard.hardlink_to(path)
    (tmp_path / "x").mkdir()
    for out in (path, soft, hard, tmp_path / "x" / ".." / "a"):
        with pytest.raises(InputError, match=rf"{out.name}: expected another file than the input"):
            files.apart(out, tmp_path / "other", path)
    files.apart(tmp_path / "b", path)


def test_a_file_of_the_user_is_not_replaced(tmp_path):
    path = tmp_path / "index.html"
    files.replaceable(path, "mark")
    path.write_text("a page with the mark")
    files.replaceable(path, "mark")
    with pytest.raises(InputError, match=r"index.html: expected no file, or one that this project"):
        files.replaceable(path, "another mark")


def test_a_hash_is_of_all_bytes_of_all_files(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(bytes(3_000_000))
    b.write_bytes(b"abc")
    assert files.sha256(a, b) == hashlib.sha256(bytes(3_000_000) + b"abc").hexdigest()
    assert files.sha256(b, algorithm="md5") == hashlib.md5(b"abc").hexdigest()
    with pytest.raises(InputError, match="c: no such file; expected a file"):
        files.sha256(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": NaN}', "Out of range float"),
        (b"[" * 100_000, "recursion"),
        (rb'"\ud800"', "surrogates not allowed"),
        (b'{"a": [1, 2', "Expecting ',' delimiter"),
        (b"\xff\xfe", "can't decode byte"),
    ],
    ids=["nan", "deep", "surrogate", "truncated", "no text"],
)
def test_a_damaged_json_file_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a.json: expected a record, got .*{message}") as error:
        files.read_json(path, "a record")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_writes_them(tmp_path, save):
    arrays = {"a": NUMBERS, "columns": np.asfortranarray(NUMBERS), "text": np.array("a text")}
    save(tmp_path / "a.npz", **arrays)
    read = files.read_npz(tmp_path / "a.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(files.read_npy(tmp_path / "a.npy"), array)
    read["a"][0] = 7  # writable


def truncated(path):
    np.savez(path, x=NUMBERS)
    path.write_bytes(path.read_bytes()[:100])


def other_member(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("read.me", "text")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: np.savez(path, x=np.array([{}])), "Object arrays cannot be loaded"),
        (truncated, "not a zip file"),
        (other_member, "the file read.me inside"),
        (lambda path: np.save(path.open("wb"), NUMBERS), "not a zip file"),
        (lambda path: path.write_bytes(b""), "File is not a zip file"),
        (lambda path: path.write_bytes(b"\n<!DOCTYPE html>"), "an HTML page; download it again"),
        (lambda path: path.write_bytes(b"version https://git-lfs.git"), "Git LFS; run git lfs"),
    ],
)
def test_a_damaged_npz_file_is_refused(tmp_path, write, message):
    write(tmp_path / "a.npz")
    with pytest.raises(InputError, match=rf"a.npz: expected an .npz file .*, got .*{message}"):
        files.read_npz(tmp_path / "a.npz")


def test_a_damaged_npy_file_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, NUMBERS)
    for damaged in (path.read_bytes()[:-4], b"", pickle.dumps([1])):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a.npy: expected an .npy file of numbers, got "):
            files.read_npy(path)
    np.savez(tmp_path / "a.npz", x=NUMBERS)
    with pytest.raises(InputError, match=r"a.npz: .* got an .npz archive"):
        files.read_npy(tmp_path / "a.npz")


def test_a_truncated_gzip_file_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(100_000)))
    assert files.gunzip(path) == bytes(100_000)
    for damaged in (path.read_bytes()[:-10], b"no gzip"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a.gz: expected a complete gzip file, got "):
            files.gunzip(path)
