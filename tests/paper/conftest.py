import struct
from pathlib import Path

import numpy as np
import pytest
import toy_paper

from daa.paper import networks
from daa.paper.plan import Options
from daa.targets import fetch


@pytest.fixture
def options(tmp_path, monkeypatch) -> Options:
    """Options for the toy paper, which replaces the paper, and no timed steps."""
    toy_paper.install(tmp_path / "configs", monkeypatch.setattr)
    monkeypatch.setattr(networks, "seconds_per_step", lambda *_: 0.001)
    yield Options(out=tmp_path / "out", images=40)
    toy_paper.clear()


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
