"""Target folders that other packages add by an entry point."""

import importlib
import sys

import numpy as np
import pytest
from processes import ROOT, python

from daa import targets
from daa.errors import InputError

# The package of the documentation: a network of one's own on the MNIST images that come with daa.
PAGE = ROOT / "docs" / "your_own_model.md"
PACKAGE = (
    PAGE.read_text(encoding="utf-8").split("```python\n# mine/__init__.py\n")[1].split("```")[0]
)
BROKEN = {
    "no package": ("", "mine", "expected a package that can be imported, got ModuleNotF"),
    "fails": ("1 / 0", "mine", "imported, got ZeroDivisionError: division by zero"),
    "no family": ("x = 1", "mine", "expected FAMILY, a daa.targets.Family, got None"),
    "another's": ("from tiny import *", "mine", "whose folder is named mine, got 'tiny'"),
    "ours": (PACKAGE, "locuslab", "a name of one package alone, got 'locuslab'"),
    "a path": (PACKAGE, "..", "expected a name of letters, digits and _, got '..'"),
}


@pytest.fixture(autouse=True)
def forgotten():
    """Clears the caches of installed packages."""

    def forget():
        sys.modules.pop("mine", None)
        importlib.invalidate_caches()
        targets._packages.cache_clear()
        targets._family.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package `mine` by hand, for this process and for those that it starts."""

    def install(content, value="mine", name="mine", distribution="mine"):
        about = tmp_path / f"{distribution}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n"
        )
        (about / "entry_points.txt").write_text(f"[daa.targets]\n{name} = {value}\n")
        if content:
            (tmp_path / "mine").mkdir(exist_ok=True)
            (tmp_path / "mine" / "__init__.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
        return tmp_path / "mine"

    return install


def test_a_package_of_ones_own_is_a_target_folder_like_ours(install, tmp_path):
    """In every command, in a process of its own, with the weights inside the package."""
    folder = install(PACKAGE)
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(784, 10)), "b": np.zeros(10)}
    np.savez(folder / "linear.npz", **{k: v.astype(np.float32) for k, v in arrays.items()})
    assert targets.folders() == (*targets.FOLDERS, "mine", "tiny")
    assert "mine/linear" in targets.every_target()
    assert targets.exists("mine/linear")
    assert not targets.exists("mine/other")
    code = "import sys; from daa.cli import main as console; sys.exit(console.main(sys.argv[1:]))"
    options = "evaluate mine/linear --images 20 --eps 0.1 --budget 4 --out out"
    done = python("-c", code, *options.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine/linear on mnist/test, 20 images, eps 0.1, Adaptive DAA")


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_entry_point_is_named(case, install):
    content, name, message = BROKEN[case]
    install(content, name=name)
    with pytest.raises(InputError, match=f"^entry point {name} = mine of daa.targets: .*{message}"):
        targets.every_target()


@pytest.mark.parametrize("name", ["mine", "locuslab", "of mine"])
def test_what_is_ours_needs_no_package_that_is_broken(install, name):
    install("1 / 0", "mine", name)
    assert targets.row("locuslab/own_mnist").eps == 0.3
    assert targets.exists("locuslab/own_mnist")


def test_a_name_belongs_to_one_package(install):
    install(PACKAGE)
    install("", "theirs", distribution="theirs")
    with pytest.raises(InputError, match=r"mine = theirs of .* of one package alone, got 'mine'"):
        targets.every_target()
