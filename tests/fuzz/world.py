"""The property of every fuzz case, and strategies for odd values and damaged files.

A command ends with exit code 0 or 1 and a result, or with exit code 2 and one line. It ends in
time, shows no traceback, leaves its inputs unchanged, writes only below its folder, and executes
no pickle.
"""

import contextlib
import io
import os
import pickle
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from daa.cli.main import main

SECONDS = 120
MISSING = Path("/missing")


@contextmanager
def folder(contents: Mapping[str, bytes] | None = None) -> Iterator[Path]:
    """A new working folder with files; the folders around it must stay unchanged."""
    before, root = Path.cwd(), Path(tempfile.mkdtemp(prefix="fuzz-"))
    inside = root / "a" / "b"
    inside.mkdir(parents=True)
    (root / "x").write_text("unchanged")
    for name, content in (contents or {}).items():
        path = inside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.chdir(inside)
    try:
        yield inside
        around = [path for path in files(root) if not path.startswith("a/b/")]
        assert around == ["x"], around
        assert (root / "x").read_text() == "unchanged"
    finally:
        os.chdir(before)
        shutil.rmtree(root, ignore_errors=True)


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def run(*arguments: str, changes: tuple[str, ...] = ()) -> int:
    """Runs a command in the working folder and checks the property; returns its exit code.

    The command may change files with the endings `changes`.
    """
    before = files(Path.cwd())
    out, error = io.StringIO(), io.StringIO()
    with deadline(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = main(list(arguments))
    # Warnings and progress bars may stay.
    aside = re.compile(r"\s*$|warning: |.*(%\||it/s)")
    lines = [line for line in error.getvalue().splitlines() if not aside.match(line)]
    assert status in (0, 1, 2), (arguments, status, lines)
    if status == 2 and lines[0].startswith("usage: "):
        lines = lines[-1:]  # argparse prints its usage before the error
    assert len(lines) == (1 if status == 2 else 0), (arguments, lines)
    assert "Traceback" not in error.getvalue()
    after = files(Path.cwd())
    changed = [name for name, content in before.items() if after.get(name) != content]
    assert not [name for name in changed if not name.endswith(changes or "/")], changed
    assert not any("executed" in name for name in after), "a pickle was executed"
    return status


class TooLate(BaseException):
    """The command exceeded its deadline; no `except Exception` catches this."""


@contextmanager
def deadline() -> Iterator[None]:
    def late(*_):
        raise TooLate

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def logits(x):
    """A network for `evaluate world:logits`."""
    return tf.reshape(x, [-1, 64])[:, :10]


class Evil:
    """A pickle that writes the file `executed` when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


EVIL_NPY = npy(np.array([Evil(), None], dtype=object))
EVIL_PICKLE = pickle.dumps({"state_dict": Evil()})

NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, -(2**63), 10**60, -0.0, 1e308, 1e-320, 0.1, 0.5]),
    st.floats(),  # with infinities and nan
)
ODD_TEXTS = [
    "", " ", "a", "pgd", "8/255", "1/0", "9" * 400, "../x", "/", "..", "a\nb", "\x00", "é≤", "--",
    "tiny/cnn", "tiny/../../x", "x" * 3000, "%s{}", "target", "$\\frac{", "null",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(st.characters(codec="utf-8"), max_size=12))
ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
# Values of fields that decide the time of a run.
SHORT = st.sampled_from([0, -1, 1, 2, 1.5, "2", None, float("nan"), True, [], "x"])
LONG_FIELDS = ("steps", "restarts", "budget", "epochs", "steps_per_shuffle", "holdout", "seeds")


@st.composite
def changed(draw: Callable, content: object) -> object:
    """A JSON document with replaced, removed or added values."""
    if isinstance(content, dict):
        result = dict(content)
        for _ in range(draw(st.integers(0, 3))):
            key = draw(st.sampled_from(sorted(result) or [""]))
            how = draw(st.sampled_from(["odd", "inside", "remove", "add"]))
            if how == "odd":
                result[key] = draw(SHORT if key in LONG_FIELDS else ODD)
            elif how == "inside" and isinstance(result.get(key), (dict, list)):
                result[key] = draw(changed(result[key]))
            elif how == "remove":
                result.pop(key, None)
            else:
                result[draw(TEXTS)] = draw(ODD)
        return result
    if isinstance(content, list) and content:
        result = list(content)
        result[draw(st.integers(0, len(result) - 1))] = draw(changed(result[0]))
        return result[: draw(st.integers(0, len(result)))] if draw(st.booleans()) else result
    return draw(ODD)


@st.composite
def damaged(draw: Callable, content: bytes) -> bytes:
    """Bytes with changes, insertions, cuts and repetitions; no digit is inserted."""
    result = bytearray(content)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(result) - 1, 0)))
        # Half of the changes hit the header.
        at = min(at, draw(st.integers(0, 160))) if draw(st.booleans()) else at
        how = draw(st.sampled_from(["change", "insert", "cut", "end", "repeat"]))
        new = bytes(b for b in draw(st.binary(min_size=1, max_size=8)) if not 48 <= b <= 57)
        if how == "change":
            result[at : at + len(new)] = new
        elif how == "insert":
            result[at:at] = new
        elif how == "cut":
            del result[at : at + draw(st.integers(1, 64))]
        elif how == "end":
            del result[at:]
        else:
            result[at:at] = b"," + result[at : at + 64] * draw(st.integers(1, 20))
    return bytes(result)
