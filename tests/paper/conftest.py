import struct
from pathlib import Path

import numpy as np
import pytest

from daa.paper import claims, networks
from daa.paper.claims import Entry
from daa.paper.plan import Options
from daa.runs import config
from daa.targets import fetch

CONFIG = """
name: {name}
title: {name}
target: tiny/cnn
restarts: {restarts}
attack: {{eps: 0.15, step_size: 0.03, steps: 2, batch_size: 20, steps_per_shuffle: 2}}
rows:
  - {{method: pgd, loss: xent, paper: 60.0}}
  - {{method: blob, loss: xent, paper: 50.0}}
"""


@pytest.fixture
def options(tmp_path, monkeypatch) -> Options:
    """Options for a paper whose two tables have the same units on the toy network."""
    entries = []
    for name, restarts in (("first", 3), ("second", 2)):
        text = CONFIG.format(name=name, restarts=restarts)
        (tmp_path / f"{name}.yaml").write_text(text)
        entries.append(Entry(config=name, dataset=name, source=f"Table {name}", images=40))
    monkeypatch.setattr(config, "FOLDER", tmp_path)
    monkeypatch.setattr(claims, "entries", lambda: tuple(entries))
    monkeypatch.setattr(networks, "seconds_per_step", lambda *_: 0.001)
    for cached in (claims.load, claims.claims):
        cached.cache_clear()
    yield Options(out=tmp_path / "out", images=40)
    for cached in (claims.load, claims.claims):
        cached.cache_clear()


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
        raise fetch.NoDownload(f"{parcel.name}: no connection")

    monkeypatch.setattr(fetch, "fetch", fail)
    return names
