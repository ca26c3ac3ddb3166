"""An experiment as its YAML file describes it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from daa.attack import AttackConfig
from daa.errors import InputError


def _fraction(value: object) -> object:
    """8/255 is written as the field writes it; everything else is left to the type."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*/\s*([1-9]\d*)", value)):
        return int(match[1]) / int(match[2])
    return value


Length = Annotated[float, BeforeValidator(_fraction)]


class Row(BaseModel):
    """One run: an attack, a name for its record, the paper's worst-case accuracies in percent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    attack: AttackConfig
    paper: float | None = None
    paper_top5: float | None = None


class Experiment(BaseModel):
    """Everything that decides a result, apart from the files it reads.

    `attack` holds the settings that all rows share; a row adds its own and may override them.

    Args:
        name: of the folder of its results.
        title: of its table and figure.
        target: `folder/name`.
        split: of the data set.
        images: the first ones only; None for all.
        restarts, seed: of every run.
        sweep: setting that the rows run through, as the file's `sweep: {eps: [0.1, 0.2]}`, which
            multiplies the rows.
        merged_paper: the paper's accuracy under all rows together, in percent.
        certified: accuracy that no attack inside ball and range can get below, in percent.
        examples: two rows; images that the second breaks and the first does not are shown.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    title: str
    target: str
    split: Literal["train", "test"] = "test"
    images: Annotated[int, Field(ge=1)] | None = None
    restarts: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    sweep: str | None = None
    merged_paper: float | None = None
    certified: float | None = None
    examples: tuple[str, str] | None = None


_ROW_FIELDS = ("name", "paper", "paper_top5")
_ATTACK_FIELDS = [field.name for field in dataclasses.fields(AttackConfig)]


def load(path: str | Path) -> Experiment:
    """Reads and checks a YAML experiment.

    Args:
        path: of the file.

    Returns:
        The experiment; the rows hold complete attacks.

    Raises:
        InputError: not readable, not YAML, an unknown key, a wrong type, an impossible value; the
            message names file, row and field.
    """
    path = Path(path)
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path}: expected a mapping with name, title, target, rows, got {raw!r}")
    shared = raw.pop("attack", {})
    if not isinstance(shared, dict):
        raise InputError(f"{path}: attack: expected a mapping, got {shared!r}")
    if isinstance(raw.get("rows"), list):
        entries = [(entry, f"{path}: rows[{i}]") for i, entry in enumerate(raw["rows"])]
        if "sweep" in raw:
            raw["sweep"], entries = _swept(raw["sweep"], entries, path)
        raw["rows"] = tuple(_row(entry, shared, where) for entry, where in entries)
    if isinstance(raw.get("examples"), list):
        raw["examples"] = tuple(raw["examples"])
    experiment = check(TypeAdapter(Experiment), raw, str(path))
    names = [row.name for row in experiment.rows]
    for name in experiment.examples or ():
        if name not in names:
            raise InputError(f"{path}: examples: expected names of rows, got {name!r}")
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{path}: rows[{i}]: name: expected a new name, got {name!r} again")
    return experiment


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        InputError: not readable, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected a readable YAML file, got {reason}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: expected YAML, got {' '.join(str(error).split())}") from error


def _swept(sweep: Any, entries: list, path: Path) -> tuple[str, list]:
    """The swept field, and each row once for each of its values."""
    single = isinstance(sweep, dict) and len(sweep) == 1
    field, values = next(iter(sweep.items())) if single else (None, None)
    if field not in ("eps", "c") or not isinstance(values, list) or not values:
        raise InputError(f"{path}: sweep: expected eps or c with a list of values, got {sweep!r}")
    return field, [
        (
            {**entry, field: value, "name": f"{_name(entry)}-{field}{value}".replace("/", "of")}
            if isinstance(entry, dict)
            else entry,
            where,
        )
        for entry, where in entries
        for value in values
    ]


def _name(entry: dict[str, Any]) -> str:
    return entry.get("name") or f"{entry.get('method')}-{entry.get('loss', 'xent')}"


def _row(entry: Any, shared: dict[str, Any], where: str) -> Row:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected a mapping, got {entry!r}")
    own = {key: value for key, value in entry.items() if key not in _ROW_FIELDS}
    settings = {key: _fraction(value) for key, value in {**shared, **own}.items()}
    for key in settings:
        if key not in _ATTACK_FIELDS:
            raise InputError(f"{where}: expected one of {', '.join(_ATTACK_FIELDS)}, got {key!r}")
    if "method" not in settings:
        raise InputError(f"{where}: method: expected a value, got none")
    try:
        attack = AttackConfig(**settings)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if attack.targeted == "labels":
        raise InputError(f"{where}: targeted: expected null or least_likely, got 'labels'")
    rest = {key: entry[key] for key in _ROW_FIELDS if key in entry}
    return check(TypeAdapter(Row), {"name": _name(entry), **rest, "attack": attack}, where)


def check(adapter: TypeAdapter, value: object, where: str) -> Any:
    """Validates a value; the first mistake becomes one line `where: field: expected ..., got ...`.

    Raises:
        InputError: the value doesn't fit.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".")
    place = f"{where}: {path}" if path else where
    if error["type"] == "value_error":
        raise InputError(f"{where}: {error['ctx']['error']}")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        raise InputError(f"{place}: expected a known key, got an unknown one")
    if error["type"] in ("missing", "missing_argument"):
        raise InputError(f"{place}: expected a value, got none")
    expected = re.sub(r"^(Input|Value|String|Tuple|Number) should ", "", error["msg"])
    raise InputError(f"{place}: expected to {expected}, got {error['input']!r}")
