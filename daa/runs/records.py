"""Result records: one JSON file per run, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    TypeAdapter,
    model_validator,
)

from daa.attacks import plans
from daa.attacks.methods import AttackConfig
from daa.errors import InputError, require, shown
from daa.runs import config
from daa.runs.config import Experiment, Line, Percent, Row
from daa.runs.provenance import versions
from daa.targets.files import read_json, write_atomically

if TYPE_CHECKING:
    from daa.attacks.plans import Report
    from daa.target import Dataset

SCHEMA: Literal[1] = 1
# The images of an experiment's figure lie in a file of this name beside the records.
EXAMPLES = "examples.json"
# The verdict on a single model lies in a file of this name.
EVALUATION = "evaluation.json"


Whole = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Also the name of a file, or of a folder.
FileName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(config.printable)]


def _attack(settings: object) -> AttackConfig:
    if isinstance(settings, AttackConfig):
        return settings
    if not isinstance(settings, Mapping):
        raise InputError(f"expected a mapping, got {shown(settings)}")
    return AttackConfig.from_settings(settings)


Settings = Annotated[
    InstanceOf[AttackConfig],
    BeforeValidator(_attack),
    PlainSerializer(AttackConfig.settings, return_type=dict[str, Any]),
]


class Identity(BaseModel):
    """All that decides the numbers of a run; two records with the same identity must agree."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = Field(alias="schema", description="Version of this format.")
    experiment: FileName = Field(
        description="Name of the experiment, and of the folder of the record."
    )
    run: FileName = Field(description="Name of the run, and of the file without `.json`.")
    attack: Settings = Field(
        description="Settings of the attack: those that its method reads. Records made earlier "
        "list the settings of all methods."
    )
    target: Line = Field(description="The classifier attacked, `folder/name`.")
    weights: Line = Field(
        description='Where the weights come from: "original" (the paper\'s), "third-party", '
        '"surrogate" (the paper\'s architecture, trained by this project) or "own".'
    )
    weights_sha256: Line | None = Field(description="Hash of the file of the weights.")
    data: Line = Field(description="Name of the data set.")
    data_sha256: Line | None = Field(description="Hash of the files of the data set.")
    images: Count = Field(description="Number of images attacked: the first ones of the data set.")
    restarts: Count = Field(description="Number of restarts.")
    seed: Whole = Field(description="Seed of all random numbers.")


class Record(Identity):
    """One finished run. Accuracies are in [0, 1], lengths in the unit of images in [0, 1]."""

    title: Line = Field(description="Title of the experiment.")
    clean_accuracy: Share = Field(description="Accuracy on the natural images.")
    accuracy_per_restart: tuple[Share, ...] = Field(
        min_length=1, description="Accuracy under each restart alone."
    )
    robust_accuracy: tuple[Share, ...] = Field(
        min_length=1,
        description="Worst-case accuracy after restart 1, 2, ...; the last one is the result.",
    )
    paper_percent: Percent | None = Field(description="The paper's worst case, in percent.")
    top5_accuracy: Share | None = Field(
        None, description="Top-5 accuracy on the worst images, where the data set has many classes."
    )
    paper_top5_percent: Percent | None = Field(
        None, description="The paper's top-5 accuracy, in percent."
    )
    gradients_per_image: Whole | Number = Field(
        description="Forward-backward passes spent on each image in all restarts; the mean where "
        "images differ."
    )
    gradients_after: tuple[Number, ...] | None = Field(
        None,
        description="Mean forward-backward passes per image after unit 1, 2, ..., where a plan "
        "chooses the units; `robust_accuracy` has the accuracies after the same units.",
    )
    seconds: Number = Field(description="Time that the restarts took, together.")
    device: Line = Field(description="What the restarts were computed on.")
    versions: dict[str, str] = Field(description="Versions of Python, TensorFlow and NumPy.")
    git_commit: Line | None = Field(
        description="Commit of the code, with `-dirty` behind it where the code differed from it."
    )
    broken: tuple[Whole, ...] = Field(
        description="Indices of the images that are misclassified as they are or after a restart. "
        "Records made earlier leave out the former where no restart broke them; see `natural.json`."
    )
    config: FileName | None = Field(
        None, description="Name of the config; that of the experiment where there is none."
    )
    instead_of: Line | None = Field(
        None, description="The config's target, where the run was aimed at another one."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Record:
        """Checks that fields of the record do not contradict each other."""
        units = len(self.robust_accuracy)
        for name in ("accuracy_per_restart", "gradients_after"):
            values = getattr(self, name)
            fits = values is None or len(values) == units
            require(fits, name, f"{units} values as robust_accuracy", values)
        if self.gradients_after is None:
            require(units == self.restarts, "robust_accuracy", f"{self.restarts} values", units)
        fits = max(self.broken, default=0) < self.images
        fits = fits and len(set(self.broken)) == len(self.broken)
        require(fits, "broken", f"different images from 0 to {self.images - 1}", self.broken)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the attack that its method reads, ready for JSON."""
        return self.attack.settings()

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the numbers, as `identity` makes it."""
        fields = set(Identity.model_fields)
        return self.model_dump(mode="json", by_alias=True, include=fields)

    @property
    def worst(self) -> float:
        """Worst-case accuracy after all restarts, in [0, 1]."""
        return self.robust_accuracy[-1]


def identity(
    experiment: Experiment,
    row: Row,
    target_name: str,
    provenance: str,
    weights_sha256: str | None,
    data: Dataset,
    restarts: int,
    seed: int,
) -> dict[str, Any]:
    """All that decides the numbers of a run, before it runs.

    Args:
        experiment, row: what is run.
        target_name, provenance, weights_sha256: of the target attacked.
        data: the images attacked.
        restarts, seed: of the run.

    Returns:
        The fields of `Identity`, ready for JSON.
    """
    return Identity(
        schema=SCHEMA,
        experiment=experiment.name,
        run=row.name,
        attack=row.attack,
        target=target_name,
        weights=provenance,
        weights_sha256=weights_sha256,
        data=data.name,
        data_sha256=data.sha256,
        images=len(data),
        restarts=restarts,
        seed=seed,
    ).model_dump(mode="json", by_alias=True)


def finished_run(
    ident: Mapping[str, Any],
    experiment: Experiment,
    row: Row,
    *,
    clean: float,
    report: Report,
    seconds: float,
    origin: Mapping[str, list[str]],
    top5: float | None = None,
    **names: str,
) -> Record:
    """The record of a finished run.

    Args:
        ident: of `identity`.
        experiment, row: what was run.
        clean: accuracy on the natural images, in [0, 1].
        report: what the attack achieved.
        seconds: that the restarts took, together.
        origin: the devices and commits of the restarts, {"device": [...], "git_commit": [...]}.
        top5: top-5 accuracy on the worst images, where the data set is judged by it.
        names: `config` and `instead_of`, where the record has them.
    """
    gradients = float(report.gradients.mean())
    content: dict[str, Any] = {
        **ident,
        "title": experiment.title,
        "clean_accuracy": clean,
        "accuracy_per_restart": report.accuracy_per_restart.tolist(),
        "robust_accuracy": report.robust_accuracy.tolist(),
        "paper_percent": row.paper,
        "gradients_per_image": int(gradients) if gradients.is_integer() else gradients,
        "seconds": round(seconds, 1),
        "device": " and ".join(origin["device"]),
        "versions": versions(),
        "git_commit": " and ".join(origin.get("git_commit", ())) or None,
        "broken": np.flatnonzero(~(report.margin > 0)).tolist(),
        **names,
    }
    if row.attack.method_spec.plan is not plans.repeat:
        content["gradients_after"] = report.gradients_after.round(3).tolist()
    if top5 is not None:
        content |= {"top5_accuracy": top5, "paper_top5_percent": row.paper_top5}
    return Record.model_validate(content)


def save(path: Path, record: Record) -> None:
    """Writes a record atomically: a reader sees the old file or the whole new one.

    Raises:
        InputError: the file can't be written; the old one is still there.
    """
    write_json(path, record.model_dump(mode="json", by_alias=True, exclude_unset=True))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically; each list of numbers stands on one line."""
    write_atomically(path, (_lines(content, "\n") + "\n").encode())


def _lines(value: Any, end: str) -> str:
    """A value as JSON; `end` is the line break with the indentation that the value stands at."""
    inner = f"{end}  "
    if isinstance(value, Mapping) and value:
        pairs = (f"{json.dumps(str(k))}: {_lines(v, inner)}" for k, v in value.items())
        return f"{{{inner}{f',{inner}'.join(pairs)}{end}}}"
    if isinstance(value, (list, tuple)) and not all(map(_number, value)):
        return f"[{inner}{f',{inner}'.join(_lines(v, inner) for v in value)}{end}]"
    return json.dumps(value)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def load(path: Path) -> Record:
    """Reads a record.

    Settings of the attack that the record does not have, because it was made before they existed,
    get their defaults.

    Raises:
        InputError: not a whole record of this schema; the message names file and field.
    """
    content = read_json(path, "a result record")
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: schema: expected {SCHEMA}, got {shown(found)}")
    return config.check(TypeAdapter(Record), content, str(path))


def finished(path: Path, ident: Mapping[str, Any], extend: bool = False) -> bool:
    """Whether `path` holds the result of this very run.

    Args:
        path: of a record, which need not exist.
        ident: of `identity`.
        extend: take the same run with fewer restarts for an unfinished one, not for another one.

    Raises:
        InputError: the file holds the result of another run, which is never overwritten.
    """
    if not path.exists():
        return False
    found = load(path).identity
    unfinished = extend and found["restarts"] < ident["restarts"]
    for key, value in ident.items():
        if found[key] != value and not (unfinished and key == "restarts"):
            raise InputError(
                f"{path}: {key}: expected {value!r} as asked for now, got {found[key]!r}; "
                "choose another folder for the results, or start anew"
            )
    return not unfinished
