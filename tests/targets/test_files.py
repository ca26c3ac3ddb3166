"""Files that are written whole or not at all, and read without running what they hold."""

import gzip
import os
import pickle
import zipfile

import numpy as np
import pytest

from daa import InputError
from daa.targets import files, npy


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
        npy.read_npz(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match=r"b.npz: expected an .npz file of arrays"):
        npy.read_npz(tmp_path / "b.npz")


def test_a_hash_is_of_all_bytes_of_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 4)
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"123456789")
    b.write_bytes(b"abc")
    expected = files.hashlib.sha256(b"123456789abc").hexdigest()
    assert files.sha256(a, b) == expected
    assert files.sha256(a, algorithm="md5") == files.hashlib.md5(b"123456789").hexdigest()


def test_files_that_belong_together_are_written_together_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "folder"
    with files.together(folder) as temporary:
        (temporary / "a").write_bytes(b"a")
        (temporary / "b").write_bytes(b"b")
        assert [path.suffix for path in folder.iterdir()] == [".partial"]
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    with pytest.raises(KeyboardInterrupt), files.together(folder) as temporary:
        (temporary / "a").write_bytes(b"new")
        raise KeyboardInterrupt
    assert (folder / "a").read_bytes() == b"a"
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    (tmp_path / "file").write_bytes(b"")
    message = r"file/x: expected to write there, got Not a directory"
    with pytest.raises(InputError, match=message), files.together(tmp_path / "file" / "x"):
        pass


def test_an_input_is_recognised_through_links(tmp_path):
    path, soft, hard = (tmp_path / name for name in ("a", "soft", "hard"))
    path.write_bytes(b"")
    soft.symlink_to(path)
    hard.hardlink_to(path)
    for out in (path, soft, hard, tmp_path / "x" / ".." / "a"):
        with pytest.raises(InputError, match=rf"{out.name}: expected another file than the input"):
            files.apart(out, tmp_path / "other", path)
    files.apart(tmp_path / "b", path)


PARSED = {
    "not a number": ('{"a": NaN}', "the number NaN"),
    "endless": ("[1e400]", "Out of range float"),
    "digits": ("9" * 5000, "4300 digits"),
    "deep": ("[" * 100_000, "too many levels"),
    "deep mapping": ('{"a":' * 100_000, "too many levels"),
    "half a character": (r'"\ud800"', "surrogates not allowed"),
    "empty": ("", "Expecting value"),
    "torn": ('{"a": [1, 2', "Expecting ',' delimiter"),
    "no text": (b"\xff\xfe", "can't decode byte"),
}


@pytest.mark.parametrize("what", PARSED)
def test_a_damaged_json_file_is_refused_in_one_line(tmp_path, what):
    content, message = PARSED[what]
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"a.json: expected a record, got .*{message}") as error:
        files.read_json(path, "a record")
    assert "\n" not in str(error.value)


def test_a_pipe_a_folder_and_a_huge_file_are_no_text(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for name, found in (("pipe", "a pipe or a device"), ("", "a folder"), ("x", "none")):
        with pytest.raises(InputError, match=rf": expected a record, got {found}$"):
            files.read_json(tmp_path / name, "a record")
    with pytest.raises(InputError, match="expected a record, got embedded null"):
        files.read_json(tmp_path / "a\0b", "a record")
    for name in ("x" * 5000, "two\nlines"):
        with pytest.raises(InputError, match=r"expected a record, got (none|File name)") as error:
            files.read_json(tmp_path / name, "a record")
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1100
    (tmp_path / "long").write_text("[1, 2, 3]")
    assert files.read_json(tmp_path / "long", "a record") == [1, 2, 3]
    monkeypatch.setattr(files, "_TEXT", 8)
    with pytest.raises(InputError, match=r"long: expected a record of at most 8 bytes, got 9"):
        files.read_json(tmp_path / "long", "a record")


def test_a_zip_file_that_another_library_unpacks_is_no_bomb(tmp_path, monkeypatch):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "ab":
            archive.writestr(name, bytes(3000))
    files.require_unpacks(path, "a model")
    monkeypatch.setattr(files, "_UNPACKED", 5999)
    monkeypatch.setattr(files, "_RATIO", 1)
    with pytest.raises(InputError, match=r"a.keras: expected at most 5,999 bytes unpacked, got 6,"):
        files.require_unpacks(path, "a model")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"a.keras: expected a model, got File is not a zip file"):
        files.require_unpacks(path, "a model")


def test_a_gzip_file_unpacks_to_no_more_than_it_may(tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(100_000)))
    assert files.gunzip(path) == bytes(100_000)
    monkeypatch.setattr(files, "_UNPACKED", 5000)
    with pytest.raises(InputError, match=r"a.gz: expected at most [\d,]+ bytes unpacked, got more"):
        files.gunzip(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(
        InputError, match=r"a.gz: expected a whole gzip file, got Compressed file en"
    ):
        monkeypatch.undo()
        files.gunzip(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match=r"a.gz: expected a whole gzip file, got Not a gzipped fi"):
        files.gunzip(path)
