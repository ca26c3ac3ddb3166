"""Experiments: the YAML files that describe them, and their copy beside the records."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

import daa
from daa import targets
from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.plans import MOST_RESTARTS
from daa.errors import InputError, is_number, require, shown
from daa.targets.files import read_bytes, read_json, reason, write_atomically

_Kind = TypeVar("_Kind")

_PACKAGE = Path(daa.__file__).parent
# A wheel contains the configs inside the package; a checkout has configs and results next to it.
_INSTALLED = (_PACKAGE / "configs").is_dir()
FOLDER = (_PACKAGE if _INSTALLED else _PACKAGE.parent) / "configs"
RESULTS = Path("results") if _INSTALLED else _PACKAGE.parent / "results"
# The copy of an experiment next to the records.
EXPERIMENT = "experiment.json"
# Rows can't have the names of other JSON files in the folder of the records.
TAKEN = ("examples", "evaluation", "experiment", "autoattack")

_FRACTION = re.compile(r"(\d{1,9})\s*/\s*([1-9]\d{0,8})", re.ASCII)
_PART_OF_EPS = re.compile(r"eps\s*/\s*([1-9]\d{0,8})", re.ASCII)


def fraction(value: object) -> object:
    """The number of a text such as "8/255"; any other value unchanged."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)):
        return int(match[1]) / int(match[2])
    return value


def printable(text: str) -> str:
    """Checks for a single line of printable characters; returns the text."""
    if not text.isprintable():
        raise InputError(f"must be one line of printable characters, got {shown(text)}")
    return text


def _attack(settings: object) -> AttackConfig:
    if isinstance(settings, AttackConfig):
        return settings
    if not isinstance(settings, Mapping):
        raise InputError(f"must be a mapping, got {shown(settings)}")
    return AttackConfig.from_settings(settings)


# Lengths are in the unit of images in [0, 1]; a YAML file may write them as fractions.
Length = Annotated[float, BeforeValidator(fraction)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
# Names become file names, which may have 255 characters including their endings.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=150)]
Line = Annotated[str, AfterValidator(printable)]
# An attack; in JSON, the settings of the method.
Settings = Annotated[
    InstanceOf[AttackConfig],
    BeforeValidator(_attack),
    PlainSerializer(AttackConfig.settings, return_type=dict[str, Any]),
]


class PaperTests(BaseModel, extra="forbid", strict=True, frozen=True):
    """Results of the paper's t-tests against this row, as printed."""

    t_arxiv: str | None = None
    p_arxiv: str | None = None
    p_aaai: str | None = None


class Row(BaseModel, extra="forbid", strict=True, frozen=True):
    """One run of an experiment; `seed` replaces the experiment's."""

    name: Name
    attack: Settings
    paper: Percent | None = None
    paper_top5: Percent | None = None
    paper_tests: PaperTests | None = None
    seed: Seed | None = None


class Experiment(BaseModel, extra="forbid", strict=True, frozen=True):
    """All settings that decide the results of an experiment, except the contents of files.

    In the YAML file, `attack` sets options for all rows, and a row can override them.
    `sweep: {eps: [0.1, 0.2]}` repeats each row for each value, and `seeds: [0, 1, 2]` for each
    seed; a row may have other `seeds`. `eps: target` is the radius and the norm of the attacked
    target, `step_size: eps/20` a fraction of the radius.

    Args:
        group: section of the results page.
        target: `folder/name`; or a model of the user: the path of a .keras file or of a SavedModel,
            relative to the working directory, or `package.module:function`.
        data: data set for a model of the user, as in `daa.targets.user_data.load`.
        bounds, data_format, signature, output, mean, std: options of a model of the user, as in
            `daa.targets.user_models.load`.
        skip: number of images left out at the beginning of the data set.
        images: number of images attacked, from the first on; None for all.
        merged_paper: worst-case accuracy of all rows together in the paper, in percent.
        certified: lower bound of the accuracy under every attack in the ball, in percent.
        examples: names of two rows. The figure shows images broken only by the second row.
    """

    name: Annotated[Line, Field(pattern=r"^\w[^/\\]*$", max_length=200)]
    title: Line
    group: Line = ""
    target: Line
    data: Line | None = None
    bounds: tuple[float, float] | None = None
    data_format: Literal["channels_last", "channels_first"] | None = None
    signature: str | None = None
    output: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    split: Literal["train", "test"] = "test"
    skip: Annotated[int, Field(ge=0)] = 0
    images: Annotated[int, Field(ge=1)] | None = None
    restarts: Annotated[int, Field(ge=1, le=MOST_RESTARTS)] = 1
    seed: Seed = 0
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    sweep: str | None = None
    merged_paper: Percent | None = None
    certified: Percent | None = None
    examples: tuple[str, str] | None = None


_ROW_FIELDS = tuple(name for name in Row.model_fields if name != "attack")
_Values = Annotated[list[Any], Field(min_length=1)]
_SWEEP: Any = Annotated[dict[Literal["eps", "c"], _Values], Field(max_length=1)] | None
_SEEDS: Any = Annotated[list[Seed], Field(min_length=1)] | None


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise yaml.YAMLError(f"the key {key.value!r} appears twice, in line {line}")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; a key may occur only once in a mapping."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not a readable YAML file: {reason(error)}") from error


def load(path: str | Path, target: str | None = None) -> Experiment:
    """Reads a YAML experiment; `target` replaces its target in `eps: target`."""
    path = Path(path)
    require(path.name.isprintable(), "config", "a file with a printable name", path.name)
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path}: must be a mapping with name, title, target and rows")
    shared = raw.pop("attack", {})
    if not isinstance(shared, dict):
        raise InputError(f"{path}: attack: must be a mapping, got {shown(shared)}")
    target = raw.get("target") if target is None else target
    shared = _settings(shared, f"{path}: attack")
    if isinstance(raw.get("rows"), list):
        sweep = check(_SWEEP, raw.get("sweep"), f"{path}: sweep") or {}
        raw["sweep"] = next(iter(sweep), None)
        seeds = check(_SEEDS, raw.pop("seeds", None), f"{path}: seeds")
        raw["rows"] = tuple(
            _row(row, shared, source, target)
            for i, entry in enumerate(raw["rows"])
            for source in [f"{path}: rows[{i}]"]
            for row in _repeated(entry, source, shared, sweep, seeds)
        )
    for name in ("examples", "bounds", "mean", "std"):
        if isinstance(raw.get(name), list):
            raw[name] = tuple(raw[name])
    experiment = check(Experiment, raw, str(path))
    names = [row.name for row in experiment.rows]
    for i, name in enumerate(names):
        if name in TAKEN:
            taken = ", ".join(TAKEN)
            raise InputError(f"{path}: rows[{i}].name: must not be {taken}, got {name!r}")
        if name in names[:i]:
            raise InputError(f"{path}: rows[{i}].name: {name!r} is already the name of a row")
    for name in experiment.examples or ():
        require(name in names, f"{path}: examples", "names of rows", name)
    return experiment


def _repeated(
    entry: Any, source: str, shared: dict, sweep: dict[str, list], seeds: list | None
) -> Iterator[dict[str, Any]]:
    """A row of the file, once for each combination of swept value and seed."""
    if not isinstance(entry, dict):
        raise InputError(f"{source}: must be a mapping, got {shown(entry)}")
    settings, entry = {**shared, **entry}, dict(entry)
    method = str(settings.get("method"))
    loss = METHODS[method].loss if method in METHODS else "xent"
    default = f"{method}-{settings.get('loss', loss)}" if loss else method
    seeds = check(_SEEDS, entry.pop("seeds", seeds), f"{source}.seeds")
    swept = [{option: value} for option, values in sweep.items() for value in values] or [{}]
    seeded = [{"seed": seed} for seed in seeds or ()] or [{}]
    for values, seed in itertools.product(swept, seeded):
        name = entry.get("name") or default
        for option, value in (*values.items(), *seed.items()):
            name = f"{name}-{option}{value}".replace("/", "of")
        yield {**entry, **values, **seed, "name": name}


def _row(entry: dict[str, Any], shared: dict[str, Any], source: str, target: str | None) -> Row:
    fields = {key: entry[key] for key in _ROW_FIELDS if key in entry}
    options = _settings({k: v for k, v in entry.items() if k not in fields}, source)
    settings = {**shared, **options}
    method = settings.get("method")
    if method is None:
        raise InputError(f"{source}.method: is missing")
    try:
        # A shared option applies to the rows that read it. AttackConfig refuses an
        # option of the row itself if the method does not read it.
        if settings.get("eps") == "target":
            usual = targets.row(str(target))
            settings = {"norm": usual.norm, **settings, "eps": usual.eps}
            known = f"the radius in numbers, because {target} has one for {usual.norm}"
            require(settings["norm"] == usual.norm, "eps", known, "target")
        if method in list(METHODS):
            readable = AttackConfig.readable(method, settings)
            settings = {k: v for k, v in settings.items() if k in readable or k in options}
        step = settings.get("step_size")
        match = _PART_OF_EPS.fullmatch(step) if isinstance(step, str) else None
        if match and is_number(settings.get("eps")):
            settings["step_size"] = settings["eps"] / int(match[1])
        attack = AttackConfig(**settings)
        if attack.targeted == "labels":
            raise InputError("targeted: must be null or least_likely, got 'labels'")
    except InputError as error:
        separator = "." if re.match(r"\w+: ", str(error)) else ": "
        raise InputError(f"{source}{separator}{error}") from error
    return check(Row, {**fields, "attack": attack}, source)


def _settings(settings: dict[str, Any], source: str) -> dict[str, Any]:
    """Options of an attack, with fractions as numbers."""
    names = AttackConfig.names()
    for key in settings:
        if key not in names:
            raise InputError(f"{source}: unknown option {shown(key)}; use {', '.join(names)}")
    return {key: fraction(value) for key, value in settings.items()}


def read(kind: type[_Kind], path: Path, expected: str) -> _Kind:
    """Reads a JSON file; `expected` names its content in error messages."""
    return check(kind, read_json(path, expected), str(path))


def check(kind: type[_Kind], value: object, source: str) -> _Kind:
    """Validates objects, or JSON as bytes; the first mistake is `source: field: must be ...`."""
    adapter = TypeAdapter(kind)
    validate: Any = adapter.validate_json if isinstance(value, bytes) else adapter.validate_python
    try:
        return validate(value)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
    loc = [key for key in error["loc"] if key != "[key]"]  # the mark of a key of a dictionary
    keys = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc)
    if keys:
        source = f"{source}{keys}" if ": " in source else f"{source}: {keys.lstrip('.')}"
    if error["type"] == "value_error":
        raise InputError(f"{source}: {error['ctx']['error']}")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        raise InputError(f"{source}: unknown key")
    if error["type"] in ("missing", "missing_argument"):
        raise InputError(f"{source}: is missing")
    rule = re.sub(r"^[A-Z]\w+ should ", "must ", error["msg"])
    raise InputError(f"{source}: {rule}, got {shown(error['input'])}")


def save_experiment(folder: Path, experiment: Experiment) -> None:
    """Writes experiment.json, from which reports read the rows and their order."""
    write_atomically(folder / EXPERIMENT, f"{experiment.model_dump_json(indent=2)}\n".encode())


def load_experiment(folder: Path) -> Experiment | None:
    """Reads the experiment of a result folder; None if the folder has no experiment.json."""
    path = folder / EXPERIMENT
    if not path.exists():
        return None
    return check(Experiment, read_bytes(path, "an experiment"), str(path))
