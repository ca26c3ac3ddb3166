"""Commands whose standard streams are closed, full, no longer read, or of another encoding."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daa.cli import main as console
from daa.errors import InputError
from daa.targets import fetch

SAY = """
import sys, warnings
from daa.cli import main as console
from daa.errors import InputError
def main():
    {}
raise SystemExit(console.run(main))
"""
PRINT = SAY.format("print('≤ ' * 5); print('x' * 100_000)")


def run(code, shell=None, **options):
    command = [sys.executable, "-c", code]
    if shell is not None:
        command = ["bash", "-c", f'set -o pipefail; "$0" "$@" {shell}', *command]
    return subprocess.run(command, capture_output=True, timeout=300, **options)


@pytest.mark.parametrize("code", [PRINT, SAY.format("print('short')")])
def test_a_full_stdout_is_one_line(code):
    done = run(code, "> /dev/full")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"stdout: expected to write there, got No space left on device\n"


def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word():
    done = run(PRINT, "| head -1")
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout.decode() == "≤ " * 5 + "\n"


def test_closed_streams_are_as_if_nobody_looked(tmp_path):
    code = SAY.format(
        "print('x'); print('y', file=sys.stderr); warnings.warn('z')\n"
        f"    file = open({str(tmp_path / 'file')!r}, 'w'); print(file.fileno(), file=file)"
    )
    done = run(code, "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert int((tmp_path / "file").read_text()) > 2
    done = run(SAY.format("raise InputError('a: expected b, got c')"), "2>&-")
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_full_stderr_ends_no_run():
    code = "from tqdm import tqdm\n" + SAY.format(
        "[None for _ in tqdm(range(3))]; warnings.warn('z'); print('done')"
    )
    done = run(code, "2> /dev/full")
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_a_terminal_shows_what_its_encoding_lacks_by_escapes():
    code = SAY.format("print('é ≤ \\ud800'); raise InputError('a: expected ≤, got \\ud800')")
    done = run(code, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 2
    assert done.stdout == b"\xe9 \\u2264 \\ud800\n"
    assert done.stderr == b"a: expected \\u2264, got \\ud800\n"


def test_help_that_nobody_reads():
    code = "from daa.experiments import console; raise SystemExit(console.main({!r}))"
    for arguments in (["--help"], ["--version"], ["tables", "--help"]):
        done = run(code.format(arguments), "> /dev/full")
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"stdout: expected to write there")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a:\n  expected b,\tgot c"), "a: expected b, got c"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "data/x"),
            "data/x: expected to use it, got No such file or directory",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "OSError: expected to use it, got Ca"),
        (ConnectionResetError("gone"), "ConnectionResetError: expected to use it, got gone"),
        (MemoryError(), "memory: expected enough for these images, got none left"),
    ],
)
def test_every_error_of_a_user_is_one_line(error, line, capsys, monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)

    def fails():
        raise error

    assert console.run(fails) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert "Errno" not in said


def test_the_streams_are_put_back(monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)
    before = sys.stdout, sys.stderr
    assert console.run(lambda: 0) == 0
    with pytest.raises(ZeroDivisionError):
        console.run(lambda: 1 // 0)
    assert (sys.stdout, sys.stderr) == before


def test_an_interrupt_while_tensorflow_is_imported_ends_in_one_line(tmp_path):
    """A module in TensorFlow's place waits as its import does, and would swallow the interrupt."""
    package = tmp_path / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import os, signal, time\n"
        "os.write(2, b'a note of native code')\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "except BaseException as error:\n"
        "    raise ImportError('numpy.core.multiarray failed to import') from error\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + SAY.format(
        "console.start_tensorflow()"
    )
    done = run(code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr.decode().splitlines() == [
        "interrupted; what is finished is kept, the same command goes on from there"
    ]


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def unknown(_: str) -> str:
        return "~"

    for name in ("HOME", "XDG_CACHE_HOME", "DAA_DATA", "DAA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", unknown)
    message = "cache: no home folder; set DAA_DATA and DAA_MODELS, or XDG_CACHE_HOME, to a folder"
    with pytest.raises(InputError, match=message):
        fetch.data_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert fetch.model_folder() == Path("/cache/daa/models")
