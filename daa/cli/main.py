"""The command line: commands and configs by name, mistakes in one line, a quiet start."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import daa
from daa.cli import streams
from daa.errors import InputError

# What users may set themselves: TensorFlow's notes on the processor, Ray's messages to its makers.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "1", "RAY_USAGE_STATS_ENABLED": "0"}
# Characters of an error's line; a path that is no path may have thousands.
_LONGEST = 1500
_INTERRUPTED = "interrupted; what is finished is kept, the same command goes on from there"


def main(arguments: list[str] | None = None) -> int:
    """The command `daa NAME ...`.

    Args:
        arguments: of the command; None for those of this process.

    Returns:
        The exit status.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        return run(lambda: print(overview()))
    if name == "--version":
        return run(lambda: print(f"daa {daa.__version__}"))
    return run(lambda: _imported(_path(name)).main(rest))


def script(path: str) -> int:
    """The command of a script that is run by its path: `python scripts/NAME.py` is `daa NAME`."""
    return run(lambda: _imported(Path(path)).main(sys.argv[1:]))


def run(main: Callable[[], int | None]) -> int:
    """Runs the `main` of a script; a user's mistake ends in one line and exit status 2.

    Returns:
        The exit status: 130 after an interrupt, 141 where nobody reads stdout any more.
    """
    with streams.usable():
        warnings.showwarning = lambda message, *_: _say(f"warning: {message}")
        try:
            status = main() or 0
            sys.stdout.flush()
        except KeyboardInterrupt:
            _say(_INTERRUPTED)
            return 130
        except streams.ReaderGone:
            streams.abandon()
            return 141
        except (InputError, OSError, MemoryError) as error:
            _say(line(error))
            _flushed()
            return 2
        except SystemExit:
            _flushed()
            raise
    return status


def line(error: BaseException) -> str:
    """An error in one line: where, what was expected, what was got; its middle cut if endless."""
    text = _whole_line(error)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


def _whole_line(error: BaseException) -> str:
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "memory: expected enough for these images, got none left; fewer images fit"
    assert isinstance(error, OSError)
    where = error.filename if error.filename is not None else type(error).__name__
    return " ".join(f"{where}: expected to use it, got {error.strerror or error}".split())


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _flushed() -> None:
    """Writes what is left for stdout; where that fails, what went wrong before is said already."""
    try:
        sys.stdout.flush()
    except (InputError, streams.ReaderGone):
        streams.abandon()


def command(name: str) -> ModuleType:
    """The module of a command, imported from its file.

    Raises:
        InputError: no such command.
    """
    return _module(_path(name))


def _path(name: str) -> Path:
    """The file of a command."""
    paths = _commands()
    if name not in paths:
        raise InputError(f"daa: expected one of {', '.join(paths)}, got {name!r}")
    return paths[name]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"daa.scripts.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _imported(path: Path) -> ModuleType:
    """The module of a command, during whose import an interrupt ends the process."""
    with _ending_at_once(2):
        return _module(path)


def overview() -> str:
    """The text of `daa --help`. It is read from the files of the commands, which are not run."""
    lines = ["usage: daa COMMAND ...", "", daa.__doc__.splitlines()[0] if daa.__doc__ else "", ""]
    paths = _commands()
    width = max(map(len, paths))
    for name, path in paths.items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(f"  {name:{width}}  {text.partition(chr(10))[0]}")
    lines += ["", "`daa COMMAND --help` explains a command.", "", "example: daa quickstart"]
    return "\n".join(lines)


def _commands() -> dict[str, Path]:
    """The files of the commands: a wheel holds them in the package, a checkout beside it."""
    package = Path(daa.__file__).parent
    folder = package / "scripts"
    folder = folder if folder.is_dir() else package.parent / "scripts"
    return {path.stem: path for path in sorted(folder.glob("[a-z]*.py"))}


def find_config(text: str) -> Path:
    """The file of a config that is given by its path, or by its name as in `quickstart`.

    Raises:
        InputError: neither a path nor a name of a config that comes with this project.
    """
    from daa.runs.config import FOLDER

    path = Path(text)
    if path.suffix or path.exists():
        return path
    named = FOLDER / f"{text}.yaml"
    if not named.exists():
        names = ", ".join(p.stem for p in sorted(named.parent.glob("*.yaml")))
        raise InputError(f"config: expected a YAML file or one of {names}; got {text!r}")
    return named


def parser(text: str | None, example: str) -> argparse.ArgumentParser:
    """The parser of a script; its help ends with an example.

    Args:
        text: the docstring of the script, whose first line says what the command does.
        example: as it follows `daa`; its first word is the name of the command.
    """
    return argparse.ArgumentParser(
        prog=f"daa {example.split()[0]}",
        description=(text or "").partition("\n")[0],
        **ending(example),
    )


def ending(example: str) -> dict:
    """Options of a parser, or of a subparser, that put an example at the end of its help."""
    return {
        "epilog": f"example: daa {example}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def add_folders(to: argparse.ArgumentParser, *, data: bool = True, models: bool = True) -> None:
    """Adds the arguments that name the folders of data sets and weights."""
    if data:
        to.add_argument("--data-dir", help="folder of the data sets (else DAA_DATA, or the cache)")
    if models:
        to.add_argument("--model-dir", help="folder of the weights (else DAA_MODELS, or the cache)")


def add_engine(to: argparse.ArgumentParser) -> None:
    """Adds the arguments that say on what the attacks run."""
    to.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    to.add_argument(
        "--jit", choices=("auto", "on", "off"), default="auto", help="XLA; auto: on a GPU only"
    )
    to.add_argument("--engine", choices=("local", "ray"), default="local")
    to.add_argument("--address", help="of a Ray cluster; else a cluster is started here")
    to.add_argument(
        "--cpus-per-unit", type=positive, default=1, help="cores of a restart under Ray"
    )


def add_out(to: argparse.ArgumentParser) -> None:
    """Adds the argument that names the folder into which reports of result folders go."""
    to.add_argument(
        "--out", type=Path, help="a folder for each result folder goes here (default: beside it)"
    )


def add_quiet(to: argparse.ArgumentParser) -> None:
    """Adds the argument that leaves only the result, warnings and mistakes."""
    to.add_argument(
        "--quiet", action="store_true", help="print the result alone: no progress, no notes"
    )


def say(quiet: bool) -> Callable[[str], None]:
    """What takes notes on the way: `print`, or nothing for a user who wants the result alone."""
    return (lambda _: None) if quiet else print


def add_targets(to: argparse.ArgumentParser) -> None:
    """Adds the argument that lists the targets and ends the command."""
    to.add_argument("--list-targets", action=_ListTargets, nargs=0, help="print them, and stop")


class _ListTargets(argparse.Action):
    """Prints the targets as soon as it is read, as --help does, so that nothing else is needed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from daa.cli import listing

        print(listing.text())
        parser.exit()


def positive(text: str) -> int:
    """A whole number above 0, as an argument."""
    return whole(text, least=1)


def whole(text: str, least: int = 0) -> int:
    """A whole number that is not negative, as an argument."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number >= {least}, got {text!r}")
    return int(text)


def start_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs.

    An interrupt ends the process at once: native code would turn it into other errors.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "tensorflow" in sys.modules:
        return
    with _ending_at_once(2):
        import tensorflow as tf

        from daa.runs import device

        device.prepare()
        # Commands such as the benchmark trace many functions once each, which TensorFlow takes
        # for needless retracing of one.
        tf.get_logger().setLevel("ERROR")


@contextmanager
def _ending_at_once(stderr: int) -> Iterator[None]:
    """Meanwhile an interrupt ends the process; `stderr` is the descriptor for its message."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def end(*_: object) -> None:
        with contextlib.suppress(OSError):
            os.write(stderr, f"{_INTERRUPTED}\n".encode())
        os._exit(130)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
