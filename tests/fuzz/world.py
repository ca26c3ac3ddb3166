"""What a fuzz runs in: a folder of its own, a deadline, and the one property that always holds.

A command ends with a result, or with exit status 2 and one line. It shows no traceback, ends in
time, leaves its inputs as they were and touches nothing outside its folder.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from daa import targets
from daa.cli import main as console
from daa.errors import InputError

SECONDS = 60  # a case takes milliseconds; a busy machine may need far more
RAN: Counter[str] = Counter()


def share(part: float) -> Callable:
    """The part of all cases that a fuzz takes, relative to the others."""

    def mark(test: Callable) -> Callable:
        test.share = part
        return test

    return mark


def prepare(patch) -> None:
    """Reads TensorFlow, targets and data sets once, and lets nothing reach the network."""
    console.start_tensorflow()
    for name in ("load_target", "load_dataset"):
        patch.setattr(targets, name, _once(getattr(targets, name)))

    def offline(*_, **__):
        raise InputError("network: expected none in a fuzz, got a download")

    # A process may choose its devices only once, before TensorFlow has begun.
    patch.setattr("tensorflow.config.set_visible_devices", lambda *_: None)
    patch.setattr("urllib.request.urlopen", offline)
    patch.setattr("socket.create_connection", offline)
    # Reports without a folder are written for all results of this checkout.
    patch.setattr("daa.runs.config.RESULTS", Path("none"))


def _once(load: Callable) -> Callable:
    kept = functools.lru_cache(maxsize=4)(load)

    def loaded(reference, *args, **options):
        if reference != "tiny/cnn":  # others may read files that a case has written
            return load(reference, *args, **options)
        images = args[2] if len(args) > 2 else options.get("images")
        whole = kept(reference, *args[:1])
        return whole.first(images) if load.__name__ == "load_dataset" else whole

    return loaded


class TooLong(BaseException):
    """A case that does not end; no `except Exception` may swallow it."""


@contextmanager
def deadline() -> Iterator[None]:
    def late(*_):
        raise TooLong

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def seen(folder: Path) -> dict[str, bytes | str]:
    """Everything that lies in a folder: names, contents, links."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = "folder" if path.is_dir() else "other"
    return found


@contextmanager
def place(kind: str) -> Iterator[Path]:
    """A working folder, deep inside another one that must stay as it is."""
    RAN[kind] += 1
    before, where = os.getcwd(), tempfile.mkdtemp(prefix="fuzz-")  # noqa: PTH109
    root = Path(where)
    try:
        inside = root / "a" / "b" / "work"
        inside.mkdir(parents=True)
        for folder in (root, root / "a", root / "a" / "b"):
            (folder / "x").write_text("untouched")
        os.chdir(inside)
        yield inside
        os.chdir(before)
        around = {name: what for name, what in seen(root).items() if "work/" not in name}
        assert around == {
            "a": "folder",
            "a/b": "folder",
            "a/b/work": "folder",
            **{f"{name}x": b"untouched" for name in ("", "a/", "a/b/")},
        }
    finally:
        os.chdir(before)
        shutil.rmtree(root, ignore_errors=True)


def command(folder: Path, arguments: list[str], name: str | None = None) -> tuple[int, str, str]:
    """Runs a command in this process; checks that it ends as every command must.

    Returns:
        Its status, and what it wrote to stdout and stderr.
    """
    inputs = seen(folder)
    out, error = io.StringIO(), io.StringIO()
    shown = warnings.showwarning
    with warnings.catch_warnings(), deadline():
        warnings.simplefilter("always", UserWarning)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                status = console.main(arguments)
            except SystemExit as ended:  # argparse
                status = int(ended.code or 0)
            except Exception:
                traceback.print_exc(file=sys.__stderr__)
                raise
            finally:
                warnings.showwarning = shown
    said = [line for line in error.getvalue().splitlines() if not _aside(line)]
    assert status in (0, 2), (status, said)
    assert "Traceback" not in error.getvalue(), error.getvalue()
    if status == 2 and said[:1] != [] and said[0].startswith("usage: "):
        # argparse shows the usage before the mistake, and arguments at any length.
        said = [line[:100] for line in said[-1:]]
    assert len(said) == (1 if status == 2 else 0), said
    assert all(len(line) < 2000 and "Errno" not in line for line in said), said
    after = seen(folder)
    for path, content in inputs.items():
        assert after.get(path) == content, f"{path} is another file now"
    return status, out.getvalue(), error.getvalue()


def _aside(line: str) -> bool:
    """Warnings and progress bars."""
    return not line.strip() or line.startswith("warning: ") or "image-step" in line


def refused_or(call: Callable, *args: object, **options: object) -> object:
    """What a function returns; None where it refuses its input as it should."""
    with warnings.catch_warnings(), deadline():
        warnings.simplefilter("ignore")
        try:
            return call(*args, **options)
        except InputError as error:
            text = str(error)
            assert text, "an empty message"
            assert len(text.splitlines()) == 1, text
            assert len(text) < 2000, text
            assert "Errno" not in text, text
            return None


# Values that nobody expects, of every kind that Python and YAML have.
ODD_NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**63, -(2**63), 10**12, 10**60, 0.0, -0.0, 1e308, 1e-320, 0.1, 0.5]),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    st.floats(),
)
ODD_TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "a",
            "pgd",
            "xent",
            "8/255",
            "eps/20",
            "9" * 400,
            "1/0",
            "../x",
            "/",
            ".",
            "..",
            "a\nb",
            "\x00",
            "\ud800",
            "$\\frac{",
            "\\input{x}",
            "é≤",
            "-",
            "--",
            "tiny/cnn",
            "tiny/../../x",
            "tiny/",
            "null",
            "x" * 3000,
            "𓀀" * 20,
            "%s{}",
            "best",
            "target",
        ]
    ),
    st.text(max_size=12),
)
ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), ODD_NUMBERS, ODD_TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(ODD_TEXTS, inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def mutated(draw, content: bytes) -> bytes:
    """Bytes with some places changed, cut out, repeated or filled in."""
    found = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        # Headers are short and decide most; so every second place is among the first bytes.
        at = min(at, draw(st.integers(0, 160))) if draw(st.booleans()) else at
        how = draw(st.sampled_from(["change", "insert", "cut", "end", "repeat"]))
        new = draw(st.binary(min_size=1, max_size=8))
        if how == "change":
            found[at : at + len(new)] = new
        elif how == "insert":
            found[at:at] = new
        elif how == "cut":
            del found[at : at + draw(st.integers(1, 64))]
        elif how == "end":
            del found[at:]
        else:
            found[at:at] = found[at : at + 64] * draw(st.integers(1, 20))
    return bytes(found)


@st.composite
def changed(draw, content: object) -> object:
    """A JSON document with some values or keys replaced, removed or added."""
    if isinstance(content, dict):
        found = dict(content)
        for _ in range(draw(st.integers(0, 3))):
            key = draw(st.sampled_from(sorted(map(str, found)) or [""]))
            how = draw(st.sampled_from(["odd", "inside", "remove", "add"]))
            if how == "odd":
                found[key] = draw(ODD)
            elif how == "inside" and isinstance(found.get(key), (dict, list)):
                found[key] = draw(changed(found[key]))
            elif how == "remove":
                found.pop(key, None)
            else:
                found[draw(ODD_TEXTS)] = draw(ODD)
        return found
    if isinstance(content, list) and content:
        found = list(content)
        for _ in range(draw(st.integers(1, 2))):
            found[draw(st.integers(0, len(found) - 1))] = draw(ODD)
        return found[: draw(st.integers(0, len(found)))] if draw(st.booleans()) else found
    return draw(ODD)
