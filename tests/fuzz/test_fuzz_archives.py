"""Archives of weights and data sets that are given to fetch."""

import gzip
import io
import tarfile
import warnings
import zipfile

from hypothesis import given
from hypothesis import strategies as st
from world import ODD_TEXTS, command, mutated, place, share

NAMES = st.one_of(
    st.sampled_from(
        [
            "model.ckpt.index",
            "model.ckpt.data-00000-of-00001",
            "checkpoint",
            "../x",
            "../../x",
            "/x",
            ".",
            "",
            "a/../../x",
            "a\\..\\x",
            "model.ckpt.index/",
            "C:x",
            "./model.ckpt.index",
            "x\0y",
        ]
    ),
    ODD_TEXTS,
)
TYPES = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        b"9",
    ]
)
CONTENTS = st.one_of(st.binary(max_size=50), st.just(bytes(100_000)))
MEMBERS = st.lists(st.tuples(NAMES, TYPES, CONTENTS, NAMES), max_size=4)


@st.composite
def tars(draw):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, kind, content, link in draw(MEMBERS):
            info = tarfile.TarInfo(name.encode("utf-8", "replace").decode())
            info.type, info.linkname = kind, link.encode("utf-8", "replace").decode()
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@st.composite
def zips(draw):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, _, content, _ in draw(MEMBERS):
            plain = name.encode("utf-8", "replace").decode().partition("\0")[0]
            archive.writestr(plain or "a", content)
    found = bytearray(buffer.getvalue())
    if draw(st.booleans()) and len(found) > 30:
        found[6] |= 1  # the flag of encrypted members
    return bytes(found)


FILES = st.one_of(
    tars(),
    zips(),
    tars().flatmap(mutated),
    zips().flatmap(mutated),
    st.binary(max_size=99),
    st.binary(max_size=99).map(gzip.compress),
)


@share(4)
@given(
    FILES,
    st.sampled_from(
        ["imagenet_ens/ens_adv", "madry_mnist/secret", "madry_cifar10/secret", "cifar10"]
    ),
    st.sampled_from(
        [
            "ens_adv_inception_resnet_v2_2017_08_18.tar.gz",
            "secret.zip",
            "a.zip",
            "a.tar.gz",
            "cifar-10-binary.tar.gz",
            "model.ckpt.index",
        ]
    ),
    st.one_of(st.none(), st.sampled_from([b"{}", b"[" * 9999, b"[]", b"\xff", b'{"a": 1}'])),
)
def test_fetch(content, name, file, pins):
    with place("archives") as folder:
        (folder / "there").mkdir()
        for part in ("imagenet_ens/ens_adv", "madry_mnist/secret", "madry_cifar10/secret"):
            (folder / "there" / part).mkdir(parents=True)
            if pins is not None:
                (folder / "there" / part / "pins.json").write_bytes(pins)
        (folder / file).write_bytes(content)
        there = ["--model-dir", "there", "--data-dir", "there"]
        kept = (folder / file).read_bytes()
        inputs = folder / "there"
        before = {p: p.read_bytes() for p in inputs.rglob("*") if p.is_file()}
        if before:  # pins may be written anew
            for path in before:
                path.unlink()
            before = {}
        command(folder, ["fetch", name, "--from", file, *there])
        assert (folder / file).read_bytes() == kept
        command(folder, ["fetch", "--list", *there])
