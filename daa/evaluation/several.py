"""Several evaluations together: a curve over the radii, or models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from daa.errors import InputError, require
from daa.evaluation.evaluate import evaluate
from daa.evaluation.report import Evaluation, slug
from daa.reports import page, stats, tabular
from daa.reports.page import Board, Entry
from daa.reports.publish import publish
from daa.reports.wording import plural, radius
from daa.runs import config, records, state
from daa.runs.config import Experiment, Row
from daa.target import Dataset

# Arguments of `daa.evaluate`.
Call = Mapping[str, Any]


def prepared(calls: Iterable[Call]) -> list[tuple[Experiment, Dataset]]:
    """Experiment and data of each evaluation; model, data and folder are checked, nothing runs."""
    return [next(evaluate.__wrapped__(**call)) for call in calls]  # type: ignore[attr-defined]


def of_radii(calls: Iterable[Call], folder: Path, force: bool = False) -> Experiment:
    """One experiment with all radii; refuses a folder with another one."""
    experiments = [experiment for experiment, _ in prepared(calls)]
    attacks = [experiment.rows[0].attack for experiment in experiments]
    names = [f"{attack.method}-eps{radius(attack.eps)}".replace("/", "of") for attack in attacks]
    require(len({*names}) == len(names), "eps", "different radii", ", ".join(names))
    rows = [Row(name=n, attack=attack) for n, attack in zip(names, attacks, strict=True)]
    new = {"name": slug(folder.resolve().name), "rows": tuple(rows), "sweep": "eps"}
    experiment = experiments[0].model_copy(update=new)
    if not force and config.load_experiment(folder) not in (None, experiment):
        raise InputError(f"{folder}: contains another experiment; {records.ANEW}")
    page.require_replaceable(folder)
    return experiment


def curve(experiment: Experiment, evaluations: Sequence[Evaluation], folder: Path) -> str:
    """Writes the experiment of `of_radii`: records, table, curve and page; returns the table."""
    with state.sole(folder):
        config.save_experiment(folder, experiment)
        for row, evaluation in zip(experiment.rows, evaluations, strict=True):
            fields = {"experiment": experiment.name, "run": row.name}
            records.save(folder / f"{row.name}.json", evaluation.record.model_copy(update=fields))
        text = publish(folder)
        written, _ = page.write([folder], folder)
    return f"{text}\npage    {written}"


def require_same_images(calls: Iterable[Call], out: Path) -> None:
    """Refuses models with different images, and another page in the folder."""
    if len({(data.sha256, len(data)) for _, data in prepared(calls)}) > 1:
        raise InputError("compare: the models have different images; give the same --data for all")
    page.require_replaceable(out)


def side_by_side(evaluations: Sequence[Evaluation], folders: Sequence[Path], out: Path) -> str:
    """Writes one page of models on the same images, the best first; returns table and tests."""
    named = {f"{k}: {one.target.name}": one for k, one in enumerate(evaluations, 1)}
    named = dict(sorted(named.items(), key=lambda item: -item[1].robust_accuracy))
    cells, entries = [], []
    for rank, (name, one) in enumerate(named.items(), 1):
        clean, robust = 100 * one.clean_accuracy, 100 * one.robust_accuracy
        low, high = (f"{100 * end:.2f}" for end in one.interval)
        shares = [f"{clean:.2f}", f"{robust:.2f}", f"{low} to {high}"]
        cells.append([name, *shares, f"{one.gradients_per_image:.1f}"])
        entries.append(Entry(rank, name, robust))
    header = ["model", "clean", "robust", "95 % interval", "gradients per image"]
    tests = _tests(named)
    board = Board("Models side by side", " ".join(tests), entries)
    with state.sole(out):
        written, _ = page.write(folders, out, lambda _: [board])
    table = tabular.markdown(header, cells)
    return "\n".join(["", *table, "", *tests, f"page    {written}"])


def _tests(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """A sentence for each pair of models, the more robust one first."""
    wrong = {name: {*evaluation.record.broken} for name, evaluation in evaluations.items()}
    pairs = [*combinations(wrong, 2)]
    only = [(len(wrong[b] - wrong[a]), len(wrong[a] - wrong[b])) for a, b in pairs]
    corrected = stats.holm([stats.mcnemar(*counts) for counts in only])
    return [
        f"{a} is right under the attack on {plural(more, 'image')} on which {b} is wrong, and "
        f"wrong on {less:,} on which the other is right (McNemar's test, p = {p:.2g} after Holm's "
        "correction)."
        for (a, b), (more, less), p in zip(pairs, only, corrected, strict=True)
    ]
