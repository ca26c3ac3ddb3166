"""The order of the packages: each one imports only packages below it."""

import ast
import graphlib
from functools import cache
from pathlib import Path

import pytest
from processes import ROOT, python

import daa
from daa.targets import FOLDERS

# From the bottom to the top.
FLOORS = ["base", "attacks", "targets", "target folders", "runs", "reports", "training"]
FLOORS += ["evaluation", "leaderboard", "paper", "cli"]
BASE = {"daa", "daa.errors", "daa.memory", "daa.target", "daa.tensorflow"}


def sources() -> dict[str, Path]:
    """{module: file} of the installed packages."""
    modules = {}
    for folder in ("daa", *FOLDERS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            modules[name.removesuffix(".__init__")] = path
    return modules


MODULES = sources()


PUBLIC = {name: getattr(daa, name) for name in daa.__all__}


def as_module(name: str) -> str:
    """The longest part of a dotted name that is a module."""
    if name.startswith("daa.") and name not in MODULES and name.split(".")[1] in PUBLIC:
        public = PUBLIC[name.split(".")[1]]
        name = getattr(public, "__module__", None) or public.__name__
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


@cache
def imported(module: str) -> set[str]:
    """Names of all imports, inside functions and for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    return names


def floor(module: str) -> str:
    top, _, rest = module.partition(".")
    if top in FOLDERS:
        return "target folders"
    return "base" if module in BASE else rest.partition(".")[0]


@pytest.mark.parametrize("module", [m for m in MODULES if m != "daa.__main__"])
def test_a_module_imports_only_floors_below(module):
    own = floor(module)
    below = FLOORS[: FLOORS.index(own) + 1] if own in FLOORS else FLOORS[:-1]  # plugins
    for name in imported(module):
        assert not name.startswith("benchmarks"), name
        target = as_module(name)
        if target:
            assert floor(target) in [*below, own], f"{module} imports {name}"
        if own == "target folders" and name.split(".")[0] in FOLDERS:
            assert name.split(".")[0] == module.split(".")[0], f"{module} imports {name}"


def test_no_modules_import_each_other():
    graph = {}
    for module in MODULES:
        targets = {as_module(name) for name in imported(module)}
        graph[module] = targets - {"", module, *(m for m in targets if module.startswith(f"{m}."))}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def loaded_after(code: str) -> set[str]:
    """Modules that a new process has loaded after some code."""
    done = python("-c", f"{code}\nimport sys; print(*sys.modules)", check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_daa_loads_nothing_large():
    large = {"numpy", "pandas", "pydantic", "scipy", "tensorflow"}
    assert not loaded_after("import daa; daa.__version__") & large


def test_configs_and_the_list_of_targets_need_no_tensorflow():
    code = "import daa, daa.targets as t; daa.evaluate, daa.AttackConfig('blob'), t.every_target()"
    assert "tensorflow" not in loaded_after(code)


def test_reports_run_no_tensorflow(folder, tmp_path):
    reports = [m for m in MODULES if m.startswith("daa.reports")]
    code = f"import {', '.join(reports)}\nfrom daa.cli.main import main\n"
    for command in ("tables", "figures", "page"):
        code += f"assert main([{command!r}, {str(folder)!r}, '--out', {str(tmp_path)!r}]) == 0\n"
    assert "tensorflow" not in loaded_after(code)
