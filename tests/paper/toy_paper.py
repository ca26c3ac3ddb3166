"""A paper with two tables, which attacks the toy network with the same units in both."""

from pathlib import Path
from typing import Any

from daa.paper import claims
from daa.paper.claims import Entry
from daa.runs import config

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
RESTARTS = {"first": 3, "second": 2}


def install(folder: Path, replace: Any = setattr) -> None:
    """Replaces the claims of the paper; `replace` is `setattr` or `monkeypatch.setattr`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, restarts in RESTARTS.items():
        text = CONFIG.format(name=name, restarts=restarts)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    entries = tuple(
        Entry(config=name, dataset=name, source=f"Table {name}", images=40) for name in RESTARTS
    )
    replace(config, "FOLDER", folder)
    replace(claims, "entries", lambda: entries)
    clear()


def clear() -> None:
    claims.load.cache_clear()
    claims.claims.cache_clear()
