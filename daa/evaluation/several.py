"""Several evaluations together: a curve over the radii, or models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from daa.errors import InputError, require
from daa.evaluation.report import Evaluation, slug
from daa.reports import page, stats, tabular
from daa.reports.page import Board, Entry
from daa.reports.publish import publish
from daa.reports.wording import plural, radius
from daa.runs import config, records, state
from daa.runs.config import Row


def curve(evaluations: Sequence[Evaluation], folder: Path, force: bool = False) -> str:
    """Writes one experiment with all radii: records, table, curve and page; returns the table."""
    first = evaluations[0]
    names = [f"{e.config.method}-eps{radius(e.config.eps)}".replace("/", "of") for e in evaluations]
    require(len({*names}) == len(names), "eps", "different radii", ", ".join(names))
    rows = [Row(name=n, attack=e.config) for n, e in zip(names, evaluations, strict=True)]
    new = {"name": slug(folder.resolve().name), "rows": tuple(rows), "sweep": "eps"}
    experiment = first.experiment.model_copy(update=new)
    with state.sole(folder):
        if not force and config.load_experiment(folder) not in (None, experiment):
            raise InputError(f"{folder}: contains another experiment; {records.ANEW}")
        config.save_experiment(folder, experiment)
        for name, evaluation in zip(names, evaluations, strict=True):
            fields = {"experiment": experiment.name, "run": name}
            records.save(folder / f"{name}.json", evaluation.record.model_copy(update=fields))
        text = publish(folder)
        written, _ = page.write([folder], folder)
    return f"{text}\npage    {written}"


def side_by_side(evaluations: Sequence[Evaluation], folders: Sequence[Path], out: Path) -> str:
    """Writes one page of models on the same images, the best first; returns table and tests."""
    if len({(one.record.data_sha256, one.record.images) for one in evaluations}) > 1:
        raise InputError("compare: the models have different images; give the same --data for all")
    order = sorted(range(len(evaluations)), key=lambda k: -evaluations[k].robust_accuracy)
    names = [f"{k + 1}: {evaluations[k].target.name}" for k in range(len(evaluations))]
    cells = []
    for k in order:
        one = evaluations[k]
        low, high = (f"{100 * end:.2f}" for end in one.interval)
        shares = [f"{100 * share:.2f}" for share in (one.clean_accuracy, one.robust_accuracy)]
        cells.append([names[k], *shares, f"{low} to {high}", f"{one.gradients_per_image:.1f}"])
    header = ["model", "clean", "robust", "95 % interval", "gradients per image"]
    tests = _tests([evaluations[k] for k in order], [names[k] for k in order])
    entries = [
        Entry(rank, names[k], 100 * evaluations[k].robust_accuracy)
        for rank, k in enumerate(order, 1)
    ]
    board = Board("Models side by side", " ".join(tests), entries)
    with state.sole(out):
        written, _ = page.write(folders, out, lambda *_: [board])
    table = tabular.markdown(header, cells)
    return "\n".join(["", *table, "", *tests, f"page    {written}"])


def _tests(evaluations: Sequence[Evaluation], names: Sequence[str]) -> list[str]:
    """A sentence for each pair of models, the more robust one first."""
    wrong = [{*evaluation.record.broken} for evaluation in evaluations]
    pairs = [*combinations(range(len(names)), 2)]
    only = [(len(wrong[j] - wrong[i]), len(wrong[i] - wrong[j])) for i, j in pairs]
    corrected = stats.holm([stats.mcnemar(*counts) for counts in only])
    return [
        f"{names[i]} is right under the attack on {plural(more, 'image')} on which {names[j]} is "
        f"wrong, and wrong on {less:,} on which the other is right (McNemar's test, p = {p:.2g} "
        "after Holm's correction)."
        for (i, j), (more, less), p in zip(pairs, only, corrected, strict=True)
    ]
