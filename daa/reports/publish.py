"""Writes everything that a reader sees of one experiment."""

from __future__ import annotations

from pathlib import Path

from daa.reports import examples, figures, tables
from daa.reports import results as collection
from daa.runs.config import load_experiment
from daa.target import Dataset


def publish(folder: Path, data: Dataset | None = None) -> str:
    """Writes tables and figures of a result folder.

    Args:
        folder: the records and experiment.json.
        data: the clean images. With them, the adversarial images of the figure are written when all
            rows are finished.

    Returns:
        The table and the names of the files.
    """
    experiment = load_experiment(folder)
    if data is not None and experiment is not None:
        finished = [(folder / f"{row.name}.json").exists() for row in experiment.rows]
        if all(finished):
            examples.save(experiment, folder, data)
    collected = collection.collect(folder, experiment)
    tables.write(collected, folder)
    written = figures.write(collected, folder)
    names = ", ".join(["table.md", "table.csv", "table.tex", *(path.name for path in written)])
    count = len(collected.records)
    found = f"{count} record{'' if count == 1 else 's'}"
    return f"\n{tables.markdown(collected)}\n{folder}: {found}, {names}"
