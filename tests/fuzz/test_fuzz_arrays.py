"""Arrays for the boards, in every command that takes them."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from world import command, mutated, place, share

from daa import targets

IMAGES = 6


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=True, **options)
    return buffer.getvalue()


X = targets.load_dataset("tiny/cnn").x[:IMAGES].reshape(IMAGES, 64)
GOOD = npy(np.clip(X + 0.1, 0, 1))
HEADERS = st.sampled_from(
    [
        "(6, 64)",
        "(6,)",
        "(-6, 64)",
        "(True, 64)",
        "(6, 64, 0)",
        f"({10**40}, 64)",
        "6",
        "None",
        "(6.0, 64)",
        f"({2**62}, {2**62})",
        "([6], 64)",
        "(6, 64",
        "__import__('os')",
        "(0, 64)",
    ]
)
TYPES = st.sampled_from(
    [
        "<f4",
        "<f8",
        "|u1",
        "|b1",
        "<i8",
        ">f4",
        "|O",
        "<U3",
        "<M8[s]",
        "<c8",
        "<f2",
        "|V8",
        "f4,f4",
        "<f99",
        "",
        "x",
        "<g16",
    ]
)


@st.composite
def lying(draw):
    """A header that says something else than what follows."""
    order = draw(st.sampled_from(["True", "False", "1", "None"]))
    text = f"{{'descr': {draw(TYPES)!r}, 'fortran_order': {order}, 'shape': {draw(HEADERS)}, }}"
    text += " " * draw(st.integers(0, 70)) + "\n"
    version = draw(st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]))
    size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode() + draw(st.binary(max_size=40)) * 40


ARRAYS = hnp.arrays(
    st.sampled_from(["f4", "f8", "f2", "u1", "i4", "i8", "b1", "U2", "c8", "M8[s]"]),
    st.sampled_from([(IMAGES, 64), (IMAGES, 8, 8, 1), (IMAGES,), (), (0, 64), (5, 64), (64, 6)]),
)
PICKLED = npy(np.array([None, {"a": 1}, len]))
FILES = st.one_of(
    st.just(PICKLED),
    mutated(GOOD),
    lying(),
    ARRAYS.map(npy),
    st.binary(max_size=200),
    st.just(GOOD),
)


@share(5)
@given(
    FILES,
    st.sampled_from(["verify", "merge", "compare", "board"]),
    st.sampled_from(["a.npy", "pred.npy", "compare.png", "a.npz", "a"]),
    st.sampled_from([[], ["--eps", "0.1"], ["--eps", "0"], ["--eps", "inf"], ["--eps", "nan"]]),
    st.sampled_from([str(IMAGES), "500", "0", "9999999999"]),
)
def test_every_command(content, name, file, eps, images):
    with place("arrays") as folder:
        (folder / file).write_bytes(content)
        (folder / "good.npy").write_bytes(GOOD)
        about = ["--target", "tiny/cnn", *eps, "--images", images]
        rest = {
            "verify": [file, *about],
            "merge": [file, "good.npy", "-o", "merged.npy", *about],
            "compare": ["good.npy", file, "--picture", "shown.png", *about],
            "board": [file, "--target", "madry_mnist/secret"],
        }
        command(folder, ["submit", name, *rest[name]])
