"""The result of an evaluation, and its files: record, table, figures and an HTML page."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import BaseModel, Field

from daa.attacks import aims
from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.plans import Report
from daa.errors import InputError
from daa.evaluation import figures
from daa.evaluation.checks import Finding
from daa.reports import stats, style, tables
from daa.reports.results import ResultSet
from daa.reports.wording import before_eps, label, radius, within
from daa.runs import config, records, state
from daa.runs.config import Experiment
from daa.runs.records import EVALUATION, Record, Settings
from daa.target import Dataset, Note, Target, predict
from daa.targets.files import replaceable, write_atomically

PAGE = "index.html"
STOPPED = {
    "expected": "few further images are expected to break",
    "minutes": "the time is spent",
    "broken": "all images are broken",
}
# Files of an evaluation by each method, and longest names of folders and of their parts.
_FILES = tuple(f"{name}.{suffix}" for name in METHODS for suffix in ("json", "npz"))
_LONGEST, _LONGEST_PART = 200, 80


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
    success_rate: float | None = Field(
        None,
        description="Share of the correctly classified images that end in the class of a targeted "
        "attack, with several restarts at least; else null.",
    )
    seconds: float = Field(description="Time of the attack, without the checks.")
    check_seconds: float = Field(0.0, description="Time of the checks; 0 in older files.")
    warnings: tuple[str, ...] = Field(description="Codes of the findings.")
    findings: tuple[Said, ...] = Field(description="Findings of the checks, with advice.")
    notes: tuple[Said, ...] = Field(description="Preparation of the model and of the images.")
    eps: float = Field(description="Radius of the ball; `attack` has the norm unless it is linf.")
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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of an evaluation.

    `report` is the report of the attack `config`, `findings` are those of the checks, `notes`
    describe changes to the model and to the images, `experiment` has the one row that was run.
    """

    target: Target
    config: AttackConfig
    data: Dataset
    report: Report
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    experiment: Experiment
    record: Record
    check_seconds: float = 0.0

    @property
    def clean_accuracy(self) -> float:
        """Accuracy on the clean images, in [0, 1]."""
        return self.report.clean_accuracy

    @property
    def robust_accuracy(self) -> float:
        """Accuracy on the worst images of the attack, in [0, 1]."""
        return float((self.report.margin > 0).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the robust accuracy for a sample of images. In [0, 1]."""
        return stats.interval(int((self.report.margin > 0).sum()), len(self.data))

    @cached_property
    def success_rate(self) -> float | None:
        """Share of the correctly classified images that end in the target class, in [0, 1].

        None for an untargeted attack. With several restarts it is a lower bound, because only the
        adversarial example with the lowest margin of the true label is stored.
        """
        if self.config.targeted is None:
            return None
        right, x, y = self.report.natural > 0, self.data.x, self.data.y
        labels, _ = aims.given(x, y, self.target, None, targeted=self.config.targeted)
        return float((predict(self.target, self.adv).argmax(axis=1) == labels)[right].mean())

    @property
    def _at_least(self) -> str:
        """The words before a success rate that is a lower bound."""
        return "at least " if len(self.report.history) > 1 else ""

    @property
    def gradients_per_image(self) -> float:
        """Mean forward-backward passes per image; a forward pass counts half."""
        return float(self.report.gradients.mean())

    @property
    def seconds(self) -> float:
        """Time of the attack, without the checks."""
        return self.record.seconds

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""
        return self.record.seed

    @property
    def device(self) -> str:
        """Device of the attack."""
        return self.record.device

    @property
    def warnings(self) -> list[str]:
        """Codes of the findings."""
        return [finding.code for finding in self.findings]

    @property
    def adv(self) -> np.ndarray:
        """The worst version of each image. [N, H, W, C] float32 in [0, 1]."""
        return self.report.adv

    def save(self, folder: str | Path) -> Path:
        """Writes evaluation.json, record, table, figures and a page; returns the page's path.

        Raises:
            InputError: The folder holds the result of another run, or is not writable.
        """
        folder = Path(folder)
        record = self.record.model_copy(update={"experiment": slug(folder.resolve().name)})
        experiment = self.experiment.model_copy(update={"name": record.experiment})
        path = folder / f"{record.run}.json"
        with state.sole(folder):
            check_folder(folder, record.run)
            if path.exists():
                records.check_same(path, records.load(path), record.identity)
            records.save(path, record)
            config.save_experiment(folder, experiment)
            tables.write(ResultSet((record,), experiment=experiment), folder)
            verdict, pictures = self.verdict(), {}
            for name, alt, figure in self._figures():
                style.save(figure, folder / f"{name}.png")
                pictures[name] = style.inline(figure, name, alt)
            html = style.render(
                "evaluation.html",
                verdict=verdict,
                attack=label(self.config),
                eps=radius(verdict.eps),
                norm=before_eps(self.config.norm),
                figures=pictures,
                at_least=self._at_least,
                settings={**verdict.attack.settings(), "restarts": record.restarts},
            )
            write_atomically(folder / PAGE, html.encode())
            # evaluation.json is the last file, so that a reader who finds it finds all files.
            records.write_json(folder / EVALUATION, verdict.model_dump(mode="json"))
        return folder / PAGE

    def _figures(self) -> Iterator[tuple[str, str, Figure]]:
        """Name, description and drawing of each figure."""
        ball = within(self.config.eps, self.config.norm).replace("eps ", "eps\xa0")
        title = f"{self.target.name}: {len(self.data):,} images of {self.data.name}, {ball}"
        falls = f"from {100 * self.clean_accuracy:.1f} to {100 * self.robust_accuracy:.1f} %"
        alt = f"The accuracy falls {falls} as gradients are spent"
        yield "accuracy", alt, figures.accuracy(self.report, self.interval, self.config, title)
        if (images := figures.worst(self.target, self.data, self.report)) is not None:
            yield "worst", "Clean images, adversarial images and perturbations", images

    def verdict(self) -> Verdict:
        """The content of evaluation.json."""
        target, attack, bounds = self.target, self.config, self.target.bounds
        measured = ("clean_accuracy", "robust_accuracy", "interval", "warnings", "findings")
        recorded = ("seconds", "seed", "images", "data", "data_sha256", "device", "versions")
        content = {name: getattr(self, name) for name in (*measured, "success_rate", "notes")}
        content |= {name: getattr(self.record, name) for name in recorded}
        content |= {"gradients_per_image": round(self.gradients_per_image, 3)}
        content |= {"check_seconds": round(self.check_seconds, 1)}
        content |= {"eps": attack.eps, "method": attack.method, "attack": attack}
        content |= {"classes": target.classes, "bounds": (bounds.lower, bounds.upper)}
        content |= {"model": target.name, "model_sha256": target.weights_sha256}
        content |= {"commit": self.record.git_commit}
        return Verdict.model_validate(content, from_attributes=True)

    def __str__(self) -> str:
        """Result, findings and notes as text."""
        low, high = (100 * end for end in self.interval)
        attack, success = label(self.config), self.success_rate
        if self.record.restarts > 1:
            attack += f", {self.record.restarts} restarts"
        robust = f"{100 * self.robust_accuracy:.2f} %  "
        result = f"robust accuracy  {robust}(95 % interval {low:.2f} to {high:.2f})"
        if success is not None:
            rate = f"{self._at_least}{100 * success:.2f} %"
            result = f"success rate     {rate}  of the correctly classified images\n"
            result += f"  accuracy         {robust}under the targeted attack"
        lines = [
            f"{self.target.name} on {self.data.name}, {len(self.data):,} images, "
            f"{within(self.config.eps, self.config.norm)}, {attack}, seed {self.seed}",
            f"  clean accuracy   {100 * self.clean_accuracy:.2f} %",
            f"  {result}",
            f"  cost             {self.gradients_per_image:.1f} gradients per image, "
            f"{self.seconds:.0f} s on {self.device}",
            f"  checks           {len(self.findings) or 'no'} "
            f"warning{'' if len(self.findings) == 1 else 's'}, {self.check_seconds:.0f} s",
        ]
        if (reason := STOPPED.get(self.record.stopped or "")) is not None:
            lines.insert(-1, f"  stopped          {reason}")
        if (more := self.record.predicted) is not None:
            most = min(most_broken(more), int((self.report.margin > 0).sum()))
            lines.insert(
                -1, f"  left             {more:.1f} more images expected to break with twice the "
                f"gradients (95 % interval 0 to {most})",
            )  # fmt: skip
        lines += [f"    {f.code}: {f.message} {f.advice}" for f in self.findings]
        lines += [f"  note             {n.code}: {n.message}" for n in self.notes]
        return "\n".join(lines)


def most_broken(expected: float) -> int:
    """Upper end of the 95 % interval of the images that break, if this many are expected.

    The number has a geometric distribution: seen and predicted numbers differ more than under a
    Poisson distribution (docs/adaptive.md).
    """
    return math.ceil(math.log(0.05) / math.log(expected / (1 + expected))) - 1 if expected else 0


def folder_of(*parts: str | None) -> Path:
    """A folder for an evaluation, named after its model, its data and its options."""
    texts = [part for part in parts if part]
    name = "-".join(map(slug, texts))
    if len(name) > _LONGEST or max(map(len, texts)) > _LONGEST_PART:  # a part of it is missing
        name = f"{name[:_LONGEST]}-{hashlib.sha256('-'.join(texts).encode()).hexdigest()[:8]}"
    return Path("evaluations") / name


def slug(text: str) -> str:
    """A text as part of a file name."""
    text = text.lower().replace("/", "of") if re.fullmatch(r"eps\d+/\d+", text) else text.lower()
    return re.sub(r"[^a-z0-9._]+", "-", text)[-_LONGEST_PART:].strip("-._") or "model"


def check_folder(folder: Path, method: str, force: bool = False) -> None:
    """Refuses a folder with another index.html or, unless `force`, with another attack's files."""
    for name in () if force else _FILES:
        if Path(name).stem != method and (folder / name).exists():
            raise InputError(f"{folder}: contains {name} of another evaluation; {records.ANEW}")
    replaceable(folder / PAGE, "The same numbers as files: evaluation.json")


def clear(folder: Path) -> None:
    """Deletes the evaluation in a folder."""
    with state.sole(folder):
        for name in (*_FILES, EVALUATION, config.EXPERIMENT):
            (folder / name).unlink(missing_ok=True)
