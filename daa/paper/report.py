"""The report: a verdict for each number that the paper prints, as HTML, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from daa.errors import require
from daa.leaderboard import boards
from daa.paper import claims, networks
from daa.paper.networks import NetworkCheck
from daa.paper.plan import Task
from daa.paper.verdicts import IMAGE_SHARE, Verdict, Word, judge
from daa.reports import results, stats, style, tabular
from daa.reports.results import ResultSet
from daa.reports.tables import Column, Table
from daa.reports.wording import label, loss, plural, radius
from daa.targets.files import write_atomically

TITLE = "Distributionally Adversarial Attack: what was reproduced"
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
LEGEND = (
    "Lower accuracy is a stronger attack. An accuracy is reproduced when all restarts of the paper "
    "are done and the paper's value is in the 95 % confidence interval (Clopper and Pearson, over "
    "the images: 0.5 to 1 point to either side on 10,000 images) or, for a single run, within the "
    "spread of the runs. Both values may then be equal; equality is not proved. Stronger or weaker "
    "here means that the paper's value is above or below the interval. The ten digits of Figure 1, "
    "which DAA misleads and PGD does not, count as one of the accuracies.",
    "McNemar's exact test on the images that only one attack breaks, with Holm's correction for "
    "each table, decides whether DAA or PGD is stronger. The t-tests of the paper are judged by "
    "their sign. No test shows that two attacks are equal, so an order that the paper prints as "
    "equal is never reproduced. Where the paper calls DAA the strongest attack everywhere, the "
    "strongest DAA and the strongest other attack are tested at each radius with each loss (on the "
    "provable network also without clipping to [0, 1]). Reproduced then means: stronger at one "
    "point or more, weaker at none, and no higher mean; reproduced in part: some means are higher; "
    "weaker here: stronger at some points and weaker at others. On a substitute network, orders "
    "need the images and restarts of the substitute.",
    "Restarts are those that are done, of those of the paper if it prints them. The paper does not "
    "define Rand+FGSM; here it is one step of eps from a uniform start.",
)
# Verdicts that compare with the paper, as the summary words them.
_COMPARED: dict[Word, str] = {
    "reproduced": "reproduced",
    "reproduced in part": "reproduced in part",
    "same sign": "with the same sign",
    "stronger here": "with a stronger attack here",
    "weaker here": "with a weaker attack here",
    "opposite here": "with the opposite result here",
    "no difference found": "without a significant difference",
}


@dataclass(frozen=True)
class Report:
    """The content of the report.

    Args:
        summary: one paragraph.
        verdicts: one for each number or ranking that the paper prints.
        networks: checks of the attacked networks.
        remarks: networks that failed a check, and experiments that cannot run.
        figures: {title: path from the folder of the report}.
    """

    summary: str
    verdicts: tuple[Verdict, ...]
    networks: tuple[NetworkCheck, ...]
    remarks: tuple[str, ...]
    figures: Mapping[str, str]


def make(work: Sequence[Task], out: Path) -> Report:
    """The report of the records in a folder.

    Args:
        work: the selected tasks.
        out: folder of their records.
    """
    found = {task.entry.config: _results(task, out) for task in work}
    # Results stay in the report when their weights or data are missing later.
    active = [task for task in work if not task.missing or found[task.entry.config]]
    names = dict.fromkeys(task.experiment.target for task in active)
    paths = [networks.path_of(out, name) for name in names]
    checks = tuple(check for path in paths if (check := networks.load(path)) is not None)
    doubts = _doubts(work, found, checks)
    tasks = {task.entry.config: task for task in work}
    verdicts = tuple(
        judge(claim, task, found[claim.config], doubts.get(task.experiment.target, ""))
        for claim in claims.claims()
        if (task := tasks.get(claim.config))
    )
    remarks = [f"{name} is not the paper's network: {why}." for name, why in doubts.items()]
    remarks += _unfinished(work, found)
    figures = {}
    for task in work:
        collected = found[task.entry.config]
        for path in sorted(task.folder(out).glob("*.png")):
            least = min(record.restarts for record in collected.records) if collected else 0
            title = f"{task.experiment.title} ({path.name}, {plural(least, 'restart')})"
            figures[title] = path.relative_to(out).as_posix()
    done = sum(r.restarts for one in found.values() if one is not None for r in one.records)
    total = sum(task.experiment.restarts * len(task.experiment.rows) for task in active)
    progress = f"{done:,} of {total:,} restarts are done, of the runs that can run here."
    return Report(_summary(verdicts, progress), verdicts, checks, tuple(remarks), figures)


def write(report: Report, out: Path) -> Path:
    """Writes index.html, report.md and report.csv; returns the path of the page."""
    texts = {"report.md": markdown(report), "report.csv": plain(report), "index.html": html(report)}
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return out / "index.html"


def check_folder(out: Path) -> None:
    """Refuses a folder in which the report would overwrite other files.

    Raises:
        InputError: the folder has a file with a name of the report, which is no report.
    """
    marks = {"index.html": TITLE, "report.md": TITLE, "report.csv": "config,run,"}
    for name, mark in marks.items():
        path = out / name
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                is_report = mark in file.read(4000)
            expected = "a report of this command or no file; choose another folder"
            require(is_report, str(path), expected, "another file")


def _results(task: Task, out: Path) -> ResultSet | None:
    """The records of a task; None if there are none."""
    folder = task.folder(out)
    if not any((folder / f"{row.name}.json").exists() for row in task.experiment.rows):
        return None
    return results.load(folder, task.experiment)


def _doubts(
    work: Sequence[Task], found: Mapping[str, ResultSet | None], checks: Sequence[NetworkCheck]
) -> dict[str, str]:
    """Why networks are not the paper's: failed checks, or a value far from the leaderboard's."""
    doubts = {check.target: "; ".join(check.misses) for check in checks if check.misses}
    for task in work:
        collected = found[task.entry.config]
        if task.entry.board is None or collected is None or task.substituted:
            continue
        record = collected.records[0]
        expected = boards.value(record.target, task.entry.board)
        low, high = stats.interval(record.images - len(record.broken), record.images)
        enough = record.images >= IMAGE_SHARE * task.entry.images
        if enough and not 100 * low <= expected <= 100 * high:
            doubts[record.target] = (
                f"{task.entry.board}: expected {expected:.2f} as on the leaderboard, got "
                f"{100 * record.worst:.2f} (95 % interval {100 * low:.2f} to {100 * high:.2f})"
            )
    return doubts


def _unfinished(work: Sequence[Task], found: Mapping[str, ResultSet | None]) -> list[str]:
    """Experiments that cannot start or go on, one sentence for each reason."""
    configs: dict[tuple[str, str], list[str]] = {}
    for task in work:
        collected, restarts = found[task.entry.config], task.experiment.restarts
        finished = (
            collected is not None
            and not collected.missing
            and all(record.restarts >= restarts for record in collected.records)
        )
        if task.missing and not finished:
            state = "Not finished" if collected else "Not run"
            configs.setdefault((state, task.missing), []).append(task.entry.config)
    return [f"{state}: {', '.join(names)}: {why}." for (state, why), names in configs.items()]


def _summary(verdicts: Sequence[Verdict], progress: str) -> str:
    """A paragraph for readers who do not know this project."""
    asked = list(dict.fromkeys(verdict.task.entry.dataset for verdict in verdicts))
    scope = "" if asked == claims.datasets() else f" for {', '.join(asked)}"
    orders, tests, accuracies = [], [], []
    for verdict in verdicts:
        kind = verdict.claim.kind
        group = orders if kind in claims.ORDERS else tests if kind in claims.TESTS else accuracies
        group.append(verdict)
    parts = [f"The paper prints {len(accuracies)} accuracies{scope}.", _compared(accuracies)]
    if tests:
        parts += [f"It prints {plural(len(tests), 'value')} of t-tests.", _compared(tests)]
    if orders:
        parts.append(f"It ranks DAA against other attacks {plural(len(orders), 'time')}.")
        for substituted in (False, True):
            group = [verdict for verdict in orders if verdict.task.substituted == substituted]
            where = "substitute networks" if substituted else "the paper's networks"
            if group:
                parts.append(f"{plural(len(group), 'ranking')} on {where}: {_words(group)}.")
    failed = dict.fromkeys(v.task.experiment.target for v in verdicts if v.network_doubt)
    if failed:
        parts.append(f"{', '.join(failed)} failed the checks, so it gets no verdicts.")
    substitutes = {v.task.experiment.target for v in verdicts if v.task.substituted and v.record}
    if substitutes:
        parts.append(
            f"The substitute networks are {', '.join(sorted(substitutes))}. Accuracies on them "
            "cannot confirm the paper's accuracies; only rankings of the attacks get a verdict."
        )
    return " ".join([*parts, progress])


def _compared(group: Sequence[Verdict]) -> str:
    """How many verdicts of a group compare with the paper, and why the others do not."""
    compared = [verdict for verdict in group if verdict.word in _COMPARED]
    reasons = Counter(_obstacle(verdict) for verdict in group if verdict.word not in _COMPARED)
    texts = [reason.format(number) for reason, number in sorted(reasons.items())]
    listed = ", and ".join([", ".join(texts[:-1]), texts[-1]] if texts[1:] else texts)
    if not compared:
        return f"None could be compared yet: {listed}."
    text = f"{len(compared)} could be compared: {_words(compared)}."
    return f"{text} The others could not be compared yet: {listed}." if listed else text


def _obstacle(verdict: Verdict) -> str:
    """Why a number could not be compared with the paper's, as a template for their count."""
    if verdict.word == "undecided yet":
        return "restarts or images are missing for {}"
    if verdict.word == "no verdict":
        networks = "networks that failed the checks"
        if not verdict.network_doubt:
            networks = "substitute networks"
        return f"{{}} were measured on {networks}"
    if verdict.task.missing_weights:
        return "the original weights are missing for {}"
    return "the data sets are missing for {}" if verdict.task.missing_data else "{} have not run"


def _words(group: Sequence[Verdict]) -> str:
    counts = Counter(verdict.word for verdict in group)
    texts = [
        f"{counts[word]} {_COMPARED.get(word, word)}" for word in get_args(Word) if counts[word]
    ]
    return ", ".join(texts)


def _shown(verdict: Verdict) -> dict[str, str]:
    """The cells of a row in HTML and Markdown."""
    claim, attack, record = verdict.claim, verdict.attack, verdict.record
    interval = ""
    if verdict.low is not None and verdict.high is not None:
        interval = f"{verdict.low:.2f} to {verdict.high:.2f}"
    of = f" of {verdict.paper_restarts}" if verdict.paper_restarts else ""
    return {
        "where": claim.source,
        "network": verdict.task.experiment.target,
        "weights": f"{record.weights} {str(record.weights_sha256)[:8]}" if record else "",
        "attack": label(attack) if attack else "all",
        "loss": loss(attack) if attack else "",
        "eps": radius(attack.eps) if attack else "",
        "what": KINDS[claim.kind],
        "paper": claim.text,
        "here": verdict.here,
        "95 % interval": interval,
        "images": f"{record.images:,}" if record else "",
        "restarts": f"{verdict.restarts}{of}",
        "verdict": verdict.word,
        "why": verdict.why,
    }


def _network(check: NetworkCheck) -> dict[str, str]:
    """The cells of a network in HTML and Markdown."""
    return {
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


_NUMBERS = {
    *("eps", "paper", "here", "95 % interval", "images", "restarts"),
    *("clean, %", "published", "ms per step", "images of a step"),
}


def _table(rows: Sequence[dict[str, str]]) -> Table:
    names = rows[0] if rows else ()
    columns = [
        Column(name, lambda row: "", "right" if name in _NUMBERS else "left") for name in names
    ]
    return Table(tuple(columns), tuple(rows))


def html(report: Report) -> str:
    """One page with tables that can be sorted."""
    return style.render(
        "paper.html",
        title=TITLE,
        legend=LEGEND,
        report=report,
        table=_table([_shown(verdict) for verdict in report.verdicts]),
        networks=_table([_network(check) for check in report.networks]),
    )


def markdown(report: Report) -> str:
    """The report in Markdown."""
    parts = [f"# {TITLE}", "", report.summary]
    rows = [_shown(verdict) for verdict in report.verdicts]
    for table in (_table(rows), _table([_network(check) for check in report.networks])):
        if table.rows:
            parts += ["", *tabular.markdown(table.header, table.cells, table.align)]
    for text in (*LEGEND, *report.remarks):
        parts += ["", text]
    for title, path in report.figures.items():
        parts += ["", f"{title}:", "", f"![{title}]({path})"]
    return "\n".join(parts) + "\n"


def plain(report: Report) -> str:
    """The verdicts as comma-separated values, with whole hashes."""
    text = io.StringIO()
    rows = [_plain(verdict) for verdict in report.verdicts]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(verdict: Verdict) -> dict[str, object]:
    claim, task, attack = verdict.claim, verdict.task, verdict.attack
    record, comparison = verdict.record, verdict.comparison

    def fields(source: object, *names: str) -> dict[str, object]:
        return {name: getattr(source, name, None) for name in names}

    return {
        **fields(claim, "config", "run", "source", "kind"),
        "target": task.experiment.target,
        "paper_target": task.original.target,
        **fields(record, "weights", "weights_sha256", "data", "data_sha256", "images"),
        **fields(attack, "method", "loss", "eps"),
        "paper": claim.text,
        **fields(verdict, "here", "low", "high", "restarts"),
        "paper_restarts": verdict.paper_restarts or None,
        **fields(comparison, "only_daa", "only_pgd", "p_holm"),
        **fields(record, "git_commit", "device"),
        **fields(verdict, "word", "why"),
    }
