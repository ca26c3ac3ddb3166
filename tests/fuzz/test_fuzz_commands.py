"""Command lines: every command with arguments that are odd, missing or contradict each other."""

import importlib
import os
from contextlib import ExitStack
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from world import ODD_TEXTS, command, place, share

from daa.cli import main as console
from daa.errors import InputError

COMMANDS = sorted(console._commands())
FLAGS = [
    "--eps",
    "--images",
    "--restarts",
    "--seed",
    "--target",
    "--out",
    "-o",
    "--data-dir",
    "--model-dir",
    "--force",
    "--list",
    "--from",
    "--jit",
    "--device",
    "--engine",
    "--address",
    "--precision",
    "--bounds",
    "--data",
    "--method",
    "--budget",
    "--minutes",
    "--pred",
    "--picture",
    "--help",
    "--cpus-per-unit",
    "--data-format",
    "--signature",
    "--none",
    "-x",
    "--",
]
WORDS = [
    "verify",
    "merge",
    "compare",
    "board",
    "build",
    "0",
    "1",
    "-1",
    "1e9",
    "nan",
    "8/255",
    "tiny/cnn",
    "madry_mnist/secret",
    "mnist",
    "auto",
    "gpu",
    "cpu",
    "on",
    "off",
    "ray",
    "local",
    "pgd",
    "adaptive",
    "folder",
    "file",
    "pipe",
    "missing",
    "link",
    "folder/file",
    ".",
    "..",
    "/dev/null",
    "/dev/zero",
    "file.npz",
    "file.yaml",
    "file.keras",
    "file.npy",
    "a:b",
    "json:loads",
    "missing.yaml",
]


@share(6)
@given(
    st.sampled_from(COMMANDS),
    st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(FLAGS), ODD_TEXTS), max_size=6),
)
def test_command_lines(name, arguments):
    with place("command lines") as folder, _nothing_long():
        (folder / "folder").mkdir()
        for file in ("file", "folder/file", "file.npz", "file.yaml", "file.keras", "file.npy"):
            (folder / file).write_text("a: [1")
        (folder / "link").symlink_to("file")
        os.mkfifo(folder / "pipe")
        # An argument cannot hold a NUL or half of a surrogate pair.
        plain = [a.encode("utf-8", "replace").decode().replace("\0", "") for a in arguments]
        command(folder, [name, *plain])


def _nothing_long():
    """What takes minutes refuses, so that a command line is read to its end and no further."""

    def refuse(*_, **__):
        raise InputError("fuzz: expected a short command, got one that would run")

    stack = ExitStack()
    for place_ in (
        "daa.runs.run.reproduce",
        "daa.training.training.train",
        "daa.evaluation.evaluate.evaluate",
        "benchmarks.run.benchmark",
        "benchmarks.ablation.measure",
        "daa.evaluation.target_check.examine",
    ):
        module, _, attribute = place_.rpartition(".")
        stack.enter_context(patch.object(importlib.import_module(module), attribute, refuse))
    return stack
