import gzip
import hashlib
import http.server
import io
import json
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import madry_mnist
from daa import InputError
from daa.cli import fetch
from daa.targets import DATASETS, Source, checkpoints, files
from daa.targets import download as downloads
from daa.targets.sources import archive, packed
from daa.targets.transfer import download, unpack


@pytest.fixture
def server(tmp_path):
    """Serves `files`; honours ranges, and hangs up after `limit` bytes where it is set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = self.server.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            begin = 0
            if asked := self.headers.get("Range"):
                begin = int(asked.removeprefix("bytes=").rstrip("-"))
                self.server.ranges.append(begin)
                if begin >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin : self.server.limit])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.files, httpd.ranges, httpd.limit = {}, [], None
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd
        httpd.shutdown()


def test_an_interrupted_download_goes_on(server, tmp_path):
    content = np.random.default_rng(0).bytes(100_000)
    server.files["/file"], server.limit = content, 30_000
    path = tmp_path / "file"
    with pytest.raises(InputError, match="/file: expected"):
        download(f"{server.url}/file", path)
    assert not path.exists()
    server.limit = None
    download(f"{server.url}/file", path)
    assert path.read_bytes() == content
    assert server.ranges == [30_000]
    assert not path.with_name("file.partial").exists()


def test_a_part_beyond_the_file_starts_anew(server, tmp_path):
    server.files["/file"] = b"new"
    (tmp_path / "file.partial").write_bytes(b"of an older, longer file")
    download(f"{server.url}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_no_server_and_no_file(server, tmp_path):
    with pytest.raises(InputError, match=r"/none: expected a download, got .*404|Not Found"):
        download(f"{server.url}/none", tmp_path / "file")
    with pytest.raises(InputError, match=r"expected a download, got .*refused"):
        download("http://127.0.0.1:9/file", tmp_path / "file")


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name.replace("|", "/"), content)
    return path


def everything(_):
    return True


def test_unpacks_wanted_files_flat(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"models|secret|checkpoint": b"1", "models|read.me": b"2"})
    (tmp_path / "out").mkdir()
    written = unpack(path, tmp_path / "out", lambda name: name == "checkpoint")
    assert written == ["checkpoint"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    "name", ["..|evil", "models|..|..|evil", "|etc|evil", "C:|evil", "..\\evil"]
)
def test_a_zip_that_leaves_its_folder_is_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", **{"checkpoint": b"1", name: b"2"})
    with pytest.raises(InputError, match=r"expected files inside the .* got .*evil"):
        unpack(path, tmp_path / "out", everything)
    assert not (tmp_path / "out").exists()


def test_a_tar_with_a_link_or_a_path_outside_is_refused(tmp_path):
    for change, message in (
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "got the link or device"),
        ({"name": "../evil"}, "expected files inside"),
    ):
        info = tarfile.TarInfo("model.index")
        for key, value in change.items():
            setattr(info, key, value)
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as opened:
            opened.addfile(info, io.BytesIO())
        with pytest.raises(InputError, match=message):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out", everything)
        assert not (tmp_path / "out").exists()


def test_damaged_and_useless_archives(tmp_path):
    path = zipped(tmp_path / "a.zip", x=b"1" * 1000)
    with pytest.raises(InputError, match="expected the files of a checkpoint"):
        unpack(path, tmp_path / "out", lambda _: False)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"a.zip: expected a whole zip or tar file"):
        unpack(path, tmp_path / "out", everything)
    two = zipped(tmp_path / "b.zip", **{"a|checkpoint": b"1", "b|checkpoint": b"2"})
    with pytest.raises(InputError, match="expected one file 'checkpoint', got two"):
        unpack(two, tmp_path / "out", everything)


def tarred(path, *infos, mode="w:gz"):
    """A tar file of members: (name or TarInfo, content)."""
    with tarfile.open(path, mode) as opened:
        for info, content in infos:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["", ".", "/", "a/.."])
def test_a_member_without_a_name_is_refused(tmp_path, name):
    path = tarred(tmp_path / "a.tar", (name, b"1"))
    with pytest.raises(InputError, match=r"a.tar: expected .* got"):
        unpack(path, tmp_path, everything)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        info = zipfile.ZipInfo("x")
        info.filename = name
        opened.writestr(info, b"1")
    with pytest.raises(InputError, match=r"a.zip: expected .* got"):
        unpack(tmp_path / "a.zip", tmp_path, everything)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "a.zip"]


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", checkpoint=b"1")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.zip: expected .* 'checkpoint', which is encrypted"):
        unpack(path, tmp_path, everything)


def long_header(path):
    """A tar file whose first header says that the next one is far away, or long."""
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 10**9
    path.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(100_000)))


def sparse(path):
    info = tarfile.TarInfo("checkpoint")
    info.type = tarfile.GNUTYPE_SPARSE
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: zipped(path, checkpoint=bytes(10**6)), "got 1,000,000"),
        (lambda path: tarred(path, ("checkpoint", bytes(10**6))), "got .*1,000,000|bytes unpacked"),
        (lambda path: tarred(path, ("x", bytes(10**6)), ("checkpoint", b"1")), "bytes unpacked"),
        (long_header, "got more than [\\d,]+ bytes unpacked"),
        (sparse, "expected plain files, got the link or device 'checkpoint'"),
    ],
)
def test_an_archive_that_would_fill_disk_or_memory_is_refused(
    tmp_path, monkeypatch, write, message
):
    monkeypatch.setattr(files, "_UNPACKED", 50_000)
    write(tmp_path / "a")
    with pytest.raises(InputError, match=message):
        unpack(tmp_path / "a", tmp_path, everything)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("cut", [0, 1, 100, 600, 1100, -600])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_torn_tar_file_is_refused(tmp_path, cut, mode):
    path = tarred(tmp_path / "a", ("checkpoint", np.random.default_rng(0).bytes(2000)), mode=mode)
    path.write_bytes(path.read_bytes()[:cut])
    if mode == "w" and cut < 0:
        unpack(path, tmp_path, everything)  # the padding at the end says nothing
        return
    with pytest.raises(InputError, match=r"a: expected a whole zip or tar file, got"):
        unpack(path, tmp_path, everything)


def set_source(monkeypatch, name: str, source: Source) -> None:
    rows = madry_mnist.FAMILY.targets
    monkeypatch.setitem(rows, name, replace(rows[name], source=source))


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """An archive as MadryLab's, with random weights, whose hash stands in for the published one."""
    arrays = madry_mnist.model.initialize(np.random.default_rng(0))
    checkpoints.write(tmp_path / "original" / "checkpoint-1", arrays)
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for file in (tmp_path / "original").iterdir():
            opened.write(file, f"models/secret/{file.name}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip", digest))
    (tmp_path / "models").mkdir()
    return path


def run(tmp_path, *command):
    fetch.main.__wrapped__([*map(str, command), "--model-dir", str(tmp_path / "models")])


def test_a_file_that_is_here_becomes_a_target(tmp_path, secret, capsys):
    run(tmp_path, "madry_mnist/secret", "--from", secret)
    target = madry_mnist.load_target("secret", model_dir=tmp_path / "models")
    assert target.provenance == "original"
    run(tmp_path, "--list")
    states = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:])
    assert states["madry_mnist/secret"] == "there"
    assert states["madry_mnist/natural"] == "missing"
    data = tmp_path / "models" / "madry_mnist" / "secret" / "checkpoint-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    run(tmp_path, "--list")
    states = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert states["madry_mnist/secret"] == "corrupted"


def test_another_hash_than_published_or_pinned_is_refused(tmp_path, secret, monkeypatch):
    run(tmp_path, "madry_mnist/secret", "--from", secret)
    before = sorted((tmp_path / "models").rglob("*"))
    with zipfile.ZipFile(secret, "a") as opened:
        opened.writestr("more", b"")
    with pytest.raises(InputError, match=r"secret.zip: expected \w+ as published"):
        run(tmp_path, "madry_mnist/secret", "--from", secret)
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip"))
    with pytest.raises(InputError, match=r"expected sha256 \w+ as at the first time"):
        run(tmp_path, "madry_mnist/secret", "--from", secret)
    assert sorted((tmp_path / "models").rglob("*")) == before


def test_data_sets_are_downloaded_and_verified_unpacked(server, tmp_path, monkeypatch):
    content = gzip.compress(b"pixels")
    server.files["/images.gz"] = content
    source = packed(server.url, {"images": hashlib.sha256(b"pixels").hexdigest()})
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], source=source))
    (tmp_path / "data").mkdir()
    arguments = ["mnist", "--data-dir", str(tmp_path / "data")]
    fetch.main(arguments)
    assert (tmp_path / "data" / "mnist" / "images.gz").read_bytes() == content
    pins = json.loads((tmp_path / "data" / "mnist" / "pins.json").read_text())
    assert pins == {"images.gz": hashlib.sha256(content).hexdigest()}
    server.files["/images.gz"] = gzip.compress(b"other")
    fetch.main(arguments)  # what is there and right is not downloaded again
    (tmp_path / "data" / "mnist" / "images.gz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"images.gz: expected \w+ as published"):
        fetch.main.__wrapped__(arguments)


def test_quiet_fetches_without_a_word(server, tmp_path, monkeypatch, capsys):
    server.files["/images.gz"] = gzip.compress(b"pixels")
    source = packed(server.url, {"images": hashlib.sha256(b"pixels").hexdigest()})
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], source=source))
    said = {}
    for quiet in ([], ["--quiet"]):
        folder = tmp_path / f"data{len(quiet)}"
        folder.mkdir()
        fetch.main(["mnist", "--data-dir", str(folder), *quiet])
        assert (folder / "mnist" / "images.gz").exists()
        said[not quiet] = capsys.readouterr()
    assert said[True].out == f"mnist: in {tmp_path / 'data0' / 'mnist'}\n"
    assert "images.gz" in said[True].err
    assert said[False] == ("", "")


def test_without_network_one_line_says_what_to_place_where(tmp_path, monkeypatch):
    set_source(monkeypatch, "natural", archive("http://127.0.0.1:9/natural.zip"))
    (tmp_path / "models").mkdir()
    message = r"put the content of natural.zip into \S*natural yourself; or run: .* --from FILE"
    with pytest.raises(InputError, match=message):
        run(tmp_path, "madry_mnist/natural")
    with pytest.raises(InputError, match="fmnist/authors: expected an address, got none"):
        run(tmp_path, "fmnist/authors")
    with pytest.raises(InputError, match=r"fetch: expected one of mnist, .* got 'x'"):
        run(tmp_path, "x")
    with pytest.raises(InputError, match=r"--from: expected one name with it, got 2"):
        run(tmp_path, "mnist", "cifar10", "--from", tmp_path)


def test_the_folder_of_a_checkpoint_becomes_a_target(tmp_path, secret):
    """As for the surrogates, which an installed package comes without."""
    run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "original")
    found = madry_mnist.load_target("natural", model_dir=tmp_path / "models")
    assert found.weights_sha256 == checkpoints.sha256(tmp_path / "original")
    with pytest.raises(InputError, match="expected the files of a checkpoint or data set, got"):
        run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "models")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_damaged_archive_leaves_the_old_files_whole(tmp_path, secret, monkeypatch):
    """The second file of the archive is damaged, so the first one could have been replaced."""
    set_source(monkeypatch, "secret", archive("http://127.0.0.1:9/secret.zip"))
    run(tmp_path, "madry_mnist/secret", "--from", tmp_path / "original")
    before = contents(tmp_path / "models")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as opened:
        opened.writestr("checkpoint-1.index", b"of another checkpoint")
        opened.writestr("checkpoint-1.data-00000-of-00001", b"DATA" * 1000)
    damaged = other.read_bytes().replace(b"DATADATA", b"DATAdata", 1)
    other.write_bytes(damaged)
    with pytest.raises(
        InputError, match=r"other.zip: expected a whole zip or tar file, got Bad CRC"
    ):
        run(tmp_path, "madry_mnist/secret", "--from", other)
    assert contents(tmp_path / "models") == before
    assert other.read_bytes() == damaged  # it is the user's


def test_one_refused_file_of_a_folder_leaves_the_old_files_whole(tmp_path, secret):
    run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "original")
    before = contents(tmp_path / "models")
    (tmp_path / "original" / "checkpoint-0.index").write_bytes(b"new, and first in line")
    (tmp_path / "original" / "checkpoint-1.index").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"expected sha256 \w+ as at the first time"):
        run(tmp_path, "madry_mnist/natural", "--from", tmp_path / "original")
    assert contents(tmp_path / "models") == before


def test_an_archive_in_the_name_of_one_of_its_files_is_verified_as_the_archive(tmp_path, secret):
    path = tmp_path / "model.index"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("checkpoint", b"")
    with pytest.raises(InputError, match=r"model.index: expected \w+ as published, got another"):
        run(tmp_path, "madry_mnist/secret", "--from", path)
    path.write_bytes(secret.read_bytes())
    run(tmp_path, "madry_mnist/secret", "--from", path)
    assert madry_mnist.load_target("secret", model_dir=tmp_path / "models").classes == 10


def test_a_file_that_nobody_would_read_is_not_stored(tmp_path, secret):
    for name in ("weights.npz", "read.me"):
        (tmp_path / name).write_bytes(b"no archive")
        with pytest.raises(InputError, match=rf"{name}: expected the files of a checkpoint or the"):
            run(tmp_path, "fmnist/authors", "--from", tmp_path / name)
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"x.bin: expected md5:\w+ as published, got another hash"):
        fetch.main.__wrapped__(
            ["cifar10", "--from", str(tmp_path / "x.bin"), "--data-dir", str(tmp_path)]
        )
    assert not list((tmp_path / "models").rglob("*.*"))
    renamed = tmp_path / "checkpoint.backup"
    renamed.write_bytes(secret.read_bytes())  # where no address is known, an archive will do
    run(tmp_path, "fmnist/authors", "--from", renamed)
    found = contents(tmp_path / "models" / "fmnist" / "authors")
    assert {"checkpoint", "checkpoint-1.index", "pins.json"} < set(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "too many levels"),
        ("[1]", "expected a JSON mapping, got 'list'"),
        ('{"../x": "a"}', "expected file names without folders and their hashes"),
        ('{"x": 3}', "expected file names without folders and their hashes"),
        ("{", "expected a JSON mapping, got Expecting property name"),
    ],
)
def test_pins_that_are_none_are_refused(tmp_path, secret, text, message):
    (tmp_path / "models" / "madry_mnist" / "secret").mkdir(parents=True)
    (tmp_path / "models" / "madry_mnist" / "secret" / "pins.json").write_text(text)
    for arguments in (["--list"], ["madry_mnist/secret", "--from", secret]):
        with pytest.raises(InputError, match=rf"pins.json: .*{message}"):
            run(tmp_path, *arguments)


def test_a_given_file_may_have_another_name_but_not_another_content(tmp_path, secret):
    renamed = secret.rename(tmp_path / "download (1).zip")
    run(tmp_path, "madry_mnist/secret", "--from", renamed)
    assert madry_mnist.load_target("secret", model_dir=tmp_path / "models").classes == 10
    renamed.write_bytes(b"another")
    with pytest.raises(InputError, match=r"download \(1\).zip: expected \w+ as published"):
        run(tmp_path, "madry_mnist/secret", "--from", renamed)
    assert renamed.exists()
    with pytest.raises(InputError, match=r"expected one of train-images.*, got 'x.gz'"):
        (tmp_path / "x.gz").write_bytes(b"")
        fetch.main.__wrapped__(
            ["mnist", "--from", str(tmp_path / "x.gz"), "--data-dir", str(tmp_path)]
        )


def test_weights_as_npz_are_there(tmp_path, capsys):
    (tmp_path / "models" / "madry_mnist").mkdir(parents=True)
    (tmp_path / "models" / "madry_mnist" / "secret.npz").write_bytes(b"")
    run(tmp_path, "--list")
    states = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert states["madry_mnist/secret"] == "there"
    assert states["madry_mnist/surrogate"] == "there"  # of this checkout


def test_the_list_needs_no_tensorflow():
    code = (
        "import sys; from daa.cli import fetch\n"
        "fetch.main(['--list'])\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_state_of_a_data_set_says_what_is_there(tmp_path):
    """Told by names alone where no hash is published, and by the hashes of the first time."""
    names = ("a.bin", "b.bin")
    source = archive("http://here/data.tar.gz", wanted=re.compile(r".*\.bin"), names=names)
    asked = downloads.Parcel("data", source, tmp_path)
    assert downloads.state(asked) == "missing"
    (tmp_path / "a.bin").write_bytes(b"a")
    assert downloads.state(asked) == "incomplete"
    (tmp_path / "b.bin").write_bytes(b"b")
    assert downloads.state(asked) == "there"
    pins = {name: hashlib.sha256(name[:1].encode()).hexdigest() for name in names}
    (tmp_path / downloads.PINS).write_text(json.dumps(pins))
    assert downloads.state(asked) == "there"
    (tmp_path / "b.bin").write_bytes(b"c")
    assert downloads.state(asked) == "corrupted"
