"""Fuzz tests of all commands: configs, arrays, data, weights, records, archives, arguments."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny
import world
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from world import EVIL_NPY, EVIL_PICKLE, TEXTS, changed, damaged, npy, npz, run

from daa.cli.main import COMMANDS
from daa.errors import InputError
from daa.targets import checkpoints

CONFIG = {
    "name": "small",
    "title": "A test",
    "target": "tiny/cnn",
    "images": 8,
    "attack": {"eps": 0.15, "step_size": 0.05, "steps": 2, "batch_size": 4, "steps_per_shuffle": 1},
    "sweep": {"eps": [0.1]},
    "seeds": [0],
    "rows": [{"method": "pgd", "loss": "xent"}, {"method": "blob", "c": 0.5, "paper": 45.0}],
}
SMALL = {**CONFIG, "rows": CONFIG["rows"][:1]}
REPRODUCE = "reproduce small.yaml --images 8 --out out --restarts"
RECIPE = {"target": "tiny/cnn", "eps": 0.1, "step_size": 0.02, "steps": 1, "epochs": 1, "seed": 3}
RECIPE |= {"batch_size": 50, "optimizer": "adam", "learning_rate": 0.001, "schedule": "cosine"}
RECIPE |= {"holdout": 100, "patience": 2}


def as_yaml(content):
    return yaml.dump(content, allow_unicode=False).encode()


@given(
    st.one_of(changed(SMALL).map(as_yaml), damaged(as_yaml(SMALL))),
    st.sampled_from([[], ["--restarts", "2"], ["--target", "tiny/cnn"], ["--seed", "7"]]),
)
def test_configs(content, more):
    with world.folder({"small.yaml": content}):
        run("reproduce", "small.yaml", "--images", "8", "--minutes", "0.2", "--out", "out", *more)


@given(st.one_of(changed(RECIPE).map(as_yaml), damaged(as_yaml(RECIPE))))
def test_recipes(content):
    with world.folder({"train.yaml": content}):
        run("train", "train.yaml", "--out", "w.npz", "--quiet")


IMAGES = 6
X = tiny.load_dataset("test").x[:IMAGES]
GOOD = npy(np.clip(X.reshape(IMAGES, 64) + 0.1, 0, 1))
KINDS = st.sampled_from(["f4", "f8", "f2", "u1", "i8", "i4", "b1", "U2", "c8", "M8[s]"])
SHAPES = [(6, 64), (6, 8, 8, 1), (6,), (), (0, 64), (5, 64), (6, 8, 8), (6, 1, 8, 8), (6, 10)]
ARRAYS = KINDS.flatmap(lambda kind: hnp.arrays(kind, st.sampled_from(SHAPES)))


@given(
    st.one_of(damaged(GOOD), ARRAYS.map(npy), st.just(EVIL_NPY), st.binary(max_size=99)),
    st.sampled_from(["verify", "merge", "compare", "board"]),
    st.sampled_from(["a.npy", "pred.npy", "compare.png", "a.npz", "a"]),
    st.sampled_from(["", "--eps 0.1", "--eps 0", "--eps inf", "--eps nan"]),
    st.sampled_from([str(IMAGES), str(IMAGES), "500", "9999999999"]),
)
def test_arrays(content, command, file, eps, images):
    with world.folder({file: content, "good.npy": GOOD}):
        about = f"--target tiny/cnn --images {images} {eps}"
        arguments = {
            "verify": f"{file} {about}",
            "merge": f"{file} good.npy -o merged.npy {about}",
            "compare": f"good.npy {file} --picture shown.png {about}",
            "board": f"{file} --target madry_mnist/secret --board board",
        }
        run("submit", command, *arguments[command].split())


PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
IDX = b"\0\0\x08\x03" + struct.pack(">3I", 4, 8, 8) + PIXELS.tobytes()
LABELS = b"\0\0\x08\x01" + struct.pack(">I", 4) + bytes([1, 2, 3, 4])
CSV_LINES = [
    "file,label", "a.png,1", "b.png,2", "a.png", "a.png,-1", f"a.png,{'9' * 5000}", "../x,1", ".,1",
    "a.png,١", '"', "pipe,1", ",", "\x00,1", "a.png,1,2",
]  # fmt: skip


def picture(form, mode="L"):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0, ..., 0]).convert(mode).save(buffer, form)
    return buffer.getvalue()


PICTURES = [picture("PNG"), picture("JPEG"), picture("GIF"), picture("TIFF", "F")]
DATA = npz(x=PIXELS, y=np.arange(4))
PGD = "--eps 0.1 --method pgd --budget 2"


@st.composite
def data_folders(draw):
    """Files of a data set: an .npz file, a folder of images, or the published files."""
    kind = draw(st.sampled_from(["npz", "images", "mnist", "cifar10"]))
    if kind == "npz":
        names = draw(st.lists(st.sampled_from(["x", "y", "z"]), max_size=3, unique=True))
        arrays = npz(**{name: draw(ARRAYS) for name in names})
        evil = npz(x=np.array([world.Evil()] * 4, dtype=object), y=np.arange(4))
        return "d.npz", {"d.npz": draw(st.one_of(damaged(DATA), st.sampled_from([arrays, evil])))}
    if kind == "images":
        lines = draw(st.lists(st.one_of(st.sampled_from(CSV_LINES), TEXTS), max_size=4))
        image = draw(st.one_of(*map(damaged, PICTURES), st.sampled_from(PICTURES)))
        table = "\n".join(lines).encode()
        return "d", {"d/labels.csv": table, "d/a.png": image, "d/b.png": PICTURES[0]}
    if kind == "mnist":
        images, labels = draw(damaged(IDX)), draw(st.one_of(damaged(LABELS), st.just(LABELS)))
        packed = gzip.compress(images)[: draw(st.sampled_from([20, 10**6]))]
        return "mnist", {
            "mnist/t10k-images-idx3-ubyte.gz": packed,
            "mnist/t10k-labels-idx1-ubyte.gz": gzip.compress(labels),
        }
    batch = draw(damaged((b"\x01" + bytes(3072)) * 3))
    return "cifar10", {"cifar-10-batches-bin/test_batch.bin": batch}


@given(
    data_folders(),
    st.sampled_from(["0 255", "0 255", "0 1", "1 0", "0 nan"]),
    st.sampled_from(["channels_last", "channels_last", "channels_first"]),
    st.sampled_from(["1", "4", "4", "9999"]),
)
def test_data(data, bounds, layout, images):
    name, contents = data
    with world.folder(contents):
        options = f"--data {name} --data-dir . {PGD}"
        more = f"--images {images} --bounds {bounds} --data-format {layout} --out out"
        run("evaluate", "world:logits", *options.split(), *more.split())
        run("evaluate", "tiny/cnn", *options.split(), "--out", "o")


@cache
def weights():
    """{name: files} of valid weights in all formats, from a temporary folder."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(10))
    with world.folder() as folder:
        model.save(folder / "m.keras")
        checkpoints.write(Path("m/madry_mnist/secret/checkpoint-1"), {"a": np.zeros((2, 3), "f4")})
        return {
            "keras": {"m.keras": (folder / "m.keras").read_bytes()},
            "npz": {"m/locuslab/wk_mnist.npz": tiny.FAMILY.own_weights("cnn").read_bytes()},
            "checkpoint": {p: c for p, c in world.files(folder).items() if p.startswith("m/")},
            "pth": {"w.pth": EVIL_PICKLE},
        }


READERS = {
    "keras": f"evaluate m.keras --data d.npz --bounds 0 255 --out out {PGD}",
    "npz": "check_targets locuslab/wk_mnist --images 1 --model-dir m",
    "checkpoint": "check_targets madry_mnist/secret --images 1 --model-dir m",
    "pth": "fetch locuslab/wk_mnist --from w.pth --model-dir m",
}


@given(st.data(), st.sampled_from(sorted(READERS)))
def test_weights(data, kind):
    contents = dict(weights()[kind])
    name = data.draw(st.sampled_from(sorted(contents)))
    other = st.sampled_from([npz(a=np.ones(3)), npz(a=np.array([world.Evil()])), EVIL_PICKLE])
    contents[name] = data.draw(st.one_of(damaged(contents[name]), other))
    with world.folder({**contents, "d.npz": DATA}):
        run(*READERS[kind].split())


@cache
def results():
    """Files of a finished run with two restarts: records and states."""
    with world.folder({"small.yaml": as_yaml(CONFIG)}) as folder:
        assert run(*REPRODUCE.split(), "2") == 0
        ends = (".json", ".npz", "small.yaml")
        return {p: c for p, c in world.files(folder).items() if p.endswith(ends)}


USES = ["tables out/small", "page out/small", "figures out/small", f"{REPRODUCE} 2"]
USES += [f"{REPRODUCE} 3", "submit build out/small -o a.npy"]
USES += ["submit build out/small -o out/small/pgd-xent.npz"]


@given(st.data(), st.sampled_from(USES))
def test_results(data, command):
    contents = dict(results())
    name = data.draw(st.sampled_from(sorted(contents)))
    old = contents[name]
    options = [damaged(old), st.just(EVIL_NPY)]
    if name.endswith(".json"):
        options.append(changed(json.loads(old)).map(lambda new: json.dumps(new).encode()))
    contents[name] = data.draw(st.one_of(options))
    if data.draw(st.booleans()):
        contents.pop(data.draw(st.sampled_from(sorted(contents))))
    # A longer run extends its valid records and states.
    changes = (".json", ".npz") if command.startswith("reproduce") else ()
    with world.folder(contents):
        run(*command.split(), changes=changes)


def archive(kind, names, content):
    """An archive whose members may lie outside the folder or be links."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            for name in names:
                file.writestr(name, content)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../x"
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


MEMBERS = ["model.ckpt.index", "checkpoint", "../x", "/x", ".", "a/../../x", "a\\..\\x", "C:x"]
ARCHIVES = st.builds(
    archive,
    st.sampled_from(["zip", tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
    st.lists(st.sampled_from(MEMBERS), max_size=4, unique=True),
    st.sampled_from([b"", b"x" * 50, bytes(100_000)]),
)


@given(
    st.one_of(ARCHIVES, ARCHIVES.flatmap(damaged)),
    st.sampled_from(["imagenet_ens/ens_adv", "madry_mnist/secret", "cifar10"]),
    st.sampled_from(["secret.zip", "a.tar.gz", "cifar-10-binary.tar.gz", "model.ckpt.index"]),
)
def test_archives(content, name, file):
    there = ["--model-dir", "there", "--data-dir", "there"]
    with world.folder({file: content}):
        run("fetch", name, "--from", file, *there)
        run("fetch", "--list", *there)


FLAGS = [
    "--eps", "--images", "--restarts", "--seed", "--target", "--out", "-o", "--data-dir",
    "--model-dir", "--force", "--list", "--from", "--jit", "--device", "--engine", "--address",
    "--precision", "--bounds", "--data", "--method", "--budget", "--minutes", "--pred",
    "--picture", "--help", "--cpus-per-unit", "--data-format", "--signature", "--hours", "--only",
    "--none", "-x", "--",
]  # fmt: skip
WORDS = [
    "verify", "merge", "compare", "board", "build", "0", "1", "-1", "1e9", "nan", "8/255",
    "tiny/cnn", "madry_mnist/secret", "mnist", "auto", "gpu", "cpu", "on", "off", "ray", "local",
    "pgd", "adaptive", "folder", "file", "pipe", "missing", "link", "folder/file", ".", "..",
    "/dev/null", "file.npz", "file.yaml", "file.keras", "file.npy", "a:b", "json:loads",
    "missing.yaml",
]  # fmt: skip


@given(
    st.sampled_from(sorted(COMMANDS)),
    st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(FLAGS), TEXTS), max_size=6),
)
def test_arguments(name, arguments):
    def stop(*_):
        raise InputError("fuzz: this command would run")

    names = ("file", "folder/file", "file.npz", "file.yaml", "file.keras", "file.npy")
    with world.folder(dict.fromkeys(names, b"a: [1")), pytest.MonkeyPatch.context() as patch:
        patch.setattr("daa.cli.options.start_tensorflow", stop)
        Path("link").symlink_to("file")
        os.mkfifo("pipe")
        run(name, *(argument.replace("\0", "") for argument in arguments))
