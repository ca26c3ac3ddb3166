"""What may know what: imports point one way, report code runs no model, facts stand once."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from daa.targets import FOLDERS, every_target

ROOT = Path(__file__).parent.parent
# From the bottom to the top; each floor knows those before it.
FLOORS = ["daa", "daa.targets", "folders", "daa.experiments", "scripts"]
REPORTS = [
    "config",
    "records",
    "stats",
    "tables",
    "figures",
    "page",
    "boards",
    "summary",
    "paper.report",
]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name}


def floor(name: str) -> str | None:
    """The floor that a module belongs to; None for other packages."""
    parts = name.split(".")
    if parts[0] in FOLDERS:
        return "folders"
    if parts[0] != "daa":
        return None
    above = {"targets": "daa.targets", "experiments": "daa.experiments", "plugins": "daa.plugins"}
    return above.get(parts[1], "daa") if len(parts) > 1 else "daa"


def sources() -> list[Path]:
    paths = [*(ROOT / "daa").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    return sorted([*paths, *(path for folder in FOLDERS for path in (ROOT / folder).glob("*.py"))])


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    place = path.relative_to(ROOT).with_suffix("")
    own = "scripts" if place.parts[0] == "scripts" else floor(".".join(place.parts))
    if own == "daa.plugins" or path.name == "__main__.py":
        return
    # Plug-ins stand beside the floors: scripts may use them, nothing else does.
    below = [*FLOORS[: FLOORS.index(own) + 1], *(["daa.plugins"] if own == "scripts" else [])]
    for name in imported(path):
        assert floor(name) in (None, *below), f"{path}: {name}"
    if own == "folders":
        assert {name.split(".")[0] for name in imported(path)} & set(FOLDERS) <= {place.parts[0]}


@pytest.mark.parametrize("name", ["kernels", "directions", "losses", "parts"])
def test_the_mathematics_imports_only_itself(name):
    pure = {"kernels", "directions", "losses", "parts", "tensorflow", "errors"}
    own = {n for n in imported(ROOT / "daa" / f"{name}.py") if n.startswith("daa.")}
    assert {n.split(".")[1] for n in own} <= pure


def modules_after(code: str) -> set[str]:
    code = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import daa",
        "from daa import AttackConfig; AttackConfig('blob')",
        "import daa.targets; daa.targets.every_target()",
        *(f"import daa.experiments.{name}" for name in REPORTS),
        "from daa.experiments import console; assert console.main(['--help']) == 0",
    ],
)
def test_no_tensorflow_where_no_model_runs(code):
    assert "tensorflow" not in modules_after(code)


def test_importing_daa_changes_nothing():
    code = """
import logging, os, sys
before = dict(os.environ), os.fstat(2), logging.root.manager.loggerDict.copy()
import daa
assert (dict(os.environ), os.fstat(2), logging.root.manager.loggerDict) == before
"""
    assert "numpy" not in modules_after(code)


def test_flags_are_named_by_the_command_line_alone():
    flag = re.compile(r"--[a-z][a-z-]+")
    for path in sources():
        place = path.relative_to(ROOT)
        if place.parts[0] != "scripts" and path.name != "console.py":
            text = path.read_text(encoding="utf-8")
            text = re.sub(r'git\("[^)]*\)', "", text)  # git's own flags
            assert not flag.findall(text), path


def test_a_target_is_named_in_one_place():
    """No code outside a target's own folder names it; configs, docs and tests may."""
    for reference in every_target():
        folder = reference.partition("/")[0]
        for path in sources():
            if path.relative_to(ROOT).parts[0] != folder:
                text = path.read_text(encoding="utf-8")
                examples = re.sub(r"as (in )?`?[a-z_0-9]+/[a-z_0-9]+|parser\(.*", "", text)
                assert reference not in examples, f"{path}: {reference}"


def test_scripts_are_thin():
    for path in (ROOT / "scripts").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, path
