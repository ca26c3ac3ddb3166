"""Result folders: records of an experiment, read and compared once, also as a data frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from daa.attacks.methods import AttackConfig
from daa.errors import InputError, require
from daa.reports import comparisons, stats
from daa.reports.comparisons import Comparison
from daa.runs import config, records
from daa.runs.config import Experiment, Row
from daa.runs.records import Record

if TYPE_CHECKING:
    from pandas import DataFrame

# Columns of a data frame besides those of `Record` and the settings of the attack.
COMPUTED = {
    "first_accuracy": "Accuracy after the first restart.",
    "robust_accuracy": "Worst-case accuracy after all restarts.",
    "robust_accuracy_low": "Lower bound of its 95 % interval (Clopper and Pearson).",
    "robust_accuracy_high": "Upper bound of that interval.",
    "paper_accuracy": "Worst-case accuracy that the paper prints, for the paper's network.",
    "paper_top5_accuracy": "Top-5 accuracy that the paper prints.",
    "pgd_run": "The run of PGD that a run of DAA is compared with.",
    "only_daa": "Number of images that only DAA breaks.",
    "only_pgd": "Number of images that only PGD breaks.",
    "p_mcnemar": "McNemar's exact two-sided p for `only_daa` and `only_pgd`.",
    "p_holm": "`p_mcnemar` after Holm's correction for all comparisons of the experiment.",
    "t_unpaired": "Student's t over the restarts of both runs; positive if DAA is stronger.",
    "p_unpaired": "Two-sided p of `t_unpaired`.",
    "t_paired": "Student's t over pairs of restarts of the same number.",
    "p_paired": "Two-sided p of `t_paired`.",
}
# Order of the columns; the settings of the attack come between both lists.
IDENTITY = (
    *("experiment", "run", "target", "weights", "weights_sha256", "data", "images", "restarts"),
    "seed",
)
MEASURED = (
    *("clean_accuracy", "first_accuracy", "robust_accuracy", "robust_accuracy_low"),
    *("robust_accuracy_high", "paper_accuracy", "top5_accuracy", "paper_top5_accuracy", "pgd_run"),
    *("only_daa", "only_pgd", "p_mcnemar", "p_holm", "t_unpaired", "p_unpaired", "t_paired"),
    *("p_paired", "gradients_per_image", "seconds", "device", "git_commit", "instead_of"),
)


@dataclass(frozen=True, eq=False)
class ResultSet:
    """At least one record of an experiment, in the order of its rows, and the missing rows."""

    records: tuple[Record, ...]
    missing: tuple[Row, ...] = ()
    experiment: Experiment | None = None
    folder: Path = Path()

    @property
    def title(self) -> str:
        """Title of the experiment; names the target if it differs from the config."""
        first = self.records[0]
        on = f", on {first.target}" if self.experiment and first.instead_of else ""
        return f"{(self.experiment or first).title}{on}"

    @property
    def group(self) -> str:
        """Section of the results page; empty for none."""
        return self.experiment.group if self.experiment else ""

    @property
    def sweep(self) -> str | None:
        return self.experiment.sweep if self.experiment else None

    @cached_property
    def compared(self) -> list[Comparison]:
        """Each run of DAA compared with PGD of otherwise equal settings."""
        rows = {row.name: row for row in self.experiment.rows} if self.experiment else {}
        return [
            replace(pair, paper=rows[pair.daa.run].paper_tests) if rows else pair
            for pair in comparisons.compare(self.records)
        ]

    @cached_property
    def pairs(self) -> dict[str, Comparison]:
        """`compared`, by the name of the run of DAA."""
        return {pair.daa.run: pair for pair in self.compared}

    @cached_property
    def budgeted(self) -> list[Comparison]:
        """Each run with a gradient budget compared with PGD of the same seed."""
        return comparisons.budgeted(self.records)

    @property
    def has_curves(self) -> bool:
        """Whether all records have the accuracies after each number of gradients."""
        return all(record.gradients_after is not None for record in self.records)

    def frame(self) -> DataFrame:
        """One row per record; docs/records.md describes the columns.

        Accuracies are in [0, 1] and not rounded. Values without a record field are missing.
        """
        import pandas as pd  # takes half a second, and most commands do not need it

        read = {name for record in self.records for name in record.settings}
        # The setting `restarts` says which images a restart attacks.
        names = {name: name for name in AttackConfig.names() if name in read}
        if "restarts" in read:
            names["restarts"] = "restarts_setting"
        rows = []
        for record in self.records:
            row = {names[name]: value for name, value in record.settings.items()}
            row |= record.model_dump(exclude={"attack"})
            low, high = stats.interval(record.images - len(record.broken), record.images)
            row |= {
                "first_accuracy": record.robust_accuracy[0],
                "robust_accuracy": record.worst,
                "robust_accuracy_low": low,
                "robust_accuracy_high": high,
                "paper_accuracy": _share(record.paper_percent),
                "paper_top5_accuracy": _share(record.paper_top5_percent),
            }
            if pair := self.pairs.get(record.run):
                row |= {"pgd_run": pair.pgd.run, "p_mcnemar": pair.p, "p_holm": pair.p_holm}
                row |= {"only_daa": pair.only_daa, "only_pgd": pair.only_pgd}
                row |= {"t_unpaired": pair.unpaired.t, "p_unpaired": pair.unpaired.p}
                row |= {"t_paired": pair.paired.t, "p_paired": pair.paired.p}
            rows.append(row)
        frame = pd.DataFrame(rows, columns=[*IDENTITY, *names.values(), *MEASURED], dtype=object)
        dtypes = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}
        for name in frame:
            kinds = {type(value) for value in frame[name].dropna()}
            kind = float if kinds == {int, float} else next(iter(kinds), str)
            frame[name] = frame[name].astype(dtypes[kind])
        return frame


def _share(percent: float | None) -> float | None:
    # Division by 100 adds digits after those in the paper.
    return None if percent is None else round(percent / 100, 12)


def load(folder: str | Path, experiment: Experiment | None = None) -> ResultSet:
    """Reads a result folder: records and experiment.json.

    Records that are damaged or contradict the experiment are left out with a warning. Values
    of the paper are read from the experiment.
    """
    folder = Path(folder)
    experiment = experiment or config.load_experiment(folder)
    rows = {row.name: row for row in experiment.rows} if experiment else {}
    by_run: dict[str, Record] = {}
    for path in sorted(folder.glob("*.json")):
        if path.stem in config.TAKEN:  # not a record
            continue
        try:
            record = records.load(path)
            if row := rows.get(record.run):
                _check(record, row, path)
                values = {"paper_percent": row.paper, "paper_top5_percent": row.paper_top5}
                record = record.model_copy(update=values)
        except InputError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        if record.run in by_run:
            raise InputError(f"{path}: run: another record of {record.run} is in the same folder")
        by_run[record.run] = record
    if not by_run:
        raise InputError(f"{folder}: expected result records, got none")
    ours = tuple(by_run[name] for name in rows or by_run if name in by_run)
    if not ours:
        raise InputError(f"{folder}: no record of a row of experiment.json")
    missing = tuple(row for name, row in rows.items() if name not in by_run)
    return ResultSet(ours, missing, experiment, folder)


def _check(record: Record, row: Row, path: Path) -> None:
    """Refuses a record with other settings than the row."""
    for key, expected in row.attack.settings().items():
        # A device without bfloat16 computes in float32, as the label of the run says.
        if key != "precision":
            got = record.settings.get(key)
            where = f"{path}: attack: {key}"
            require(got == expected, where, f"{expected!r} as in experiment.json", got)


def load_results(folder: str | Path) -> DataFrame:
    """The records of a result folder as a data frame with a row per record.

        daa.load_results("results/robust_mnist")[["run", "robust_accuracy", "p_holm"]]

    Args:
        folder: of the records.

    Returns:
        The data frame; docs/records.md describes the columns.

    Raises:
        InputError: the folder has no record, or two records of one run.
    """
    return load(folder).frame()


def folders(named: Iterable[Path] = ()) -> list[Path]:
    """The named result folders, which must exist; without names, all in the folder `results`."""
    named = list(named) or sorted({path.parent for path in Path("results").glob("*/*.json")})
    if not named:
        raise InputError("results: no result folders in this folder; name some")
    for folder in named:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    return named


def places(named: Iterable[Path], out: Path | None) -> list[tuple[Path, Path]]:
    """Each of `folders` with the folder for the reports: itself, or a folder in `out`."""
    selected = folders(named)
    if out is None:
        return [(folder, folder) for folder in selected]
    names = [folder.resolve().name for folder in selected]
    for k, name in enumerate(names):
        require(name not in names[:k], "out", "result folders of different names", name)
    return [(folder, out / name) for folder, name in zip(selected, names, strict=True)]
