"""The report: a verdict for each number that the paper prints, as HTML, Markdown and CSV."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from daa.leaderboard import boards
from daa.paper import claims, networks
from daa.paper.networks import NetworkCheck
from daa.paper.plan import Task
from daa.paper.verdicts import WORDS, Verdict, judge
from daa.reports import results, stats, style
from daa.reports.results import ResultSet
from daa.reports.tables import Table
from daa.reports.wording import label, loss, plural, radius
from daa.targets.files import replaceable, write_atomically

PAGE = "index.html"
TITLE = "Distributionally Adversarial Attack: what was reproduced"
_RIGHT_ALIGNED = {
    *("eps", "paper", "here", "95 % interval", "images", "restarts"),
    *("clean, %", "published", "ms per step", "images of a step"),
}


@dataclass(frozen=True)
class Report:
    """The content of the report; `figures` is {title: path from the folder of the report}."""

    summary: str
    verdicts: tuple[Verdict, ...]
    networks: tuple[NetworkCheck, ...]
    remarks: tuple[str, ...]
    figures: Mapping[str, str]


def make(work: Sequence[Task], out: Path) -> Report:
    """The report of the records that tasks have in a folder."""
    tasks = {task.entry.config: task for task in work}
    loaded: dict[str, ResultSet] = {}
    for name, task in tasks.items():
        folder = out / task.experiment.name
        if any((folder / f"{row.name}.json").exists() for row in task.experiment.rows):
            loaded[name] = results.load(folder, task.experiment)
    # Results stay in the report if their weights or data are missing later.
    active = [task for name, task in tasks.items() if name in loaded or not task.missing]
    targets = dict.fromkeys(task.experiment.target for task in active)
    paths = [networks.path_of(out, target) for target in targets]
    checks = tuple(check for path in paths if (check := networks.load(path)) is not None)
    doubts = {check.target: "; ".join(check.misses) for check in checks if check.misses}
    doubts |= _differences_from_boards(tasks, loaded)
    verdicts = tuple(
        judge(claim, task, loaded.get(name), doubts.get(task.experiment.target, ""))
        for name, task in tasks.items()
        for claim in claims.claims()
        if claim.config == name
    )
    remarks = [f"{name} is not the paper's network: {doubt}." for name, doubt in doubts.items()]
    remarks += _unfinished(tasks, loaded)
    finished = sum(record.restarts for one in loaded.values() for record in one.records)
    total = sum(task.experiment.restarts * len(task.experiment.rows) for task in active)
    progress = f"{finished:,} of {total:,} restarts are finished, of the runs that can run here."
    figures = {}
    for result_set in loaded.values():
        restarts = plural(min(record.restarts for record in result_set.records), "restart")
        for path in sorted(result_set.folder.glob("*.png")):
            title = f"{result_set.title} ({path.name}, {restarts})"
            figures[title] = path.relative_to(out).as_posix()
    return Report(f"{_summary(verdicts)} {progress}", verdicts, checks, tuple(remarks), figures)


def write(work: Sequence[Task], out: Path) -> Report:
    report = make(work, out)
    table, checks = _verdict_table(report.verdicts), _network_table(report.networks)
    values = {"title": TITLE, "report": report, "table": table, "networks": checks}
    for name, template in ((PAGE, "paper.html"), ("report.md", "paper.md")):
        write_atomically(out / name, style.render(template, **values).encode())
    write_atomically(out / "report.csv", _csv(report.verdicts).encode())
    return report


def check_folder(out: Path) -> None:
    for name, mark in {PAGE: TITLE, "report.md": TITLE, "report.csv": "config,run,"}.items():
        replaceable(out / name, mark)


def _differences_from_boards(
    tasks: Mapping[str, Task], loaded: Mapping[str, ResultSet]
) -> dict[str, str]:
    """Networks on which one run of the leaderboard's attack has another result than there."""
    doubts = {}
    for name, result_set in loaded.items():
        task, record = tasks[name], result_set.records[0]
        if task.entry.board is None or task.substituted:
            continue
        expected = boards.value(record.target, task.entry.board)
        bounds = stats.interval(record.images - len(record.broken), record.images)
        low, high = (100 * bound for bound in bounds)
        if record.images >= task.entry.images and not low <= expected <= high:
            doubts[record.target] = (
                f"{task.entry.board}: expected {expected:.2f} as on the leaderboard, got "
                f"{100 * record.worst:.2f} (95 % interval {low:.2f} to {high:.2f})"
            )
    return doubts


def _unfinished(tasks: Mapping[str, Task], loaded: Mapping[str, ResultSet]) -> list[str]:
    """Experiments that cannot start or continue, one sentence for each reason."""
    configs: dict[str, list[str]] = {}
    for name, task in tasks.items():
        restarts = [record.restarts for record in loaded[name].records] if name in loaded else []
        complete = len(restarts) == len(task.experiment.rows)
        if task.missing and not (complete and min(restarts) >= task.experiment.restarts):
            state = "Not finished" if restarts else "Not run"
            configs.setdefault(f"{state}: {{}}: {task.missing}.", []).append(name)
    return [sentence.format(", ".join(names)) for sentence, names in configs.items()]


def _summary(verdicts: Sequence[Verdict]) -> str:
    asked = list(dict.fromkeys(verdict.task.entry.dataset for verdict in verdicts))
    scope = "" if asked == claims.datasets() else f" for {', '.join(asked)}"
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        sentence = f"The paper prints {{}} accuracies{scope}."
        if verdict.claim.kind in claims.TESTS:
            sentence = "It prints {} values of t-tests."
        elif verdict.claim.kind in claims.ORDERS:
            of = "substitute" if verdict.task.substituted else "the paper's"
            sentence = f"Rankings of DAA among other attacks, measured on {of} networks: {{}}."
        groups.setdefault(sentence, []).append(verdict)
    parts = [f"{text.format(len(group))} {_compared(group)}" for text, group in groups.items()]
    failed = dict.fromkeys(v.task.experiment.target for v in verdicts if v.doubt)
    if failed:
        parts.append(f"{', '.join(failed)} failed the checks and gets no verdicts.")
    substitutes = {v.task.experiment.target for v in verdicts if v.task.substituted and v.record}
    if substitutes:
        parts.append(
            f"The substitute networks are {', '.join(sorted(substitutes))}. Accuracies on them "
            "cannot confirm the paper's accuracies; only rankings of the attacks get a verdict."
        )
    return " ".join(parts)


def _compared(group: Sequence[Verdict]) -> str:
    """How many numbers could be compared with the paper, and the obstacles for the others."""
    counts = Counter(verdict.word for verdict in group)
    words = [f"{counts[word]} {text}" for word, text in WORDS.items() if text and counts[word]]
    obstacles = Counter(_obstacle(verdict) for verdict in group if not WORDS[verdict.word])
    listed = ", and ".join(f"{text} for {count}" for text, count in obstacles.items())
    if not words:
        return f"None could be compared yet: {listed}."
    text = f"{len(group) - obstacles.total()} could be compared: {', '.join(words)}."
    return f"{text} The others could not be compared yet: {listed}." if listed else text


def _obstacle(verdict: Verdict) -> str:
    if verdict.word == "undecided yet":
        return "restarts or images are missing"
    if verdict.word == "no verdict":
        network = "network that failed the checks" if verdict.doubt else "substitute network"
        return f"a {network} was attacked"
    if verdict.task.missing_weights:
        return "the original weights are missing"
    return "the data sets are missing" if verdict.task.missing_data else "no run has started"


def _verdict_table(verdicts: Sequence[Verdict]) -> Table:
    rows = []
    for verdict in verdicts:
        claim, attack, record = verdict.claim, verdict.attack, verdict.record
        interval = f"{verdict.low:.2f} to {verdict.high:.2f}" if verdict.low is not None else ""
        of = f" of {verdict.paper_restarts}" if verdict.paper_restarts else ""
        rows.append(
            {
                "where": claim.source,
                "network": verdict.task.experiment.target,
                "weights": f"{record.weights} {str(record.weights_sha256)[:8]}" if record else "",
                "attack": label(attack) if attack else "all",
                "loss": loss(attack) if attack else "",
                "eps": radius(attack.eps) if attack else "",
                "what": claims.KINDS[claim.kind],
                "paper": claim.text,
                "here": verdict.here,
                "95 % interval": interval,
                "images": f"{record.images:,}" if record else "",
                "restarts": f"{verdict.restarts}{of}",
                "verdict": verdict.word,
                "why": verdict.reason,
            }
        )
    return _table(rows)


def _network_table(checks: Sequence[NetworkCheck]) -> Table:
    return _table(
        [
            {
                "network": check.target,
                "weights": check.weights,
                "file": check.file,
                "clean, %": f"{check.clean:.2f}",
                "published": "" if check.published is None else f"{check.published:.2f}",
                "images": f"{check.images:,}",
                "ms per step": f"{check.ms_per_image * check.particles:,.0f}",
                "images of a step": str(check.particles),
                "precision": check.precision,
                "device": check.device,
                "sha256 of the weights": check.weights_sha256 or "",
                "sha256 of the images": check.data_sha256,
            }
            for check in checks
        ]
    )


def _table(rows: Sequence[dict[str, str]]) -> Table:
    names = rows[0] if rows else ()
    return Table({name: "right" if name in _RIGHT_ALIGNED else "left" for name in names}, rows)


def _csv(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as comma-separated values, with complete hashes."""

    def fields(source: object, *names: str) -> dict[str, object]:
        return {name: getattr(source, name, None) for name in names}

    rows = [
        {
            **fields(verdict.claim, "config", "run", "source", "kind"),
            "target": verdict.task.experiment.target,
            "paper_target": verdict.task.original.target,
            **fields(verdict.record, "weights", "weights_sha256", "data", "data_sha256", "images"),
            **fields(verdict.attack, "method", "loss", "eps"),
            "paper": verdict.claim.text,
            **fields(verdict, "here", "low", "high", "restarts"),
            "paper_restarts": verdict.paper_restarts or None,
            **fields(verdict.comparison, "only_daa", "only_pgd", "p_holm"),
            **fields(verdict.record, "git_commit", "device"),
            "word": verdict.word,
            "why": verdict.reason,
        }
        for verdict in verdicts
    ]
    return pandas.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")
