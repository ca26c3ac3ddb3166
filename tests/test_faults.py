"""The faults that tests/mutate.py plants fit the code that there is now."""

import importlib
from pathlib import Path

import faults
import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", faults.LISTS)
def test_every_fault_can_be_planted(name):
    """Its old text stands in its file once; a fault that was not carried along tests nothing."""
    for file, _, found in importlib.import_module(f"faults.{name}").FAULTS:
        text = (ROOT / file).read_text(encoding="utf-8")
        for old, new, *_ in found:
            assert text.count(old) == 1, f"{file}: {old}"
            assert new != old, f"{file}: {old}"
