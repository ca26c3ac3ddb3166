"""The code behind a number: the commit and the versions of the packages."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import daa


def versions() -> dict[str, str]:
    """The versions of Python, TensorFlow and NumPy."""
    packages = {name: importlib.metadata.version(name) for name in ("tensorflow", "numpy")}
    return {"python": platform.python_version(), **packages}


@functools.cache
def git_commit(folder: Path = Path(daa.__file__).parent.parent) -> str | None:
    """The commit of the code, with `-dirty` if code or configs differ; None outside a checkout.

    The first answer is cached, because a later commit is not the running code.
    """

    def git(*arguments: str) -> str:
        completed = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return completed.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None
        changed = git("status", "--porcelain", "--", "*.py", "*.yaml")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
