import struct
from pathlib import Path

import numpy as np
import pytest

from daa.paper.claims import Entry
from daa.paper.plan import Options, Task
from daa.runs import config
from daa.targets import download
from daa.targets.transfer import NoDownload

CONFIG = """
name: {name}
title: {name}
target: tiny/cnn
restarts: {restarts}
seed: 0
attack: {{eps: 0.15, step_size: 0.03, steps: {steps}, batch_size: 20, steps_per_shuffle: 2}}
rows:
  - {{method: pgd, loss: xent, paper: 60.0}}
  - {{method: blob, loss: xent, paper: 50.0}}
"""


@pytest.fixture
def options(tmp_path) -> Options:
    return Options(out=tmp_path / "out", images=40)


@pytest.fixture
def task(tmp_path):
    """Makes a task that attacks the toy network."""

    def make(name: str = "one", restarts: int = 2, steps: int = 2, entry: str = "") -> Task:
        path = tmp_path / f"{name}.yaml"
        text = CONFIG.format(name=name, restarts=restarts, steps=steps)
        path.write_text(text, encoding="utf-8")
        original = config.load(path).model_copy(update={"images": 40})
        section = Entry(config=entry or name, dataset="mnist", source="Table 1", images=40)
        return Task(section, original, original)

    return make


@pytest.fixture
def datasets(tmp_path) -> Path:
    """A folder with eight random images of MNIST and of Fashion-MNIST."""
    rng = np.random.default_rng(0)
    for name in ("mnist", "fashion"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        images = rng.integers(0, 256, (8, 28, 28), np.uint8)
        head = struct.pack(">4I", 0x803, *images.shape)
        (folder / "t10k-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = struct.pack(">2I", 0x801, 8) + bytes(range(8))
        (folder / "t10k-labels-idx1-ubyte").write_bytes(labels)
    return tmp_path / "data"


@pytest.fixture
def downloads(monkeypatch) -> list[str]:
    """The names of attempted downloads, which all fail."""
    names = []

    def fail(parcel, *_):
        names.append(parcel.name)
        raise NoDownload(f"{parcel.name}: no connection")

    monkeypatch.setattr(download, "fetch", fail)
    return names
