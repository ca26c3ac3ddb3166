"""Methods that other packages add by an entry point."""

import os
import sys
from importlib.metadata import EntryPoint

import pytest
from processes import python

from daa import AttackConfig, InputError
from daa.attacks.methods import METHODS

METHOD = """
from daa.attacks import directions
from daa.attacks.methods import Method

def lean(grad, *, strength: float = 2.0):
    return strength * grad

METHOD = Method("Leaning PGD", direction=lean)
"""
CODE = """
from daa.attacks.methods import METHODS, AttackConfig
print(list(METHODS)[-1], METHODS["lean"].title, METHODS["pgd"].title)
print(AttackConfig("lean", strength=3.0).strength, AttackConfig("lean").gradients_per_image)
"""


def test_a_method_of_another_package(tmp_path):
    about = tmp_path / "leaning-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: leaning\nVersion: 1\n")
    points = "[daa.methods]\nlean = leaning:METHOD\npgd = leaning:METHOD\n"
    (about / "entry_points.txt").write_text(points)
    (tmp_path / "leaning.py").write_text(METHOD)
    run = python("-c", CODE, env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
    assert run.stdout == "lean Leaning PGD PGD\n3.0 200.0\n", run.stderr


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package:METHOD", "can't be imported: ModuleNotFoundError: No module named"),
        ("json:loads", "expected a daa.attacks.methods.Method, got <function loads"),
    ],
)
def test_a_broken_method_is_named_and_breaks_no_other_method(value, message, monkeypatch):
    monkeypatch.setitem(METHODS.data, "broken", EntryPoint("broken", value, "daa.methods"))
    assert AttackConfig("pgd").steps == 200
    where = f"^entry point broken = {value} of daa.methods: "
    with pytest.raises(InputError, match=where + message):
        AttackConfig("broken")
