"""Fixtures of all tests, and the environment of their processes."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest

# pytest-xdist starts one process per core. TensorFlow reads these variables when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# New processes find `tiny`, the target folder of the tests, as an installed package.
_PATH = [str(Path(__file__).parent / "plug"), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATH))
os.environ.pop("COLUMNS", None)  # cuts the progress bars

RESULTS = Path(__file__).parents[1] / "results"
COMMITTED = RESULTS / "robust_mnist"


@pytest.fixture
def committed() -> Path:
    """A committed result folder."""
    return COMMITTED


@pytest.fixture(scope="session")
def same_matplotlib() -> bool:
    """Whether this version of Matplotlib drew the committed figures."""
    return f"Matplotlib v{matplotlib.__version__}," in (COMMITTED / "restarts.svg").read_text()


@pytest.fixture
def all_committed() -> list[Path]:
    """All result folders in git; other folders in `results` belong to the user."""
    command = ["git", "ls-files", "*/experiment.json"]
    lines = subprocess.check_output(command, cwd=RESULTS, text=True).splitlines()
    return [RESULTS / line.split("/")[0] for line in lines if line.count("/") == 1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of committed records, which a test may change."""
    return Path(shutil.copytree(COMMITTED, tmp_path / COMMITTED.name))


@pytest.fixture
def change() -> Callable[..., None]:
    """Changes fields of a JSON file, or of all records of a folder."""

    def change(of: Path, **values: object) -> None:
        for path in of.glob("*-*.json") if of.is_dir() else [of]:
            path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2; returns its one line on stderr."""
    from daa.cli.main import main

    def refused(*arguments: object) -> str:
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1, line
        return line

    return refused
