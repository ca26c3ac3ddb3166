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
import numpy as np, torch
import tiny

def net():
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
                        nn.Flatten(), nn.Linear(288, 10))
    data = tiny.load_dataset("train").first(400)
    x, y = torch.tensor(np.moveaxis(data.x, -1, 1)), torch.tensor(data.y)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net
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
    assert report.clean_accuracy > 0.8  # batch normalization and dropout in evaluation mode
    assert report.robust_accuracy < report.clean_accuracy - 0.1
    assert not {"random-outputs", "batch-dependent", "huge-eps"} & set(report.warnings)
    arguments = ["torch_mine:net", "--data", "data.npz", "--eps", "0.1", "--budget", "12"]
    assert command.main([*arguments, "--out", "out"]) == 0
    written = json.loads(Path("out/evaluation.json").read_text())
    assert written["model"] == "torch_mine:net"
    assert written["robust_accuracy"] == report.robust_accuracy
    assert written["model_sha256"] == report.target.weights_sha256 is not None
