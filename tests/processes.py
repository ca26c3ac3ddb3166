"""Python in new processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def python(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Any:
    """Runs Python with the packages of this checkout and of the tests; returns texts."""
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "PYTHONPATH": path, **(env or {})}
    options |= {"capture_output": True, "text": True, "env": environment}
    return subprocess.run([sys.executable, *map(str, arguments)], **options)
