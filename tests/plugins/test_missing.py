"""Without its package, a plugin or an adapter says in one line what to install."""

import pytest
from processes import python


@pytest.mark.parametrize(
    "module, package, names",
    [
        ("daa.plugins.foolbox", "foolbox", "foolbox"),
        ("daa.plugins.art", "art", "adversarial-robustness-toolbox"),
        ("daa.plugins.autoattack", "torch", "torch pyautoattack"),
        ("daa.targets.adapters.torch", "torch", "torch"),
    ],
)
def test_one_line_names_the_package(module, package, names):
    done = python("-c", f"import sys; sys.modules[{package!r}] = None; import {module}")
    where, missing = module.replace("daa.targets.adapters.torch", "from_torch"), names.split()[-1]
    line = f"{where}: expected the package {missing}, got none; pip install {names}"
    assert done.stderr.splitlines()[-1] == f"daa.errors.InputError: {line}"
