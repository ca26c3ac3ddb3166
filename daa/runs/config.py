"""An experiment as its YAML file describes it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic import InstanceOf as Instance

import daa
from daa import targets
from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.plans import MOST_RESTARTS
from daa.errors import InputError, is_number, require, shown
from daa.runs import documents

_PACKAGE = Path(daa.__file__).parent
# A wheel holds the configs inside the package; a checkout has them, and the results, beside it.
_INSTALLED = (_PACKAGE / "configs").is_dir()
FOLDER = (_PACKAGE if _INSTALLED else _PACKAGE.parent) / "configs"
RESULTS = Path("results") if _INSTALLED else _PACKAGE.parent / "results"


_FRACTION = re.compile(r"(\d{1,9})\s*/\s*([1-9]\d{0,8})", re.ASCII)
_PART_OF_EPS = re.compile(r"eps\s*/\s*([1-9]\d{0,8})", re.ASCII)


def fraction(value: object) -> object:
    """The number of a text such as 8/255; any other value as it is."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)):
        return int(match[1]) / int(match[2])
    return value


# A length in the unit of images in [0, 1]; a YAML file may write it as a fraction.
Length = Annotated[float, BeforeValidator(fraction)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
# Names become names of files, which may have 255 characters; the rest is for the names' endings.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150)]
# JSON files of these names lie beside the records: images of the figure, a verdict on one model.
TAKEN = ("examples", "evaluation")
MOST_ROWS = 10_000


def printable(text: str) -> str:
    """A text that takes one line and can be shown; others are refused."""
    if not text.isprintable():
        raise InputError(f"expected one line of printable characters, got {shown(text)}")
    return text


# Of tables, figures and LaTeX comments.
Line = Annotated[str, AfterValidator(printable)]


class Row(BaseModel):
    """One run of an experiment.

    Args:
        name: of the record.
        attack: the complete settings.
        paper: worst-case accuracy that the paper gives, in percent.
        paper_top5: the same for top-5 accuracy.
        seed: instead of that of the experiment.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Name
    attack: Instance[AttackConfig]
    paper: Percent | None = None
    paper_top5: Percent | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class Experiment(BaseModel):
    """Everything that decides a result, apart from the files it reads.

    In the YAML file, `attack` holds settings for all rows. A row may have settings of its own;
    where both give a setting, that of the row counts. `sweep: {eps: [0.1, 0.2]}` replaces each row
    by one row for each value, and `seeds: [0, 1, 2]` by one row for each seed. `eps: target` is the
    radius of the target that is attacked, `step_size: eps/20` a part of the radius.

    Args:
        name: of the folder of the results.
        title: of the table and the figure.
        target: `folder/name`, or a model of your own: the path of a .keras file or of a SavedModel,
            or `package.module:function`. Paths are those from the working directory.
        data: that a model of your own is evaluated on, as for `daa.targets.user_data.load`.
        bounds, data_format, signature: of a model of your own, as for
            `daa.targets.user_models.load`.
        split: of the data set.
        images: only the first `images` are attacked; None for all.
        restarts: of every run.
        seed: of every run.
        rows: the runs.
        sweep: the name of the setting that the file sweeps.
        merged_paper: the paper's accuracy under all rows together, in percent.
        certified: accuracy that no attack inside ball and range can get below, in percent.
        examples: names of two rows. The figure shows images that the second row breaks and the
            first does not.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Name
    title: Annotated[str, Field(max_length=500), AfterValidator(printable)]
    target: Line
    data: Line | None = None
    bounds: tuple[float, float] | None = None
    data_format: Literal["channels_last", "channels_first"] | None = None
    signature: str | None = None
    split: Literal["train", "test"] = "test"
    images: Annotated[int, Field(ge=1)] | None = None
    restarts: Annotated[int, Field(ge=1, le=MOST_RESTARTS)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    sweep: str | None = None
    merged_paper: Percent | None = None
    certified: Percent | None = None
    examples: tuple[str, str] | None = None


_ROW_FIELDS = ("name", "paper", "paper_top5", "seed")
# Settings that every method has, as eps.
_ALL_METHODS = {field.name for field in dataclasses.fields(AttackConfig)}


def load(path: str | Path, target: str | None = None) -> Experiment:
    """Reads and checks a YAML experiment.

    Args:
        path: of the file.
        target: that is attacked instead of the file's, for `eps: target`.

    Returns:
        The experiment.

    Raises:
        InputError: the file is not readable or no YAML, has an unknown key, a key twice, a wrong
            type or an impossible value; the message names file, row and field.
    """
    path = Path(path)
    require(path.name.isprintable(), "config", "a file with a printable name", path.name)
    raw = documents.read(path)
    fits = isinstance(raw, dict)
    require(fits, str(path), "a mapping with name, title, target, rows", raw)
    shared = raw.pop("attack", {})
    require(isinstance(shared, dict), f"{path}: attack", "a mapping", shared)
    target = raw.get("target") if target is None else target
    shared = _settings(shared, f"{path}: attack", target)
    if isinstance(raw.get("rows"), list):
        entries = [(entry, f"{path}: rows[{i}]") for i, entry in enumerate(raw["rows"])]
        if "sweep" in raw:
            raw["sweep"], entries = _swept(raw["sweep"], entries, shared, path)
        if "seeds" in raw:
            entries = _seeded(raw.pop("seeds"), entries, shared, path)
        raw["rows"] = tuple(_row(entry, shared, where, target) for entry, where in entries)
    for name in ("examples", "bounds"):
        if isinstance(raw.get(name), list):
            raw[name] = tuple(raw[name])
    experiment = check(TypeAdapter(Experiment), raw, str(path))
    names = [row.name for row in experiment.rows]
    for name in experiment.examples or ():
        if name not in names:
            raise InputError(f"{path}: examples: expected names of rows, got {shown(name)}")
    seen: set[str] = set()
    for i, name in enumerate(names):
        free = f"another name than {' or '.join(TAKEN)}, which other files beside the records have"
        require(name not in TAKEN, f"{path}: rows[{i}]: name", free, name)
        if name in seen:
            raise InputError(
                f"{path}: rows[{i}]: name: expected a new name, got {shown(name)} again"
            )
        seen.add(name)
    return experiment


def _swept(sweep: Any, entries: list, shared: dict, path: Path) -> tuple[str, list]:
    """The name of the swept setting, and each row once for each value."""
    single = isinstance(sweep, dict) and len(sweep) == 1
    field, values = next(iter(sweep.items())) if single else (None, None)
    fits = field in ("eps", "c") and isinstance(values, list) and len(values) > 0
    require(fits, f"{path}: sweep", "eps or c with a list of values", sweep)
    assert isinstance(field, str) and isinstance(values, list)
    _few(len(entries) * len(values), path)
    rows = []
    for entry, where in entries:
        if not isinstance(entry, dict):
            rows.append((entry, where))
            continue
        name = _name({**shared, **entry})
        for value in values:
            named = f"{name}-{field}{value}".replace("/", "of")
            rows.append(({**entry, field: value, "name": named}, where))
    return field, rows


def _seeded(seeds: Any, entries: list, shared: dict, path: Path) -> list:
    """Each row once for each seed."""
    require(isinstance(seeds, list) and bool(seeds), f"{path}: seeds", "a list of seeds", seeds)
    _few(len(entries) * len(seeds), path)
    return [
        ({**entry, "seed": seed, "name": f"{_name({**shared, **entry})}-seed{seed}"}, where)
        if isinstance(entry, dict)
        else (entry, where)
        for entry, where in entries
        for seed in seeds
    ]


def _few(rows: int, path: Path) -> None:
    fits = rows <= MOST_ROWS
    require(
        fits, f"{path}: rows", f"at most {MOST_ROWS:,}, those of sweep and seeds included", rows
    )


def _row(entry: Any, shared: dict[str, Any], where: str, target: str | None) -> Row:
    require(isinstance(entry, dict), where, "a mapping", entry)
    own = _settings({k: v for k, v in entry.items() if k not in _ROW_FIELDS}, where, target)
    method = {**shared, **own}.get("method")
    if method is None:
        raise InputError(f"{where}: method: expected a value, got none")
    # A shared setting is for the rows whose method reads it. A row's own setting that its method
    # does not read is a mistake, which AttackConfig refuses.
    try:
        known = set()
        if method in list(METHODS):
            known = AttackConfig.readable(method, {**shared, **own})
        settings = {**{k: v for k, v in shared.items() if k in known}, **own}
        attack = AttackConfig(**_with_lengths(settings))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if attack.targeted == "labels":
        raise InputError(f"{where}: targeted: expected null or least_likely, got 'labels'")
    rest = {key: entry[key] for key in _ROW_FIELDS if key in entry}
    name = _name({**shared, **entry})
    return check(TypeAdapter(Row), {"name": name, **rest, "attack": attack}, where)


def _with_lengths(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with a step size such as eps/20 as a number."""
    given = settings.get("step_size")
    match = _PART_OF_EPS.fullmatch(given) if isinstance(given, str) else None
    if match and is_number(settings.get("eps")):
        return {**settings, "step_size": settings["eps"] / int(match[1])}
    return settings


def _name(entry: dict[str, Any]) -> str:
    method = entry.get("method")
    row = METHODS.get(method) if isinstance(method, str) else None
    own = (row.loss or "") if row else "xent"
    loss = entry.get("loss", own) if own else ""
    return entry.get("name") or f"{method}-{loss}".removesuffix("-")


def _settings(given: dict[str, Any], where: str, target: str | None) -> dict[str, Any]:
    """Settings of an attack, with fractions and the target's radius as numbers."""
    known = AttackConfig.names()
    for key in given:
        if key not in known:
            raise InputError(f"{where}: expected one of {', '.join(known)}, got {shown(key)}")
    if given.get("eps") == "target":
        given = {**given, "eps": targets.row(str(target)).eps}
    return {key: fraction(value) for key, value in given.items()}


def check(adapter: TypeAdapter, value: object, where: str) -> Any:
    """Validates a value; the first mistake becomes one line `where: field: expected ..., got ...`.

    Raises:
        InputError: the value doesn't fit.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{_key(p)}" for p in error["loc"])
    path = path.lstrip(".")
    place = f"{where}: {path}" if path else where
    if error["type"] == "value_error":
        raise InputError(f"{place}: {error['ctx']['error']}")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        raise InputError(f"{place}: expected a known key, got an unknown one")
    if error["type"] in ("missing", "missing_argument"):
        raise InputError(f"{place}: expected a value, got none")
    expected = re.sub(r"^(Input|Value|String|Tuple|Number) should ", "", error["msg"])
    raise InputError(f"{place}: expected to {expected}, got {shown(error['input'])}")


def _key(key: str) -> str:
    """A key as a message shows it."""
    return key if key.isprintable() and 0 < len(key) <= 100 else shown(key, 100)
