import json
from pathlib import Path

import pytest

from daa.paper import rehearsal
from daa.paper.claims import Entry
from daa.paper.plan import Options, Task
from daa.runs import config
from daa.runs.config import Experiment

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
    """Makes a task on the tests' digits."""

    def make(name: str = "one", restarts: int = 2, steps: int = 4) -> Task:
        path = tmp_path / f"{name}.yaml"
        text = CONFIG.format(name=name, restarts=restarts, steps=steps)
        path.write_text(text, encoding="utf-8")
        found: Experiment = config.load(path)
        entry = Entry(config=name, part="mnist", source="Table 1", images=40)
        return Task(entry, found.model_copy(update={"images": 40}), found)

    return make


@pytest.fixture
def records_in():
    """The records of a folder, without what differs from run to run."""

    def read(folder: Path) -> dict[str, dict]:
        found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
        return {name: {**record, "seconds": 0} for name, record in found.items()}

    return read


@pytest.fixture
def generated(tmp_path) -> Path:
    """A folder of data sets with eight random images each of MNIST and Fashion-MNIST."""
    for name in ("mnist", "fashion"):
        (tmp_path / "data" / name).mkdir(parents=True)
        rehearsal.generate(tmp_path / "data" / name, (28, 28, 1))
    return tmp_path / "data"
