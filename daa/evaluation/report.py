"""What an evaluation writes: evaluation.json, its record, table, figures and a page of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from daa.attacks.methods import METHODS
from daa.errors import require
from daa.evaluation import figures as verdict_figures
from daa.reports import plotting, tables
from daa.reports.results import Collected
from daa.reports.wording import radius
from daa.runs import provenance, records, state
from daa.runs.records import EVALUATION, Settings
from daa.targets.files import replaceable, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from daa.evaluation.evaluate import Evaluation


PAGE = "index.html"


class Said(BaseModel):
    """A finding of a check, or a note on what was done to the model or to the images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="Stable name; docs/checks.md explains it.")
    message: str = Field(description="What was found or done.")
    advice: str = Field("", description="What to do about it.")


class Verdict(BaseModel):
    """An evaluation of a classifier. Accuracies are in [0, 1], `eps` is for images in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clean_accuracy: float = Field(description="Accuracy on the natural images.")
    robust_accuracy: float = Field(description="Accuracy on the worst images found.")
    interval: tuple[float, float] = Field(
        description="Clopper and Pearson's 95 % interval of `robust_accuracy`."
    )
    gradients_per_image: float = Field(
        description="Mean forward-backward passes per image; a forward pass alone counts half."
    )
    seconds: float = Field(description="Time that the attack took, without the checks.")
    warnings: tuple[str, ...] = Field(description="Codes of what the checks found.")
    findings: tuple[Said, ...] = Field(description="The same with sentences and advice.")
    notes: tuple[Said, ...] = Field(description="What was done to the model and to the images.")
    eps: float = Field(description="Radius of the L-infinity ball.")
    method: str = Field(description="Name of the attack.")
    attack: Settings = Field(description="Settings of the attack that its method reads.")
    seed: int = Field(description="Seed of all random numbers.")
    images: int = Field(description="Number of images attacked: the first ones of the data.")
    classes: int = Field(description="Number of the model's outputs.")
    bounds: tuple[float, float] = Field(description="Range of the pixels that the model takes.")
    model: str = Field(description="Name of the model.")
    model_sha256: str | None = Field(
        description="Hash of the model's file; of its weights where it came without a file."
    )
    data: str = Field(description="Name of the data.")
    data_sha256: str = Field(description="Hash of the data's files, or of its arrays.")
    device: str = Field(description="What the attack was computed on.")
    versions: dict[str, str] = Field(description="Versions of Python, TensorFlow and NumPy.")
    commit: str | None = Field(
        description="Commit of this project's code, with `-dirty` behind it where it differed; "
        "null for an installed package."
    )


def of(evaluation: Evaluation) -> Verdict:
    """The verdict of an evaluation."""
    target, config = evaluation.target, evaluation.config
    findings = [Said(code=f.code, message=f.message, advice=f.advice) for f in evaluation.findings]
    return Verdict(
        clean_accuracy=evaluation.clean_accuracy,
        robust_accuracy=evaluation.robust_accuracy,
        interval=evaluation.interval,
        gradients_per_image=round(evaluation.gradients_per_image, 3),
        seconds=round(evaluation.seconds, 1),
        warnings=tuple(evaluation.warnings),
        findings=tuple(findings),
        notes=tuple(Said(code=n.code, message=n.message, advice="") for n in evaluation.notes),
        eps=config.eps,
        method=config.method,
        attack=config,
        seed=evaluation.seed,
        images=len(evaluation.data),
        classes=target.classes,
        bounds=(target.bounds.lower, target.bounds.upper),
        model=target.name,
        model_sha256=target.weights_sha256,
        data=evaluation.data.name,
        data_sha256=evaluation.data.sha256,
        device=evaluation.device,
        versions=provenance.versions(),
        commit=evaluation.record.git_commit,
    )


def folder_of(*parts: str | None) -> Path:
    """A folder for an evaluation, named after its model, data, attack and radius."""
    return Path("evaluations") / "-".join(_plain(part) for part in parts if part)


def _plain(text: str) -> str:
    """A text as part of a file's name."""
    text = text.lower().replace("/", "of") if re.fullmatch(r"eps\d+/\d+", text) else text.lower()
    return re.sub(r"[^a-z0-9._]+", "-", text).strip("-._")[:100] or "model"


def experiment_name(folder: Path) -> str:
    """The name of the experiment whose record lies in a folder."""
    return _plain(folder.resolve().name)


def check_folder(folder: Path, method: str, force: bool = False) -> None:
    """Checks that a folder holds no evaluation with another method, and no page of the user's own.

    Args:
        folder: in which an evaluation is written.
        method: of the evaluation.
        force: remove the results of other evaluations.

    Raises:
        InputError: it does.
    """
    others = [
        folder / f"{name}.{kind}" for name in METHODS for kind in ("json", "npz") if name != method
    ]
    if force:
        for path in (*others, folder / EVALUATION):
            path.unlink(missing_ok=True)
    for path in others:
        expected = f"an evaluation with {method}, or an empty folder"
        require(not path.exists(), str(folder), expected, path.name)
    replaceable(folder / PAGE, "% robust accuracy</title>")


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Writes all files of an evaluation; one that is there of the same run is replaced.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder holds the result of another run, or can't be written to.
    """
    check_folder(folder, evaluation.config.method)
    with state.sole(folder):
        path = folder / f"{evaluation.record.run}.json"
        record = _record(evaluation, folder)
        if path.exists():
            records.check_same(path, records.load(path), record.identity)
        records.save(path, record)
        return fill(evaluation, folder)


def fill(evaluation: Evaluation, folder: Path) -> Path:
    """As `write`, for a process that holds the folder."""
    record = _record(evaluation, folder)
    collected = Collected(record.title, (record,))
    tables.write(collected, folder)
    pictures = {
        "accuracy": verdict_figures.accuracy(evaluation),
        "worst": verdict_figures.worst(evaluation),
    }
    for name, figure in pictures.items():
        if figure is not None:
            plotting.save(figure, folder / f"{name}.png")
    verdict = of(evaluation)
    page = folder / PAGE
    write_atomically(page, _html(verdict, pictures, collected).encode())
    # The last one, so that a reader who finds it finds all others.
    records.write_json(folder / EVALUATION, verdict.model_dump(mode="json"))
    return page


def _record(evaluation: Evaluation, folder: Path) -> records.Record:
    return evaluation.record.model_copy(update={"experiment": experiment_name(folder)})


def _html(verdict: Verdict, pictures: dict[str, Figure | None], collected: Collected) -> str:
    environment = Environment(
        loader=PackageLoader("daa.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    falls = f"from {100 * verdict.clean_accuracy:.1f} to {100 * verdict.robust_accuracy:.1f} %"
    about = {
        "accuracy": f"Robust accuracy falls {falls} as gradients are spent",
        "worst": "Natural images, the worst ones found, and the changes",
    }
    figures = {
        name: plotting.inline(figure, name, about[name])
        for name, figure in pictures.items()
        if figure is not None
    }
    return environment.get_template("evaluation.html").render(
        verdict=verdict,
        attack=METHODS[verdict.method].title,
        eps=radius(verdict.eps),
        figures=figures,
        figure_style=plotting.page_style(),
        table=tables.table(collected),
        settings=verdict.attack.settings(),
    )
