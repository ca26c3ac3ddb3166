"""PyTorch modules through the function and the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

import daa
from daa.cli import evaluate as command

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
DATA = tiny.load_dataset("test").first(60)
SHORT = {"eps": 0.1, "budget": 12, "progress": False}

MODULE = """
import torch
import tiny

def net():
    data, linear = tiny.load_dataset("train"), torch.nn.Linear(64, 10)
    for k in range(10):
        mean = torch.tensor(data.x[data.y == k].mean(axis=0).ravel())
        linear.weight.data[k], linear.bias.data[k] = 4 * mean, -2 * (mean @ mean)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), linear)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch_mine", raising=False)
    Path("torch_mine.py").write_text(MODULE, encoding="utf-8")
    np.savez("data.npz", x=DATA.x, y=DATA.y)
    import torch_mine

    return torch_mine


def test_the_function_and_the_command_have_the_same_result(module):
    report = daa.evaluate(module.net(), DATA.x, DATA.y, **SHORT)
    assert report.clean_accuracy > 0.8  # dropout in evaluation mode
    assert report.robust_accuracy < report.clean_accuracy - 0.1
    assert not {"random-outputs", "batch-dependent", "huge-eps"} & set(report.warnings)
    arguments = ["torch_mine:net", "--data", "data.npz", "--eps", "0.1", "--budget", "12"]
    assert command.main([*arguments, "--out", "out"]) == 0
    written = json.loads(Path("out/evaluation.json").read_text())
    assert written["model"] == "torch_mine:net"
    assert written["robust_accuracy"] == report.robust_accuracy
    assert written["model_sha256"] == report.target.weights_sha256 is not None
