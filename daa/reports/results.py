"""The records of an experiment, as tables, figures and the page of results read them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daa.errors import InputError, require
from daa.reports import natural, races
from daa.runs import config, records
from daa.runs.config import Experiment, Row
from daa.runs.records import Record


@dataclass(frozen=True)
class Collected:
    """The records of one experiment.

    Args:
        title: of the experiment.
        records: in the order of the experiment's rows.
        missing: the rows that have no record.
        sweep, merged_paper, certified: of the experiment.
        natural: {run: images that are misclassified without an attack and that its record does not
            count as broken}; the records here count them.
    """

    title: str
    records: tuple[Record, ...]
    missing: tuple[Row, ...] = ()
    sweep: str | None = None
    merged_paper: float | None = None
    certified: float | None = None
    natural: Mapping[str, int] = field(default_factory=dict)


def collect(folder: Path, experiment: Experiment | None = None) -> Collected:
    """Reads the records of a result folder.

    A record that is damaged, of another schema, or contradicts its config is left out with a
    warning. A row of the config that has no record is missing. What the paper says is taken from
    the config. Images that are misclassified without an attack count as broken, also where a record
    was made before they did.

    Args:
        folder: of the records.
        experiment: that the records belong to; None for that of the config of the same name.

    Raises:
        InputError: there is no record, or there are two of one run.
    """
    found, added = natural.counted(_read(folder), folder.parent)
    first = next(iter(found.values()))
    experiment = experiment or config.load_experiment(folder) or _experiment(first)
    if experiment is None:
        return Collected(first.title, tuple(found.values()), natural=added)
    kept, missing = [], []
    for row in experiment.rows:
        record = found.get(row.name)
        if record is not None and (contradiction := _contradiction(record, row)):
            path = folder / f"{row.name}.json"
            warnings.warn(f"left out: {path}: attack: {contradiction}", stacklevel=2)
            record = None
        if record is None:
            missing.append(row)
        else:
            kept.append(_with_papers_values(record, row))
    if not kept:
        raise InputError(f"{folder}: expected records of its config's rows, got none")
    return Collected(
        kept[0].title,
        tuple(kept),
        tuple(missing),
        experiment.sweep,
        experiment.merged_paper,
        experiment.certified,
        added,
    )


def _read(folder: Path) -> dict[str, Record]:
    """The readable records of a folder, {run: record}."""
    found: dict[str, Record] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name in (records.EXAMPLES, records.EVALUATION, config.EXPERIMENT, races.NAME):
            continue
        try:
            record = records.load(path)
        except InputError as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
            continue
        if record.run in found:
            raise InputError(f"{path}: run: expected one record of {record.run}, got two")
        found[record.run] = record
    if not found:
        raise InputError(f"{folder}: expected result records, got none")
    return found


def _experiment(record: Record) -> Experiment | None:
    name = record.config or record.experiment
    if Path(name).name != name:
        return None
    path = config.FOLDER / f"{name}.yaml"
    return config.load(path, record.target) if path.exists() else None


def _with_papers_values(record: Record, row: Row) -> Record:
    values = {"paper_percent": row.paper, "paper_top5_percent": row.paper_top5}
    return record.model_copy(update=values)


def _contradiction(record: Record, row: Row) -> str | None:
    """The first setting in which a record differs from its row, in words."""
    for key, expected in row.attack.settings().items():
        got = record.settings.get(key)
        # A device without bfloat16 computes in float32; the label of the run says so.
        if key != "precision" and got != expected:
            return f"{key}: expected {expected!r} as its config, got {got!r}"
    return None


def folders(named: Iterable[Path] = ()) -> list[Path]:
    """The result folders that are named; all folders of records where none is.

    Raises:
        InputError: a folder that does not exist.
    """
    named = list(named)
    for folder in named:
        if not folder.is_dir():
            raise InputError(f"{folder}: expected a result folder, got none")
    return named or sorted({path.parent for path in config.RESULTS.glob("*/*.json")})


def places(named: Iterable[Path], out: Path | None) -> list[tuple[Path, Path]]:
    """Each of `folders` with the folder of its reports: itself, or one of its name in `out`.

    Raises:
        InputError: a folder that does not exist, or two of one name for `out`.
    """
    found = folders(named)
    if out is None:
        return [(folder, folder) for folder in found]
    names = [folder.resolve().name for folder in found]
    for k, name in enumerate(names):
        require(name not in names[:k], "out", "result folders of different names", name)
    return [(folder, out / name) for folder, name in zip(found, names, strict=True)]
