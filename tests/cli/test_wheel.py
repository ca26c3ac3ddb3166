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
from packaging.version import Version

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
    names = {p.relative_to(installed).as_posix() for p in installed.rglob("*") if p.is_file()}
    assert f"daa_reproduction-{daa.__version__}.dist-info/METADATA" in names
    assert {"daa/py.typed", "daa/__init__.pyi", "locuslab/weights/own_mnist.npz"} <= names
    for folder, pattern in [("daa", "*"), *((folder, "*.py") for folder in FOLDERS)]:
        for path in (ROOT / folder).rglob(pattern):
            if path.is_file() and path.suffix != ".pyc":
                assert path.relative_to(ROOT).as_posix() in names
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
    dependencies, used = declared(), pinned("requirements.txt")
    assert set(dependencies) == set(used)
    for name, specifier in dependencies.items():
        assert specifier.contains(used[name]), name
        assert specifier.contains(version(name)), name


def test_the_lowest_versions_are_the_lower_bounds():
    bounds = {}
    for name, specifier in declared().items():
        (bounds[name],) = [one.version for one in specifier if one.operator == ">="]
    assert {name: Version(bound) for name, bound in bounds.items()} == {
        name: Version(number) for name, number in pinned("requirements-lowest.txt").items()
    }


def declared():
    """{dependency: versions} of pyproject.toml."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [Requirement(text) for text in project["dependencies"]]
    assert len({one.name for one in requirements}) == len(requirements)
    return {one.name: one.specifier for one in requirements}


def pinned(file):
    """{dependency: version} of a file of pins, for this Python."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(re.sub(r"\s*#.*", "", line)) for line in lines if line[0] != "#"]
    used = [pin for pin in pins if not pin.marker or pin.marker.evaluate()]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in used}
