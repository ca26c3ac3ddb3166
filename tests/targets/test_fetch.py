"""Downloads, verification, archives, and the state of files on this machine."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import madry_mnist
from daa import InputError
from daa.cli import fetch as command
from daa.targets import DATASETS, Source, checkpoints, fetch
from daa.targets.fetch import archive, packed, unpack


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """The address of a server of the files in `tmp_path`."""
    handler = functools.partial(Handler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def pack(path, members, mode="zip"):
    """A zip or tar file of {name or TarInfo: content}."""
    if mode == "zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in members.items():
                opened.writestr(name, content)
        return path
    with tarfile.open(path, mode) as opened:
        for info, content in members.items():
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("mode", ["zip", "w:gz"])
def test_wanted_files_are_unpacked_without_their_folders(tmp_path, out, mode):
    members = {"models/secret/checkpoint": b"1", "models/read.me": b"2"}
    path = pack(tmp_path / "a", members, mode)
    assert unpack(path, out, lambda name: name == "checkpoint") == ["checkpoint"]
    assert [p.name for p in out.iterdir()] == ["checkpoint"]


LINK = tarfile.TarInfo("evil")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"


UNSAFE = [("../evil", "zip"), ("models/../../evil", "zip"), ("/etc/evil", "zip")]
UNSAFE += [("../evil", "w"), ("models/../../evil", "w:gz"), (LINK, "w")]


@pytest.mark.parametrize(("name", "mode"), UNSAFE)
def test_a_member_outside_the_folder_is_refused(tmp_path, out, name, mode):
    path = pack(tmp_path / "a", {"checkpoint": b"1", name: b""}, mode)
    with pytest.raises(InputError, match=r"expected a complete zip or tar file, got .*evil"):
        unpack(path, out, bool)
    assert not list(out.iterdir())


def test_useless_archives(tmp_path, out):
    path = pack(tmp_path / "a", {"a/checkpoint": b"1", "b/checkpoint": b"2"})
    with pytest.raises(InputError, match="expected the files of a checkpoint"):
        unpack(path, out, lambda _: False)
    with pytest.raises(InputError, match="expected files of different names, got"):
        unpack(path, out, bool)
    assert not list(out.iterdir())


@pytest.mark.parametrize("cut", [0, 1, 100, 600, 1100])
@pytest.mark.parametrize("mode", ["w", "w:gz", "zip"])
def test_a_truncated_archive_is_refused(tmp_path, out, cut, mode):
    path = pack(tmp_path / "a", {"checkpoint": np.random.default_rng(0).bytes(2000)}, mode)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"a: expected a complete zip or tar file, got"):
        unpack(path, out, bool)


def set_source(monkeypatch, name: str, source: Source) -> None:
    rows = madry_mnist.FAMILY.targets
    monkeypatch.setitem(rows, name, replace(rows[name], source=source))


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """An archive as MadryLab's, with random weights and the hash of this archive as published."""
    arrays = madry_mnist.model.initialize(np.random.default_rng(0))
    checkpoints.write(tmp_path / "original" / "checkpoint-1", arrays)
    original = {f"models/secret/{k}": v for k, v in contents(tmp_path / "original").items()}
    path = pack(tmp_path / "secret.zip", original)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip", digest))
    return path


def run(tmp_path, *arguments):
    """Runs `daa fetch` and raises its error."""
    (tmp_path / "models").mkdir(exist_ok=True)
    folders = ["--model-dir", tmp_path / "models", "--data-dir", tmp_path]
    command.main.__wrapped__([*map(str, [*arguments, *folders])])


def states(tmp_path, capsys):
    capsys.readouterr()
    run(tmp_path, "--list")
    return dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_local_archive_becomes_a_target(tmp_path, secret, capsys):
    renamed = secret.rename(tmp_path / "download (1).zip")
    run(tmp_path, "madry_mnist/secret", "--from", renamed)
    target = madry_mnist.load_target("secret", model_dir=tmp_path / "models")
    assert target.provenance == "original"
    listing = states(tmp_path, capsys)
    assert listing["madry_mnist/secret"] == "there"
    assert listing["madry_mnist/natural"] == "missing"
    assert listing["madry_mnist/surrogate"] == "there"  # of this checkout
    data = tmp_path / "models" / "madry_mnist" / "secret" / "checkpoint-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    assert states(tmp_path, capsys)["madry_mnist/secret"] == "corrupted"


def test_the_folder_of_a_checkpoint_becomes_a_target(tmp_path, secret):
    run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "original")
    target = madry_mnist.load_target("natural", model_dir=tmp_path / "models")
    assert target.weights_sha256 == checkpoints.sha256(tmp_path / "original")
    with pytest.raises(InputError, match="expected the files of a checkpoint or data set, got"):
        run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "models")


def test_another_hash_than_published_or_than_the_first_is_refused(tmp_path, secret, monkeypatch):
    run(tmp_path, "madry_mnist/secret", "--from", secret)
    before = contents(tmp_path / "models")
    with zipfile.ZipFile(secret, "a") as opened:
        opened.writestr("more", b"")
    with pytest.raises(InputError, match=r"secret.zip: expected \w+ as published"):
        run(tmp_path, "madry_mnist/secret", "--from", secret)
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip"))
    with pytest.raises(InputError, match=r"expected sha256 \w+ as at the first time"):
        run(tmp_path, "madry_mnist/secret", "--from", secret)
    assert contents(tmp_path / "models") == before


def test_a_damaged_archive_or_file_leaves_all_old_files(tmp_path, secret, monkeypatch):
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip"))
    run(tmp_path, "madry_mnist/secret", "--from", tmp_path / "original")
    before = contents(tmp_path / "models")
    members = {"checkpoint-1.index": b"another", "checkpoint-1.data-00000-of-00001": b"DATA" * 9}
    other = pack(tmp_path / "other.zip", members)
    other.write_bytes(other.read_bytes().replace(b"DATADATA", b"DATAdata", 1))
    message = r"other.zip: expected a complete zip or tar file, got Bad CRC"
    with pytest.raises(InputError, match=message):
        run(tmp_path, "madry_mnist/secret", "--from", other)
    assert contents(tmp_path / "models") == before
    (tmp_path / "original" / "checkpoint-0.index").write_bytes(b"new, and first in order")
    (tmp_path / "original" / "checkpoint-1.index").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"expected sha256 \w+ as at the first time"):
        run(tmp_path, "madry_mnist/secret", "--from", tmp_path / "original")
    assert contents(tmp_path / "models") == before


def test_a_local_file_of_no_use_is_refused(tmp_path, secret):
    (tmp_path / "weights.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"weights.npz: expected the files of a checkpoint or an"):
        run(tmp_path, "fmnist/authors", "--from", tmp_path / "weights.npz")
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"x.bin: expected md5:\w+ as published, got 'another"):
        run(tmp_path, "cifar10", "--from", tmp_path / "x.bin")
    with pytest.raises(InputError, match=r"expected one of train-images.*, got 'x.bin'"):
        run(tmp_path, "mnist", "--from", tmp_path / "x.bin")
    assert not contents(tmp_path / "models")
    run(tmp_path, "fmnist/authors", "--from", secret)  # an archive without a published hash
    assert "checkpoint-1.index" in contents(tmp_path / "models" / "fmnist" / "authors")


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_data_sets_are_downloaded_and_verified(server, tmp_path, monkeypatch, capsys, quiet):
    content = gzip.compress(b"pixels")
    (tmp_path / "images.gz").write_bytes(content)
    source = packed(server, {"images": hashlib.sha256(b"pixels").hexdigest()})
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], source=source))
    folder = tmp_path / "mnist"
    run(tmp_path, "mnist", *quiet)
    assert contents(folder)["images.gz"] == content
    pins = json.loads((folder / "pins.json").read_text())
    assert pins == {"images.gz": hashlib.sha256(content).hexdigest()}
    captured = capsys.readouterr()
    assert captured.out == ("" if quiet else f"mnist: in {folder}\n")
    assert bool(captured.err) != bool(quiet)  # the progress bar
    (tmp_path / "images.gz").write_bytes(gzip.compress(b"other"))
    run(tmp_path, "mnist")  # a verified file is not downloaded again
    (folder / "images.gz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"images.gz: expected \w+ as published"):
        run(tmp_path, "mnist")


def test_an_archive_is_downloaded_unpacked_and_removed(server, tmp_path, secret, monkeypatch):
    set_source(monkeypatch, "natural", archive(f"{server}/secret.zip?dl=1"))
    run(tmp_path, "madry_mnist/natural", "--quiet")
    names = {"checkpoint", "checkpoint-1.index", "checkpoint-1.data-00000-of-00001", "pins.json"}
    assert set(contents(tmp_path / "models")) == names
    assert madry_mnist.load_target("natural", model_dir=tmp_path / "models").classes == 10


def test_a_broken_download_leaves_nothing(server, tmp_path, secret, monkeypatch):
    for address, got in ((f"{server}/none", "404"), ("http://127.0.0.1:9/x", "no connection;")):
        set_source(monkeypatch, "natural", Source({"natural.zip": address}))
        message = rf"a download, got {got}.*put the content of natural.zip into \S*natural yours"
        with pytest.raises(InputError, match=message + r"elf; or run: .* --from FILE"):
            run(tmp_path, "madry_mnist/natural", "--quiet")
    assert not contents(tmp_path / "models")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fmnist/authors"], "fmnist/authors: expected an address, got none"),
        (["x"], "fetch: expected one of mnist, .* got 'x'"),
        (["mnist", "cifar10", "--from", "."], "--from: needs exactly one NAME, got 2"),
    ],
)
def test_unknown_names_and_addresses(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path, *arguments)


@pytest.mark.parametrize(("text", "got"), [("[1]", "'list'"), ("{", "Expecting property name")])
def test_damaged_pins_are_refused(tmp_path, text, got):
    (tmp_path / "pins.json").write_text(text)
    with pytest.raises(InputError, match=rf"pins.json: expected a JSON mapping, got {got}"):
        fetch.load_pins(tmp_path)


def test_the_state_of_a_data_set_by_names_and_first_hashes(tmp_path):
    names = ("a.bin", "b.bin")
    asked = fetch.Parcel("data", archive("http://here/data.tar.gz", names=names), tmp_path)
    assert fetch.state(asked) == "missing"
    (tmp_path / "a.bin").write_bytes(b"a")
    assert fetch.state(asked) == "incomplete"
    (tmp_path / "b.bin").write_bytes(b"b")
    assert fetch.state(asked) == "there"
    pins = {name: hashlib.sha256(name[:1].encode()).hexdigest() for name in names}
    (tmp_path / fetch.PINS).write_text(json.dumps(pins))
    assert fetch.state(asked) == "there"
    (tmp_path / "b.bin").write_bytes(b"c")
    assert fetch.state(asked) == "corrupted"


def test_folders_come_from_argument_environment_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DAA_DATA", raising=False)
    assert fetch.data_folder() == tmp_path / "daa" / "data"
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("DAA_DATA", str(tmp_path / "mine"))
    assert fetch.data_folder() == tmp_path / "mine"
    assert fetch.data_folder(tmp_path) == tmp_path
    with pytest.raises(InputError, match="data folder: expected a folder, got"):
        fetch.data_folder(tmp_path / "none")
