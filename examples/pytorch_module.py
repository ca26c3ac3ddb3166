"""Trains a small PyTorch module on MNIST digits and evaluates its robustness.

It needs PyTorch, runs in a minute and downloads nothing: python examples/pytorch_module.py
"""

from __future__ import annotations

import torch

import daa
import locuslab


def train(x: torch.Tensor, y: torch.Tensor) -> torch.nn.Module:
    """A small convolutional network that returns logits, for images in [0, 1]."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 4, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 14 * 14, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval()


def main() -> None:
    # The project contains 500 images of MNIST. The last 300 are enough for this example.
    data = locuslab.load_dataset("test", images=500)
    x = torch.from_numpy(data.x).permute(0, 3, 1, 2)  # PyTorch's layout: channels first
    model = train(x[200:], torch.from_numpy(data.y[200:]))
    report = daa.evaluate(model, x[:200].numpy(), data.y[:200], eps=0.05, budget=50)
    print(report)
    print("warnings:", report.warnings)


if __name__ == "__main__":
    main()
