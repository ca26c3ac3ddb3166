"""The program `daa`: a table of commands, errors in one line, exit codes.

Exit codes: 0 success, 1 a check failed, 2 an error of the user, 130 interrupted, 141 closed pipe.
`python -X dev -m daa ...` shows the traceback of an error.
"""

import argparse
import functools
import importlib
import os
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import daa
from daa.errors import InputError, closest

# {command: (module with its `main`, help)}. Only the module of the called command is imported.
COMMANDS = {
    "ablation": ("benchmarks.ablation", "Measure the effect of each component of Adaptive DAA."),
    "benchmark": ("benchmarks.speed", "Compare the speed of attacks with other libraries."),
    "check": ("daa.cli.check", "Check whether a GPU computes the attack as the CPU does."),
    "check_targets": ("daa.cli.check_targets", "Check the accuracy and gradients of all targets."),
    "compare": ("daa.cli.compare", "Evaluate several classifiers on the same images."),
    "evaluate": ("daa.cli.evaluate", "Attack a classifier and check the attack itself."),
    "fetch": ("daa.cli.fetch", "Download and verify weights and data sets."),
    "figures": ("daa.cli.figures", "Draw the figures of results from their records."),
    "page": ("daa.cli.page", "Write the web page of all results from their records."),
    "paper": ("daa.cli.paper", "Reproduce the whole paper and write a report with verdicts."),
    "quickstart": ("daa.cli.quickstart", "Attack digits with PGD and Adaptive DAA in a minute."),
    "reproduce": ("daa.cli.reproduce", "Run one experiment and write its tables."),
    "submit": ("daa.cli.submit", "Build, verify and rank arrays for the leaderboards."),
    "tables": ("daa.cli.tables", "Write the tables of results from their records."),
    "train": ("daa.cli.train", "Train a network adversarially from a recipe."),
}
# pydantic's errors and those of JSON are ValueErrors.
_LIBRARIES = (ValueError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error)
_LONGEST_LINE = 1500


def command(main: Callable[[list[str] | None], int | None]) -> Callable[..., int]:
    """Decorator for the `main` of a command: reports errors and returns the exit code."""

    @functools.wraps(main)
    def run(arguments: list[str] | None = None) -> int:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: _report(f"warning: {message}")
                status = main(arguments) or 0
            sys.stdout.flush()
            return status
        except SystemExit as stop:  # argparse
            return int(stop.code or 0)
        except KeyboardInterrupt:
            _report("interrupted; the same command continues from the last saved state")
            return 130
        except BrokenPipeError:
            # Python flushes standard output once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (OSError, MemoryError, *_LIBRARIES) as error:
            if sys.flags.dev_mode:
                raise
            _report(describe(error))
            return 2

    return run


def describe(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, MemoryError):
        text = "not enough memory; attack fewer images, for example with --images 1000"
    elif isinstance(error, OSError):
        where = type(error).__name__ if error.filename is None else error.filename
        text = f"{where}: {error.strerror or error}"
    elif not isinstance(error, InputError):
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, ValueError):  # may be a bug
            text += "; `python -X dev -m daa ...` shows where"
    line, half = " ".join(text.split()), _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def _report(text: str) -> None:
    print(text, file=sys.stderr)


@command
def main(arguments: list[str] | None = None) -> int:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="daa",
        usage="daa COMMAND ...",
        description=f"{(daa.__doc__ or '').partition(chr(10))[0]}\n\n{commands}",
        epilog="`daa COMMAND --help` explains a command.\n\nexample: daa quickstart",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"daa {daa.__version__}")
    parser.add_argument("name", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args((sys.argv[1:] if arguments is None else arguments) or ["--help"])
    if args.name not in COMMANDS:
        near = closest(args.name, COMMANDS) or f"; the commands are {', '.join(COMMANDS)}"
        raise InputError(f"daa: no command {args.name!r}{near}")
    module, _ = COMMANDS[args.name]
    if module.startswith("benchmarks."):
        checkout = Path(daa.__file__).parents[1]
        if not (checkout / "benchmarks" / "__init__.py").exists():
            raise InputError(
                f"daa {args.name}: the installed package has no benchmarks; "
                f"run `python scripts/{args.name}.py` in a checkout of the repository"
            )
        sys.path.append(str(checkout))
    return importlib.import_module(module).main(args.rest)
