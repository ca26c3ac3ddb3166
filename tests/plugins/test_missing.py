"""Without its package, a plugin or an adapter says in one line what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module, package, message",
    [
        ("daa.plugins.foolbox", "foolbox", "foolbox, got none; pip install foolbox"),
        (
            "daa.plugins.art",
            "art",
            "adversarial-robustness-toolbox, got none; pip install adversarial-robustness-toolbox",
        ),
        (
            "daa.plugins.autoattack",
            "torch",
            "pyautoattack, got none; pip install torch pyautoattack",
        ),
        ("daa.targets.adapters.torch", "torch", "torch, got none; pip install torch"),
    ],
)
def test_one_line_names_the_package(module, package, message):
    code = f"""
import sys
sys.modules["{package}"] = None
from daa import InputError
try:
    import {module}
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    name = "from_torch" if module.endswith("adapters.torch") else module
    assert done.stdout == f"{name}: expected the package {message}\n"
