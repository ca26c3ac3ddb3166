import json
import shutil
from collections.abc import Callable
from pathlib import Path

import plugged
import pytest

from daa.runs import config

plugged.make_known()

COMMITTED = config.RESULTS / "robust_mnist"


@pytest.fixture
def committed() -> Path:
    """A committed result folder."""
    return COMMITTED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of committed records, which a test may change."""
    return Path(shutil.copytree(COMMITTED, tmp_path / COMMITTED.name))


@pytest.fixture
def change() -> Callable[..., None]:
    """Changes fields of a JSON file."""

    def change(path: Path, **values: object) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change
