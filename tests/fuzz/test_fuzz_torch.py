"""PyTorch's weights: .pth files that are written by hand, so that each part of them can lie.

Where PyTorch is not installed, what stands before it is fuzzed alone.
"""

import importlib.util
import io
import struct
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import mutated, place, refused_or, share

from daa.targets import checkpoints

TORCH = importlib.util.find_spec("torch") is not None
# Names in a pickle: those of weights, and those that run code where they are believed.
KINDS = ["FloatStorage", "BFloat16Storage", "LongStorage", "BoolStorage", "UntypedStorage", "nn"]
CALLS = [
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("builtins", "eval"),
    ("os", "system"),
]
NUMBERS = st.sampled_from([-(2**63), -2, -1, 0, 1, 2, 3, 6, 7, 10**4, 2**31, 2**62, 2**63])
KEYS = st.sampled_from(["0", "1", "2", "../0", "a\0b", ""])
NAMES = st.sampled_from(["a", "b", "state_dict", "epoch", "", "\x00", "é", "x" * 300])


def _text(text):
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _whole(number):
    raw = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def _sizes(numbers):
    return b"(" + b"".join(map(_whole, numbers)) + b"t"


def _tensor(call, kind, key, count, offset, shape, strides):
    storage = b"(" + _text("storage") + f"ctorch\n{kind}\n".encode() + _text(key) + _text("cpu")
    storage += _whole(count) + b"tQ"
    module, name = call
    return (
        f"c{module}\n{name}\n".encode()
        + b"("
        + storage
        + _whole(offset)
        + _sizes(shape)
        + _sizes(strides)
        + b"\x89"
        + b"ccollections\nOrderedDict\n)RtR"
    )


def _state(tensors):
    return b"}(" + b"".join(_text(name) + tensor for name, tensor in tensors) + b"u"


def _file(pickled, records, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + pickled + b".")
        archive.writestr("archive/byteorder", "little")
        for key, content in records.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


SIX = np.arange(6, dtype=np.float32)
HONEST = (CALLS[0], "FloatStorage", "0", 6, 0, (2, 3), (3, 1))
WHOLE = _file(_state([("a", _tensor(*HONEST))]), {"0": SIX.tobytes()})


@st.composite
def files(draw):
    """Weights whose numbers, names, types and records may lie; most of them are honest."""
    tensors = []
    for _ in range(draw(st.integers(0, 3))):
        own = list(HONEST)
        for _ in range(draw(st.integers(0, 2))):
            shape = st.lists(NUMBERS, max_size=4).map(tuple)
            part = draw(st.integers(0, 6))
            kinds = [st.sampled_from(CALLS), st.sampled_from(KINDS), KEYS, NUMBERS, NUMBERS]
            own[part] = draw([*kinds, shape, shape][part])
        tensors.append((draw(NAMES), _tensor(*own)))
    pickled = _state(tensors)
    if draw(st.booleans()):
        pickled = _state([("state_dict", pickled), ("epoch", _whole(3))])
    content = draw(st.sampled_from([SIX.tobytes(), b"", bytes(10**6), bytes(23)]))
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    return _file(pickled, {"0": content, "1": SIX.tobytes()}, method)


def no_torch():
    """What PyTorch's reader does at most: it reads nothing, and refuses some."""
    return SimpleNamespace(load=lambda *_, **__: {}, is_tensor=lambda _: False)


@share(3)
@given(st.one_of(files(), files(), mutated(WHOLE), st.binary(max_size=99)))
def test_weights_of_pytorch(content):
    with place("weights") as folder, pytest.MonkeyPatch.context() as patch:
        if not TORCH:
            patch.setitem(sys.modules, "torch", no_torch())
        (folder / "w.pth").write_bytes(content)
        found = refused_or(checkpoints.read, folder / "w.pth")
        if found is not None:
            sizes = sum(array.nbytes for array in found.values())
            assert sizes <= max(2**30, 100 * len(content)), "more than was in the file"
            selected = refused_or(checkpoints.select, found, {"a": (2, 3)}, "w.pth")
            assert selected is None or selected["a"].shape == (2, 3)


@pytest.mark.skipif(not TORCH, reason="PyTorch is not installed")
def test_a_file_written_by_hand_is_one_of_pytorch(tmp_path):
    (tmp_path / "w.pth").write_bytes(WHOLE)
    (found,) = checkpoints.read(tmp_path / "w.pth").values()
    np.testing.assert_array_equal(found, SIX.reshape(2, 3))
