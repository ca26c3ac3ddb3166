"""The package as a user installs it: built, installed elsewhere, run outside the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import daa

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv", "build", "results", "__pycache__", "*.egg-info", ".*_cache")


def run(*command, cwd):
    """Runs a command that finds installed packages alone."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the checkout, so that no older build gets into it."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*LEFT_OUT))
    options = ["--no-deps", "--no-build-isolation", "--quiet"]
    run(sys.executable, "-m", "pip", "wheel", "./source", *options, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """A new environment with the wheel, which uses the packages of this one; its programs."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    run(*pip, "--quiet", "--no-deps", wheel, cwd=folder)
    (packages,) = (folder / "lib").glob("*/site-packages")
    # Packages of a folder that a .pth file names are found; its editable installs are not.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder / "bin"


@pytest.mark.slow
def test_a_wheel_holds_what_it_needs_and_no_more(wheel):
    assert wheel.stat().st_size < 2_000_000
    assert daa.__version__ in wheel.name
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    wanted = {
        "daa/py.typed",
        "daa/__init__.pyi",
        "daa/scripts/reproduce.py",
        "daa/configs/quickstart.yaml",
        "daa/leaderboard/boards.yaml",
        "daa/targets/first500/README.md",
        "daa/targets/first500/t10k-images-idx3-ubyte.gz",
        "locuslab/weights/own_mnist.npz",
    }
    assert wanted <= names
    for path in [*ROOT.glob("daa/**/*.py"), *ROOT.glob("scripts/*.py")]:
        place = str(path.relative_to(ROOT))
        assert (place if place.startswith("daa/") else f"daa/{place}") in names
    assert any(name.startswith("daa/experiments/templates/") for name in names)
    assert not [name for name in names if "/surrogate/" in name or name.startswith("tests")]


@pytest.mark.slow
def test_a_wheel_runs_outside_the_checkout(elsewhere, tmp_path):
    where = run(elsewhere / "python", "-c", "import daa; print(daa.__file__)", cwd=tmp_path)
    assert where.startswith(str(elsewhere.parent))
    assert "quickstart" in run(elsewhere / "daa", "--help", cwd=tmp_path)
    out = run(elsewhere / "daa", "quickstart", "--images", "100", cwd=tmp_path)
    assert "Adaptive DAA breaks" in out
    folder = tmp_path / "results" / "quickstart"
    assert (folder / "index.html").exists()
    # What reads records finds their config in the package too.
    assert "table.md" in run(elsewhere / "daa", "tables", folder, cwd=tmp_path)


def test_the_pins_are_what_the_package_asks_for():
    """requirements.txt pins each dependency of the package, and nothing else."""
    requirements = pytest.importorskip("packaging.requirements")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)[1]
    wanted = [requirements.Requirement(line) for line in re.findall(r'"(.*?)"', listed)]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.partition("#")[0].strip().split("==") for line in lines if line[0] != "#")
    assert {requirement.name for requirement in wanted} == set(pins)
    for requirement in wanted:
        assert requirement.specifier.contains(pins[requirement.name]), requirement
        assert version(requirement.name) == pins[requirement.name]
