"""Makes `tests/plug/tiny` a target folder, as the package of a user does."""

import os
from pathlib import Path

PLUG = Path(__file__).parent / "plug"


def make_known() -> None:
    """Adds the folder to the path of all child processes."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLUG), *filter(None, paths)])
