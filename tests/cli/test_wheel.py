"""The package of a user: built, installed and run outside the checkout."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import daa
from daa.targets import FOLDERS

ROOT = Path(__file__).parents[2]


def run(*command, cwd, path=""):
    options = {"capture_output": True, "text": True, "env": {**os.environ, "PYTHONPATH": path}}
    done = subprocess.run([*map(str, command)], cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of the package, built from a copy of the checkout without old builds."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    ignore = shutil.ignore_patterns("__pycache__", "surrogate")
    for folder in ("daa", "configs", *FOLDERS):
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-compile", "--quiet"]
    run(sys.executable, "-m", "pip", "install", source, "--target", target, *options, cwd=source)
    return target


@pytest.mark.slow
def test_the_package_contains_all_files(installed):
    names = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    assert f"daa_reproduction-{daa.__version__}.dist-info/METADATA" in names
    assert {"daa/py.typed", "daa/__init__.pyi", "locuslab/weights/own_mnist.npz"} <= names
    for folder, pattern in [("daa", "*"), *((folder, "*.py") for folder in FOLDERS)]:
        for path in (ROOT / folder).rglob(pattern):
            if path.is_file() and path.suffix != ".pyc":
                assert str(path.relative_to(ROOT)) in names
    assert {f"daa/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "scripts"))]
    assert sum(path.stat().st_size for path in installed.rglob("*") if path.is_file()) < 5_000_000


@pytest.mark.slow
def test_the_package_runs_outside_the_checkout(installed, tmp_path):
    def program(*arguments):
        command = [sys.executable, installed / "bin" / "daa", *arguments]
        return run(*command, cwd=tmp_path, path=str(installed))

    assert "quickstart" in program("--help")
    assert "Adaptive DAA breaks" in program("quickstart", "--images", "20", "--quiet")
    assert (tmp_path / "results" / "quickstart" / "index.html").exists()
    assert "table.md" in program("tables", "results/quickstart")


def test_requirements_pin_exactly_the_dependencies():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(re.sub(r"\s*#.*", "", line)) for line in lines if line[0] != "#"]
    used = {pin.name: pin.specifier for pin in pins if not pin.marker or pin.marker.evaluate()}
    assert {Requirement(text).name for text in project["dependencies"]} == set(used)
    for requirement in map(Requirement, project["dependencies"]):
        number = version(requirement.name)
        assert requirement.specifier.contains(number), requirement
        assert used[requirement.name].contains(number), requirement
