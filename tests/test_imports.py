"""Imports point one way: scripts -> data-set folders -> daa."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"digits", "locuslab", "madry_mnist", "madry_cifar10", "fmnist", "imagenet_ens"}
PURE = {"kernels", "directions", "losses"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "daa").glob("*.py")), ids=lambda p: p.name)
def test_daa_knows_no_data_set(path):
    assert not {name.split(".")[0] for name in imported(path)} & FOLDERS


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_mathematics_imports_only_itself(name):
    own = {n for n in imported(ROOT / "daa" / f"{name}.py") if n.startswith("daa.")}
    assert {n.split(".")[1] for n in own} <= PURE


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_folders_do_not_import_each_other(folder):
    for path in (ROOT / folder).glob("*.py"):
        used = {name.split(".")[0] for name in imported(path)} & FOLDERS
        assert used <= {folder}, path


@pytest.mark.parametrize("script", ["records", "tables", "figures", "page"])
def test_tables_and_figures_run_no_model(script):
    used = imported(ROOT / "scripts" / f"{script}.py")
    assert not {n for n in used if n.split(".")[0] in FOLDERS | {"tensorflow"}}
    assert not used & {"daa.attack", "daa.evaluate", "daa.target", "daa.worst_case", "daa.Attack"}
