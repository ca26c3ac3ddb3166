"""Writes all reports of a result folder."""

from pathlib import Path

from daa.reports import examples, figures, results, tables
from daa.reports.wording import plural
from daa.target import Dataset


def publish(folder: str | Path, data: Dataset | None = None) -> str:
    """Writes tables and figures of a result folder; returns the table and the names of the files.

    With the clean images `data`, examples.json is written if the experiment asks for it and all
    rows are finished.
    """
    folder = Path(folder)
    loaded = results.load(folder)
    if data is not None and loaded.experiment and not loaded.missing:
        examples.save(loaded.experiment, folder, data)
    tables.write(loaded, folder)
    figure_names = [path.name for path in figures.write(loaded, folder)]
    count = plural(len(loaded.records), "record")
    names = ", ".join([*tables.FILES, *figure_names])
    return f"\n{tables.markdown(loaded)}\n{folder}: {count}, {names}"
