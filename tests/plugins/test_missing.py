"""Without its package, a plugin says in one line what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "plugin, module, message",
    [
        ("foolbox", "foolbox", "foolbox, got none; pip install foolbox"),
        (
            "art",
            "art",
            "adversarial-robustness-toolbox, got none; pip install adversarial-robustness-toolbox",
        ),
        ("autoattack", "torch", "pyautoattack, got none; pip install torch pyautoattack"),
    ],
)
def test_one_line_names_the_package(plugin, module, message):
    code = f"""
import sys
sys.modules["{module}"] = None
from daa import InputError
try:
    import daa.plugins.{plugin}
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"daa.plugins.{plugin}: expected the package {message}\n"
