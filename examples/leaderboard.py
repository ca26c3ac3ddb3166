"""Attacks a network of the living board, and builds and verifies the array of a submission.

The script runs in a minute and downloads nothing: python examples/leaderboard.py

It attacks the 500 images that come with the project. An entry on the board needs all 10,000 images
of the test set (docs/board.md).
"""

import tempfile
from pathlib import Path

import numpy as np

from daa.cli.main import main as daa

EXPERIMENT = """
name: mine
title: "PGD and DAA together"
target: locuslab/own_mnist
images: 500
restarts: 2
attack: {eps: 0.3, step_size: 0.01, steps: 50, batch_size: 100}
rows:
  - {method: pgd}
  - {method: dgf, c: 0.001}
"""


def run(*arguments: str | Path) -> None:
    """Runs a command as `daa` does in a terminal."""
    if daa([str(argument) for argument in arguments]):
        raise SystemExit(1)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, array = folder / "mine.yaml", folder / "attack.npy"
        config.write_text(EXPERIMENT, encoding="utf-8")
        run("reproduce", config, "--out", folder, "--quiet")
        run("submit", "build", folder / "mine", "-o", array)
        run("submit", "verify", array, "--target", "locuslab/own_mnist", "--images", "500")
        print("array of the submission:", np.load(array).shape)


if __name__ == "__main__":
    main()
