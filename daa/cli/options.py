"""Arguments that several commands share, and a quiet start of TensorFlow."""

import argparse
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, get_args

from daa.attacks.worst_case import Engine
from daa.errors import InputError, closest
from daa.runs import provenance
from daa.target import Dataset, Precision, Target

_JIT = {"auto": None, "on": True, "off": False}


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, with the most similar right one."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(
            r"invalid choice: '(.*)' \(choose from (.*)\)|arguments: --(\S*)", message
        )
        near = ""
        if wrong:
            known = [name[2:] for name in self._option_string_actions]
            names = re.findall(r"[\w./-]+", wrong[2]) if wrong[2] else known
            near = closest((wrong[1] or wrong[3] or "").partition("=")[0], names)
        raise InputError(f"{self.prog}: {message}{near or f'; {self.prog} --help lists them'}")


def parser(text: str | None, example: str) -> argparse.ArgumentParser:
    """Parser of a command, from the docstring of its module and an example call."""
    name, about = example.split()[0], (text or "").partition("\n")[0]
    return _Parser(f"daa {name}", description=about, **example_last(example))


def example_last(example: str) -> dict:
    layout = argparse.RawDescriptionHelpFormatter
    return {"epilog": f"example: daa {example}", "formatter_class": layout}


def add_folders(to: argparse.ArgumentParser, *, models: bool = True) -> None:
    to.add_argument("--data-dir", help="folder of the data sets (default: DAA_DATA or the cache)")
    if models:
        to.add_argument("--model-dir", help="folder of the weights (default: DAA_MODELS or cache)")


def add_device(to: argparse.ArgumentParser) -> None:
    to.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")


def add_engine(to: argparse.ArgumentParser) -> None:
    add_device(to)
    to.add_argument("--precision", choices=get_args(Precision), help="type of the gradients")
    to.add_argument("--jit", choices=_JIT, default="auto", help="XLA; auto: only on a GPU")
    to.add_argument("--engine", choices=("local", "ray"), default="local")
    to.add_argument("--address", help="Ray cluster (default: start a local cluster)")
    to.add_argument("--cpus-per-unit", type=positive, default=1, help="CPU cores per Ray task")


def jit(args: argparse.Namespace) -> bool | None:
    return _JIT[args.jit]


def check_engine(args: argparse.Namespace) -> bool:
    """Checks the arguments of `add_engine`; returns whether this machine runs the attacks."""
    if args.engine == "local" and args.address is not None:
        raise InputError(f"--address {args.address}: only --engine ray uses an address")
    return not args.address


def engine(
    args: argparse.Namespace, load: partial[Target], sha256: str | None, data: Dataset
) -> Engine | None:
    """The engine that the arguments of `add_engine` choose; None runs in this process."""
    if args.engine == "local":
        return None
    from daa.runs.ray import on_ray

    how = {"jit": jit(args), "address": args.address, "cpus_per_unit": args.cpus_per_unit}
    return on_ray(load, sha256, data.x, data.y, **how)


def parse_results(
    text: str | None, example: str, arguments: list[str] | None
) -> argparse.Namespace:
    """Parses the arguments of a command that reads results."""
    to = parser(text, example)
    to.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all results")
    to.add_argument("--out", type=Path, help="folder of the output (default: the result folders)")
    return to.parse_args(arguments)


def add_quiet(to: argparse.ArgumentParser) -> None:
    to.add_argument("--quiet", action="store_true", help="print only the result and warnings")


def say(quiet: bool) -> Callable[[str], None]:
    return (lambda _: None) if quiet else print


def results_folder(folder: Path, say: Callable[[str], None] = print) -> Path:
    """A folder for the results of a run; another one if the repository has results there."""
    if not provenance.committed(folder):
        return folder
    other = Path("runs") / folder.name
    say(f"{folder} is a committed record; this run writes {other}, or a folder in --out")
    return other


def add_targets(to: argparse.ArgumentParser) -> None:
    to.add_argument("--list-targets", action=_ListTargets, nargs=0, help="print targets and exit")


class _ListTargets(argparse.Action):
    """Prints the targets and exits, as --help does, before other arguments are required."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from tabulate import tabulate

        from daa.reports.wording import before_eps, radius
        from daa.targets import every_target, family, row

        rows = [("target", "eps", "weights", "available", "what it is")]
        for reference in every_target():
            try:
                family(reference).find_weights(reference.partition("/")[2])
                there = "yes"
            except InputError:
                there = "no"
            entry = row(reference)
            eps = f"{before_eps(entry.norm)}{radius(entry.eps)}"
            rows.append((reference, eps, entry.provenance, there, entry.description))
        print(tabulate(rows, tablefmt="plain", disable_numparse=True))
        parser.exit()


def integer(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be an integer of at least {least}, got {text!r}")
    return int(text)


def radius(text: str) -> float:
    """A number or a fraction such as 8/255."""
    from daa.runs.config import fraction

    return float(fraction(text))  # type: ignore[arg-type]


def budget(text: str) -> float | str:
    """A number of gradients, or auto."""
    return text if text == "auto" else float(text)


positive = partial(integer, least=1)


def find_config(text: str) -> Path:
    """Path of a config, from a path or from the name of a config of this project."""
    from daa.runs.config import FOLDER

    if Path(text).suffix or Path(text).exists():
        return Path(text)
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if text not in names:
        near = closest(text, names)
        raise InputError(
            f"config: must be a YAML file or one of {', '.join(names)}; got {text!r}{near}"
        )
    return FOLDER / f"{text}.yaml"


def start_tensorflow(device: str = "auto") -> None:
    """Imports TensorFlow, silences its log and chooses the device."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # of the commands, also where Keras trains with JAX
    # TensorFlow's native code prints notes during the import, and no log level silences them.
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:  # noqa: PTH123
            os.dup2(null.fileno(), 2)
        import tensorflow as tf
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)

    from daa.runs import device as devices

    provenance.git_commit()  # cached now, because a later commit is not the code that runs
    # TensorFlow warns of retracing if a command traces many functions once each.
    tf.get_logger().setLevel("ERROR")
    devices.prepare()
    devices.use(device)
