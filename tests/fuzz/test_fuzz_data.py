"""Data sets: .npz files, folders of images, idx, CIFAR-10, ImageNet."""

import gzip
import io
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from world import ODD_TEXTS, mutated, place, refused_or, share

from daa import targets
from daa.targets import user_data as data

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def picture(form, mode="L"):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0, ..., 0]).convert(mode).save(buffer, form)
    return buffer.getvalue()


PICTURES = [picture("PNG"), picture("JPEG"), picture("GIF"), picture("TIFF", "F"), picture("BMP")]
GOOD = npz(x=PIXELS, y=np.arange(4))
PICKLED = npz(x=np.array([None, len]), y=np.arange(2))
KINDS = st.sampled_from(["f4", "f8", "f2", "u1", "i8", "i4", "b1", "U2", "c8", "M8[s]"])
SHAPES = st.sampled_from(
    [
        (4, 8, 8, 1),
        (4, 8, 8, 3),
        (4, 3, 8, 8),
        (4, 8, 8),
        (4,),
        (4, 1),
        (4, 10),
        (0, 8, 8, 1),
        (),
        (1,),
    ]
)


@st.composite
def sets(draw):
    names = draw(st.lists(st.sampled_from(["x", "y", "z", "../x"]), max_size=3, unique=True))
    return npz(**{name: draw(hnp.arrays(draw(KINDS), draw(SHAPES))) for name in names})


@share(4)
@given(
    st.one_of(mutated(GOOD), sets(), st.just(PICKLED), st.binary(max_size=100)),
    st.sampled_from([None, (0, 255), (1, 0), (0, float("nan")), (0, 1, 2), ("0", 1)]),
    st.sampled_from([None, "channels_first", "channels_last", "other"]),
    st.sampled_from([None, 1, 2, 9, -1]),
)
def test_npz_files(content, bounds, layout, images):
    with place("data sets") as folder:
        (folder / "d.npz").write_bytes(content)
        options = {"bounds": bounds, "data_format": layout, "images": images}
        found = refused_or(data.load, str(folder / "d.npz"), **options)
        if found is not None:
            (whole, _) = found
            assert len(whole.x) == len(whole.y) > 0
            assert whole.x.dtype == np.float32
            assert 0 <= whole.x.min() <= whole.x.max() <= 1


LINES = st.one_of(
    st.sampled_from(
        [
            "file,label",
            "a.png,1",
            "b.png,2",
            "a.png",
            "a.png,-1",
            "a.png," + "9" * 5000,
            "../x,1",
            ".,1",
            "a.png,١",
            '"',
            "pipe,1",
            ",",
            "\x00,1",
            "a.png,1,2",
        ]
    ),
    ODD_TEXTS,
)


@share(3)
@given(
    st.lists(LINES, max_size=4),
    st.one_of(*[mutated(content) for content in PICTURES]),
    st.sampled_from(["labels.csv", "imagenet/labels.csv"]),
)
def test_folders_of_images(lines, content, labels):
    with place("data sets") as folder:
        table = folder / labels
        table.parent.mkdir(exist_ok=True)
        table.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        for name in ("a.png", "b.png"):
            (table.parent / name).write_bytes(content)
        if labels == "labels.csv":
            refused_or(data.load, str(folder))
        else:
            refused_or(targets.load_dataset, "imagenet_ens/ens_adv", data_dir=folder)


IMAGES = b"\0\0\x08\x03" + struct.pack(">3I", 4, 8, 8) + PIXELS.tobytes()
LABELS = b"\0\0\x08\x01" + struct.pack(">I", 4) + bytes([1, 2, 3, 4])
CIFAR = (b"\x01" + bytes(3072)) * 3


@share(3)
@given(mutated(IMAGES), mutated(LABELS), mutated(CIFAR), st.booleans(), st.booleans())
def test_files_of_the_papers_data_sets(images, labels, cifar, packed, damaged):
    with place("data sets") as folder:
        (folder / "mnist").mkdir()
        for name, content in {"images-idx3": images, "labels-idx1": labels}.items():
            path = folder / "mnist" / f"t10k-{name}-ubyte"
            if packed:
                path, content = path.with_name(path.name + ".gz"), gzip.compress(content)
                content = content[: len(content) // 2] if damaged else content
            path.write_bytes(content)
        (folder / "cifar-10-batches-bin").mkdir()
        (folder / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(cifar)
        for name in ("mnist", "cifar10"):
            refused_or(data.load, name, data_dir=folder, images=1)
