"""Result records: one JSON file per run."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, model_validator

from daa.attacks import plans
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Report
from daa.errors import InputError, require
from daa.runs import config
from daa.runs.config import Experiment, Line, Percent, Row, Settings
from daa.runs.provenance import versions
from daa.target import Dataset, Target
from daa.targets.files import write_atomically

SCHEMA: Literal[1] = 1
# Advice when a folder holds another run; both names are options of the commands and arguments.
ANEW = "choose another folder (out), or start again (force)"
# Files next to the records: images of the figure, result of an evaluation.
EXAMPLES, EVALUATION = "examples.json", "evaluation.json"

Whole = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Shares = Annotated[tuple[Share, ...], Field(min_length=1)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FileName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(config.printable)]


class Identity(BaseModel, frozen=True):
    """Everything that decides the numbers of a run; records with the same identity agree."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of this format.")
    experiment: FileName = Field(description="Name of the experiment, and of its folder.")
    run: FileName = Field(description="Name of the run, and of the file without `.json`.")
    attack: Settings = Field(description="Options of the attack; in older records, of all methods.")
    target: Line = Field(description="The attacked classifier, `folder/name`.")
    weights: Line = Field(
        description='Origin of the weights: "original" (from the paper), "third-party", '
        '"surrogate" (the architecture of the paper, trained by this project) or "own".'
    )
    weights_sha256: Line | None = Field(description="Hash of the file of the weights.")
    model_options: dict[str, Any] | None = Field(
        None, description="Options that decide the logits of a user's model: `bounds`, ..."
    )
    data: Line = Field(description="Name of the data set.")
    data_sha256: Line | None = Field(description="Hash of the files of the data set.")
    images: Count = Field(description="Number of attacked images, the first ones of `data`.")
    restarts: Count = Field(description="Number of restarts.")
    seed: Whole = Field(description="Seed of all random numbers.")


class Record(Identity, frozen=True):
    """One finished run. Accuracies are in [0, 1], lengths in the unit of images in [0, 1]."""

    title: Line = Field(description="Title of the experiment.")
    clean_accuracy: Share = Field(description="Accuracy on the clean images.")
    accuracy_per_restart: Shares = Field(description="Accuracy under each single restart.")
    robust_accuracy: Shares = Field(description="Worst-case accuracy after restart 1, 2, ...")
    paper_percent: Percent | None = Field(description="Accuracy in the paper, in percent.")
    top5_accuracy: Share | None = Field(
        None, description="Top-5 accuracy on the worst images, for data sets with many classes."
    )
    paper_top5_percent: Percent | None = Field(None, description="Top-5 percent in the paper.")
    gradients_per_image: Whole | Number = Field(description="Forward-backward passes per image.")
    gradients_after: tuple[Number, ...] | None = Field(
        None,
        description="Mean forward-backward passes per image after unit 1, 2, ... of attacks "
        "with a budget; `robust_accuracy` has the accuracies after the same units.",
    )
    predicted: Number | None = Field(
        None,
        description="Images that Adaptive DAA expects to break with as many gradients again.",
    )
    stopped: Literal["budget", "expected", "minutes", "broken"] | None = Field(
        None,
        description="Why Adaptive DAA ended: budget or minutes are spent, few further images are "
        "expected to break, or all images are broken.",
    )
    seconds: Number = Field(description="Working time of all restarts.")
    device: Line = Field(description="Device that computed the restarts.")
    versions: dict[str, str] = Field(description="Versions of Python, TensorFlow and NumPy.")
    git_commit: Line | None = Field(description="Commit; with `-dirty` if the code differed.")
    broken: tuple[Whole, ...] = Field(description="Images misclassified with or without attack.")
    broken_in: tuple[Whole, ...] | None = Field(
        None,
        description="Unit that misclassified each image of `broken` first, 0 without attack; "
        "missing in older records.",
    )
    config: FileName | None = Field(None, description="Name of the config file.")
    instead_of: Line | None = Field(None, description="Target of the config, if not attacked.")

    @model_validator(mode="after")
    def _check_lengths(self) -> "Record":
        units = len(self.robust_accuracy)
        lengths = {"accuracy_per_restart": units, "gradients_after": units}
        lengths |= {"broken_in": len(self.broken)}
        for name, length in lengths.items():
            if (values := getattr(self, name)) is not None:
                require(len(values) == length, name, f"{length} values", len(values))
        if self.gradients_after is None:
            require(units == self.restarts, "robust_accuracy", f"{self.restarts} values", units)
        broken = set(self.broken)
        if len(broken) < len(self.broken) or max(broken, default=0) >= self.images:
            raise InputError(f"broken: must be different images from 0 to {self.images - 1}")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        return self.attack.settings()

    @property
    def identity(self) -> dict[str, Any]:
        """The fields of `Identity`, ready for JSON."""
        fields = set(Identity.model_fields)
        return self.model_dump(mode="json", by_alias=True, include=fields, exclude_defaults=True)

    @property
    def worst(self) -> float:
        """Worst-case accuracy after all restarts, in [0, 1]."""
        return self.robust_accuracy[-1]


def identity(experiment: Experiment, row: Row, target: Target, data: Dataset) -> dict[str, Any]:
    """The identity of a row, ready for JSON."""
    return Identity(
        schema=SCHEMA,
        experiment=experiment.name,
        run=row.name,
        attack=row.attack,
        target=target.name,
        weights=target.provenance,
        weights_sha256=target.weights_sha256,
        model_options=dict(target.options) or None,
        data=data.name,
        data_sha256=data.sha256,
        images=len(data),
        restarts=1 if row.attack.reads("budget") else experiment.restarts,
        seed=experiment.seed if row.seed is None else row.seed,
    ).model_dump(mode="json", by_alias=True, exclude_defaults=True)


def unit_identity(ident: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that decide the units; options that are newer get their defaults."""
    names = ("experiment", "run", "restarts")
    decides = {key: value for key, value in ident.items() if key not in names}
    attack = AttackConfig.from_settings(ident["attack"]).settings()
    if "minutes" in attack:
        attack["minutes"] = None  # decides the number of units, as `restarts` do
    return {**decides, "attack": attack}


def run_id(ident: Mapping[str, Any]) -> str:
    text = json.dumps(unit_identity(ident), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def finished_run(
    ident: Mapping[str, Any],
    experiment: Experiment,
    row: Row,
    *,
    report: Report,
    seconds: float,
    origin: Mapping[str, list[str]],
    top5: float | None = None,
    **about: str,
) -> Record:
    """The record of a run; `origin` is that of its state, `about` has `config`, `instead_of`."""
    gradients = float(report.gradients.mean())
    content: dict[str, Any] = {
        **ident,
        "title": experiment.title,
        "clean_accuracy": report.clean_accuracy,
        "accuracy_per_restart": report.accuracy_per_restart.tolist(),
        "robust_accuracy": report.robust_accuracy.tolist(),
        "paper_percent": row.paper,
        "gradients_per_image": int(gradients) if gradients.is_integer() else gradients,
        "seconds": round(seconds, 1),
        "device": " and ".join(origin["device"]),
        "versions": versions(),
        "git_commit": " and ".join(origin.get("git_commit", ())) or None,
        "broken": np.flatnonzero(~(report.margin > 0)).tolist(),
        **about,
    }
    if row.attack.method_spec.plan is not plans.repeat:
        content["gradients_after"] = report.gradients_after.round(3).tolist()
        content["broken_in"] = report.broken_in[list(content["broken"])].tolist()
    if report.predicted is not None:
        content["predicted"] = round(report.predicted, 2)
    if report.stopped is not None:
        content["stopped"] = report.stopped
    if top5 is not None:
        content |= {"top5_accuracy": top5, "paper_top5_percent": row.paper_top5}
    return Record.model_validate(content)


def save(path: Path, record: Record) -> None:
    write_json(path, record.model_dump(mode="json", by_alias=True, exclude_unset=True))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically, with each list of numbers on one line."""
    text = json.dumps(content, indent=2)
    # No text in JSON contains a line break, so the pattern matches lists only.
    text = re.sub(r"\[\n([-+.\de,\s]+)\]", lambda match: f"[{' '.join(match[1].split())}]", text)
    write_atomically(path, f"{text}\n".encode())


def load(path: Path) -> Record:
    """Reads a record. Options that are newer than the record get their defaults."""
    return config.read(Record, path, "a result record")


def check_same(
    path: Path, record: Record, ident: Mapping[str, Any], ignored: Collection[str] = ()
) -> None:
    """Refuses the record of a different run; the fields `ignored` may differ."""
    old, new = (
        {**one, "attack": None, **{f"attack.{name}": v for name, v in one["attack"].items()}}
        for one in (record.identity, ident)
    )
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key) and key not in ignored:
            raise InputError(
                f"{path}: {key}: the record has {old.get(key)!r}, but this run has "
                f"{new.get(key)!r}; {ANEW}"
            )
