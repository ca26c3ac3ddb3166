"""A small network on handwritten digits, and the plugin of each test module."""

import importlib

import pytest
import tiny


@pytest.fixture(scope="session")
def network():
    """A target and 50 images."""
    return tiny.load_target("cnn"), tiny.load_dataset("test").first(50)


@pytest.fixture(scope="module")
def plugin(request):
    """The plugin that the test module is named after."""
    return importlib.import_module(f"daa.plugins.{request.module.__name__.removeprefix('test_')}")
