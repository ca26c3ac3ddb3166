"""The columns of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daa.attacks.methods import AttackConfig
from daa.paper.plan import Task
from daa.paper.verdicts import Verdict
from daa.reports.tables import Column
from daa.reports.wording import label, loss, radius

# What a kind of number is called.
KINDS = {
    "worst": "worst case, %",
    "top-5": "top-5, %",
    "merged": "runs merged, %",
    "single": "single run, %",
    "t": "t, unpaired",
    "p": "p, unpaired",
    "p paired": "p, paired",
    "examples": "images only DAA breaks",
    "order": "DAA against PGD",
    "lowest": "DAA against all",
}


@dataclass(frozen=True)
class Line:
    """A row of the report: a verdict, and the task that it is of."""

    verdict: Verdict
    task: Task

    @property
    def attack(self) -> AttackConfig | None:
        """Of the run; None where all runs of the config are meant."""
        rows = {row.name: row.attack for row in self.task.experiment.rows}
        return rows.get(str(self.verdict.number.run))


def _attack(value: Callable[[AttackConfig], str], other: str = "") -> Callable[[Line], str]:
    return lambda line: value(line.attack) if line.attack else other


def _interval(line: Line) -> str:
    low, high = line.verdict.low, line.verdict.high
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _weights(line: Line) -> str:
    record = line.verdict.record
    return "" if record is None else f"{record.weights} {str(record.weights_sha256)[:8]}"


def _restarts(verdict: Verdict) -> str:
    return f"{verdict.restarts} of {verdict.of}" if verdict.of else str(verdict.restarts)


# The order of the columns is that of the tables. These are called with a `Line`.
SHOWN = (
    Column("where", lambda line: line.verdict.number.source, "left"),
    Column("network", lambda line: line.task.experiment.target, "left"),
    Column("weights", _weights, "left"),
    Column("attack", _attack(label, "all"), "left"),
    Column("loss", _attack(loss), "left"),
    Column("eps", _attack(lambda attack: radius(attack.eps))),
    Column("what", lambda line: KINDS[line.verdict.number.kind], "left"),
    Column("paper", lambda line: line.verdict.number.text),
    Column("here", lambda line: line.verdict.here),
    Column("95 % interval", _interval),
    Column("images", lambda line: f"{record.images:,}" if (record := line.verdict.record) else ""),
    Column("restarts", lambda line: _restarts(line.verdict)),
    Column("verdict", lambda line: line.verdict.word, "left"),
    Column("why", lambda line: line.verdict.why, "left"),
)


def _field(place: str, *names: str) -> list[Column]:
    """Columns of what a verdict has under a name, or inside its record or its comparison."""

    def value(name: str) -> Callable[[Line], str]:
        def text(line: Line) -> str:
            inside = line.verdict if not place else getattr(line.verdict, place)
            found = None if inside is None else getattr(inside, name)
            return "" if found is None else str(found)

        return text

    return [Column(name, value(name)) for name in names]


# Those of the CSV file, with plain numbers and whole hashes.
PLAIN = (
    Column("config", lambda line: line.verdict.number.config),
    Column("run", lambda line: line.verdict.number.run or ""),
    Column("source", lambda line: line.verdict.number.source),
    Column("kind", lambda line: line.verdict.number.kind),
    Column("target", lambda line: line.task.experiment.target),
    Column("paper_target", lambda line: line.task.config.target),
    *_field("record", "weights", "weights_sha256", "data", "data_sha256", "images"),
    Column("method", _attack(lambda attack: attack.method)),
    Column("loss", _attack(lambda attack: str(attack.loss))),
    Column("eps", _attack(lambda attack: str(attack.eps))),
    Column("paper", lambda line: line.verdict.number.text),
    *_field("", "here", "low", "high", "restarts"),
    Column("paper_restarts", lambda line: str(line.verdict.of or "")),
    *_field("comparison", "only_daa", "only_pgd", "p_holm"),
    *_field("record", "git_commit", "device"),
    *_field("", "word", "why"),
)
NETWORKS = (
    Column("network", lambda known: known.target, "left"),
    Column("weights", lambda known: known.weights, "left"),
    Column("file", lambda known: known.file, "left"),
    Column("clean, %", lambda known: f"{known.clean:.2f}"),
    Column("published", lambda known: "" if known.published is None else f"{known.published:.2f}"),
    Column("images", lambda known: f"{known.images:,}"),
    Column("ms per step", lambda known: f"{known.ms_per_image * known.particles:,.0f}"),
    Column("images of a step", lambda known: str(known.particles)),
    Column("precision", lambda known: known.precision, "left"),
    Column("device", lambda known: known.device, "left"),
    Column("sha256 of the weights", lambda known: known.weights_sha256 or "", "left"),
    Column("sha256 of the images", lambda known: known.data_sha256, "left"),
)
