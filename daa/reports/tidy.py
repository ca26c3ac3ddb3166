"""The records of an experiment as tidy comma-separated values, for other programs to read.

There is one row per record and one column per variable. Numbers are plain: no digit is rounded
away, and accuracies are in [0, 1]. A cell is empty where the record has no such value. Images that
the network misclassifies without an attack count as broken, also where `natural.json` lists more of
them than the record.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

from daa.attacks.methods import AttackConfig
from daa.reports import stats
from daa.reports.comparisons import Comparison, compare
from daa.reports.results import Collected
from daa.runs.records import Record

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Row:
    """A record, and its comparison with PGD."""

    record: Record
    comparison: Comparison | None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the worst case."""
        images = self.record.images
        return stats.interval(images - len(self.record.broken), images)


@dataclass(frozen=True)
class Column:
    """A column of the file. The order of columns in their list is their order in the file."""

    name: str
    value: Callable[[Row], Value]
    meaning: str


def _same(name: str) -> Column:
    """A field of the record."""
    meaning = Record.model_fields[name].description
    return Column(name, lambda row: getattr(row.record, name), str(meaning))


def _against(name: str, value: Callable[[Comparison], Value], meaning: str) -> Column:
    return Column(
        name, lambda row: None if row.comparison is None else value(row.comparison), meaning
    )


def _share(percent: float | None) -> float | None:
    """An accuracy in percent as one in [0, 1], without the digits that the division adds."""
    return None if percent is None else round(percent / 100, 12)


RUN = (
    _same("experiment"),
    _same("run"),
    _same("target"),
    _same("weights"),
    _same("weights_sha256"),
    _same("data"),
    _same("images"),
    _same("restarts"),
    _same("seed"),
)
MEASURED = (
    _same("clean_accuracy"),
    Column(
        "first_accuracy",
        lambda row: row.record.robust_accuracy[0],
        "Accuracy after the first restart.",
    ),
    Column(
        "robust_accuracy", lambda row: row.record.worst, "Worst-case accuracy after all restarts."
    ),
    Column(
        "robust_accuracy_low",
        lambda row: row.interval[0],
        "Lower bound of Clopper and Pearson's 95 % interval of `robust_accuracy`.",
    ),
    Column("robust_accuracy_high", lambda row: row.interval[1], "Upper bound of that interval."),
    Column(
        "paper_accuracy",
        lambda row: _share(row.record.paper_percent),
        "The paper's worst case, on the network of the paper, which may be another one.",
    ),
    _same("top5_accuracy"),
    Column(
        "paper_top5_accuracy",
        lambda row: _share(row.record.paper_top5_percent),
        "The paper's top-5 accuracy.",
    ),
    _against(
        "pgd_run",
        lambda found: found.pgd.run,
        "The run of PGD that this run of DAA is tested against.",
    ),
    _against("only_daa", lambda found: found.only_daa, "Images that only the run of DAA breaks."),
    _against("only_pgd", lambda found: found.only_pgd, "Images that only the run of PGD breaks."),
    _against(
        "p_mcnemar",
        lambda found: found.p,
        "McNemar's exact two-sided p, on the images that only one of both runs breaks.",
    ),
    _against(
        "p_holm",
        lambda found: found.p_holm,
        "`p_mcnemar` after Holm's correction for all comparisons of the experiment.",
    ),
    _against(
        "t_unpaired",
        lambda found: found.unpaired.t,
        "Student's t over the restarts of both runs, positive where DAA is stronger.",
    ),
    _against("p_unpaired", lambda found: found.unpaired.p, "Two-sided p of `t_unpaired`."),
    _against(
        "t_paired",
        lambda found: found.paired.t,
        "Student's t over pairs of restarts of the same number.",
    ),
    _against("p_paired", lambda found: found.paired.p, "Two-sided p of `t_paired`."),
    _same("gradients_per_image"),
    _same("seconds"),
    _same("device"),
    _same("git_commit"),
    _same("instead_of"),
)


def settings(collected: Collected) -> list[Column]:
    """One column for each setting of the attack that the method of some record reads."""
    read = {name for record in collected.records for name in record.settings}
    return [_setting(name) for name in AttackConfig.names() if name in read]


def _setting(name: str) -> Column:
    return Column(name, lambda row: row.record.settings.get(name), "Setting of the attack.")


def text(collected: Collected) -> str:
    """The content of the file: a header, and one line for each record."""
    columns = [*RUN, *settings(collected), *MEASURED]
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for record, comparison in zip(collected.records, compare(collected.records), strict=True):
        row = Row(record, comparison)
        writer.writerow([_plain(column.value(row)) for column in columns])
    return lines.getvalue()


def _plain(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
