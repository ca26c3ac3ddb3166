"""Files of an evaluation: evaluation.json, record, table, figures and an HTML page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from daa.attacks.methods import METHODS
from daa.errors import InputError
from daa.evaluation import figures
from daa.reports import style, tables
from daa.reports.results import ResultSet
from daa.reports.wording import radius
from daa.runs import config, records, state
from daa.runs.config import Experiment, Row
from daa.runs.records import EVALUATION, Settings
from daa.targets.files import replaceable, write_atomically

if TYPE_CHECKING:
    from daa.attacks.methods import AttackConfig
    from daa.evaluation.evaluate import Evaluation
    from daa.target import Target

PAGE = "index.html"


class Said(BaseModel, frozen=True, extra="forbid"):
    """A finding of a check, or a note on the preparation of the model or of the images."""

    code: str = Field(description="Stable name; docs/checks.md explains it.")
    message: str = Field(description="What the check found, or what was done.")
    advice: str = Field("", description="What to do next.")


class Verdict(BaseModel, frozen=True, extra="forbid"):
    """An evaluation of a classifier. Accuracies are in [0, 1], `eps` is for images in [0, 1]."""

    clean_accuracy: float = Field(description="Accuracy on the clean images.")
    robust_accuracy: float = Field(description="Accuracy under the attack.")
    interval: tuple[float, float] = Field(
        description="Clopper and Pearson's 95 % interval of `robust_accuracy`."
    )
    gradients_per_image: float = Field(
        description="Mean forward-backward passes per image; a forward pass alone counts half."
    )
    seconds: float = Field(description="Time of the attack, without the checks.")
    warnings: tuple[str, ...] = Field(description="Codes of the findings.")
    findings: tuple[Said, ...] = Field(description="Findings of the checks, with advice.")
    notes: tuple[Said, ...] = Field(description="Preparation of the model and of the images.")
    eps: float = Field(description="Radius of the L-infinity ball.")
    method: str = Field(description="Name of the attack.")
    attack: Settings = Field(description="Settings of the attack.")
    seed: int = Field(description="Seed of all random numbers.")
    images: int = Field(description="Number of attacked images: the first ones of the data.")
    classes: int = Field(description="Number of classes of the model.")
    bounds: tuple[float, float] = Field(description="Pixel range of the model.")
    model: str = Field(description="Name of the model.")
    model_sha256: str | None = Field(
        description="Hash of the model's file, or of its weights for a model without a file."
    )
    data: str = Field(description="Name of the data.")
    data_sha256: str = Field(description="Hash of the data's files, or of its arrays.")
    device: str = Field(description="Device of the attack.")
    versions: dict[str, str] = Field(description="Versions of Python, TensorFlow and NumPy.")
    commit: str | None = Field(
        description="Commit of this project's code, followed by `-dirty` if the code differed; "
        "null for an installed package."
    )


def of(evaluation: Evaluation) -> Verdict:
    """The content of evaluation.json."""
    target, attack, record = evaluation.target, evaluation.config, evaluation.record
    measured = ("clean_accuracy", "robust_accuracy", "interval", "warnings", "findings", "notes")
    recorded = ("seconds", "seed", "images", "data", "data_sha256", "device", "versions")
    content = {name: getattr(evaluation, name) for name in measured}
    content |= {name: getattr(record, name) for name in recorded}
    content |= {
        "gradients_per_image": round(evaluation.gradients_per_image, 3),
        "eps": attack.eps,
        "method": attack.method,
        "attack": attack,
        "classes": target.classes,
        "bounds": (target.bounds.lower, target.bounds.upper),
        "model": target.name,
        "model_sha256": target.weights_sha256,
        "commit": record.git_commit,
    }
    return Verdict.model_validate(content, from_attributes=True)


def folder_of(*parts: str | None) -> Path:
    """A folder for an evaluation, named after its model, data, attack and radius."""
    return Path("evaluations") / "-".join(_slug(part) for part in parts if part)


def _slug(text: str) -> str:
    """A text as part of a file name."""
    text = text.lower().replace("/", "of") if re.fullmatch(r"eps\d+/\d+", text) else text.lower()
    return re.sub(r"[^a-z0-9._]+", "-", text).strip("-._")[:100] or "model"


def experiment(target: Target, attack: AttackConfig, seed: int, folder: Path | None) -> Experiment:
    """The experiment of an evaluation, with one row."""
    return Experiment(
        name="evaluation" if folder is None else _slug(folder.resolve().name),
        title=f"{target.name} under {METHODS[attack.method].title}",
        target=target.name,
        seed=seed,
        rows=(Row(name=attack.method, attack=attack),),
    )


def check_folder(folder: Path, method: str, force: bool = False) -> None:
    """Refuses a folder with another index.html, or with an evaluation by another attack.

    With `force`, the files of another evaluation are deleted.
    """
    names = [f"{name}.{suffix}" for name in METHODS for suffix in ("json", "npz")]
    if force:
        for name in (*names, EVALUATION, config.EXPERIMENT):
            (folder / name).unlink(missing_ok=True)
    for name in names:
        if Path(name).stem != method and (folder / name).exists():
            raise InputError(
                f"{folder}: contains {name} of another evaluation; choose another folder, or "
                "overwrite it with --force"
            )
    replaceable(folder / PAGE, "% robust accuracy</title>")


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Writes all files of an evaluation, which may replace files of the same run.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder holds the result of another run.
    """
    named = {"experiment": _slug(folder.resolve().name)}
    record = evaluation.record.model_copy(update=named)
    experiment = evaluation.experiment.model_copy(update={"name": record.experiment})
    path = folder / f"{record.run}.json"
    with state.sole(folder):
        check_folder(folder, record.run)
        if path.exists():
            records.check_same(path, records.load(path), record.identity)
        records.save(path, record)
        config.save_experiment(folder, experiment)
        tables.write(ResultSet((record,), experiment=experiment), folder)
        verdict = of(evaluation)
        falls = f"from {100 * verdict.clean_accuracy:.1f} to {100 * verdict.robust_accuracy:.1f} %"
        alt = f"Robust accuracy falls {falls} as gradients are spent"
        drawn = [("accuracy", alt, figures.accuracy(evaluation))]
        if (images := figures.worst(evaluation)) is not None:
            drawn.append(("worst", "Clean images, adversarial images and perturbations", images))
        pictures = {}
        for name, alt, figure in drawn:
            style.save(figure, folder / f"{name}.png")
            pictures[name] = style.inline(figure, name, alt)
        html = style.render(
            "evaluation.html",
            verdict=verdict,
            attack=METHODS[verdict.method].title,
            eps=radius(verdict.eps),
            figures=pictures,
            settings=verdict.attack.settings(),
        )
        write_atomically(folder / PAGE, html.encode())
        # evaluation.json is the last file, so that a reader who finds it finds all files.
        records.write_json(folder / EVALUATION, verdict.model_dump(mode="json"))
    return folder / PAGE
