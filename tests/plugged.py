"""The tests' own target folder, `tests/plug/tiny`, as another installed package would bring it."""

import os
from pathlib import Path

PLUG = Path(__file__).parent / "plug"


def make_known() -> None:
    """Makes it known to all processes that this one starts."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLUG), *filter(None, known)])
