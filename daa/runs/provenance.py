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


_CHECKOUT = Path(daa.__file__).parent.parent


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command in the repository `folder`; None if it is not a repository."""
    command = ["git", f"--git-dir={folder / '.git'}", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@functools.cache
def git_commit(folder: Path = _CHECKOUT) -> str | None:
    """The commit of the code, with `-dirty` if code or configs differ; None outside a checkout.

    The first answer is cached, because a later commit is not the running code.
    """
    changed = _git(folder, "status", "--porcelain", "--", "*.py", "*.yaml")
    commit = _git(folder, "rev-parse", "HEAD")
    return commit and commit + ("-dirty" if changed else "")


def committed(path: Path) -> bool:
    """Whether the repository of this project contains a file or a folder with files."""
    return bool(_git(_CHECKOUT, "ls-files", "--", str(path.resolve())))
