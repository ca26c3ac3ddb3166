"""Files that are written whole or not at all, and read without running what they hold."""

import pickle

import numpy as np
import pytest

from daa import InputError
from daa.targets import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    files.write_atomically(path, b"old")
    fdopen = files.os.fdopen

    class Full:
        """A disk that takes three bytes."""

        def __init__(self, handle):
            self.file = fdopen(handle, "wb")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[:3])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fdopen", lambda handle, mode: Full(handle))
    with pytest.raises(InputError, match=r"record.json: expected to write 1,000 bytes, got No spa"):
        files.write_atomically(path, bytes(1000))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    files.write_atomically(path, b"old")

    def interrupted(handle, mode):
        files.os.close(handle)
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fdopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_written_file_is_whole_and_may_be_read_by_others(tmp_path):
    path = tmp_path / "new" / "a.bin"
    files.write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o644


def test_pickled_objects_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("code of the file ran",)

    np.savez(tmp_path / "a.npz", x=np.array([Evil()], dtype=object))
    with pytest.raises(InputError, match=r"a.npz: expected an .npz file of arrays"):
        files.read_npz(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match=r"b.npz: expected an .npz file of arrays"):
        files.read_npz(tmp_path / "b.npz")


def test_a_hash_is_of_all_bytes_of_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 4)
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"123456789")
    b.write_bytes(b"abc")
    expected = files.hashlib.sha256(b"123456789abc").hexdigest()
    assert files.sha256(a, b) == expected
    assert files.sha256(a, algorithm="md5") == files.hashlib.md5(b"123456789").hexdigest()
