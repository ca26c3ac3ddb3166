"""The records of an experiment, as tables, figures and the page of results read them."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daa import InputError, config, results
from daa.config import Experiment

ROOT = Path(__file__).parent.parent
METHODS = {
    "fgsm": "FGSM",
    "rand_fgsm": "Rand+FGSM",
    "pgd": "PGD",
    "mi_fgsm": "MI-FGSM",
    "momentum": "Momentum PGD",
    "blob": "DAA-BLOB",
    "dgf": "DAA-DGF",
}
LOSSES = {"xent": "cross-entropy", "cw": "CW"}
PARTICLES = ("blob", "dgf")
# Files of a result folder that are no records.
OTHERS = ("examples.json",)


@dataclass(frozen=True)
class Collected:
    """The records of one experiment, in the order of its rows, and the rows without one."""

    title: str
    records: list[dict[str, Any]]
    missing: list[dict[str, Any]] = field(default_factory=list)
    sweep: str | None = None
    merged_paper: float | None = None
    certified: float | None = None


def collect(folder: Path, experiment: Experiment | None = None) -> Collected:
    """Reads the records of a result folder.

    A record that is damaged, of another schema, or contradicts its config is left out with a
    warning; a row without record is missing. The config is that of the same name in configs/, or
    the one given.

    Raises:
        InputError: no record at all, or two of them for one run.
    """
    records: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name in OTHERS:
            continue
        try:
            record = results.load(path)
            results.identity_of(record)
        except (InputError, KeyError) as error:
            warnings.warn(f"left out: {path}: {error}", stacklevel=2)
            continue
        if record["run"] in records:
            raise InputError(f"{path}: run: expected one record of {record['run']}, got two")
        records[record["run"]] = record
    if not records:
        raise InputError(f"{folder}: expected result records, got none")
    first = next(iter(records.values()))
    experiment = experiment or _config(first)
    if experiment is None:
        return Collected(first["title"], list(records.values()))
    kept, missing = [], []
    for row in experiment.rows:
        record = records.get(row.name)
        attack = results.attack_as_run(row)
        # The device may not have the config's precision; the label says what was used.
        decides = [key for key in attack if key != "precision"]
        differs = [key for key in decides if record and record["attack"].get(key) != attack[key]]
        if record is not None and differs:
            key = differs[0]
            warnings.warn(
                f"left out: {folder / row.name}.json: attack: {key}: expected {attack[key]!r} "
                f"as its config, got {record['attack'].get(key)!r}",
                stacklevel=2,
            )
            record = None
        if record is None:
            missing.append({"run": row.name, "attack": attack})
        else:
            kept.append(record)
    if not kept:
        raise InputError(f"{folder}: expected records of its config's rows, got none")
    return Collected(
        kept[0]["title"],
        kept,
        missing,
        experiment.sweep,
        experiment.merged_paper,
        experiment.certified,
    )


def _config(record: dict[str, Any]) -> Experiment | None:
    path = ROOT / "configs" / f"{record.get('config', record['experiment'])}.yaml"
    return config.load(path) if path.exists() else None


def baseline(record: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The PGD record that a DAA record is to be compared with: all else is the same."""
    if record["attack"]["method"] not in PARTICLES:
        return None
    same = ("loss", "eps", "steps", "clip_range", "targeted", "random_start", "precision")
    for other in records:
        alike = all(other["attack"][key] == record["attack"][key] for key in same)
        if other["attack"]["method"] == "pgd" and other["images"] == record["images"] and alike:
            return other
    return None


def loss(record: dict[str, Any]) -> str:
    return record["attack"]["loss"]


def label(attack: dict[str, Any]) -> str:
    """The attack's name, with the options that change what it may do."""
    options = []
    if attack["method"] == "rand_fgsm" and attack["rand_fgsm"] == "tramer":
        options.append("Tramer et al.")
    if attack["targeted"]:
        options.append(f"targeted: {attack['targeted'].replace('_', ' ')}")
    if not attack["clip_range"]:
        options.append("not clipped to [0, 1]")
    if attack["formula"] == "paper":
        options.append("the paper's formula")
    if attack["precision"] != "float32":
        options.append(attack["precision"])
    if attack["clip_start"]:
        options.append("start clipped")
    return METHODS[attack["method"]] + (f" ({', '.join(options)})" if options else "")


def source(records: list[dict[str, Any]]) -> str:
    """What a number of the table was computed on, in one sentence."""
    record = records[0]
    restarts = sorted({r["restarts"] for r in records})
    return (
        f"Accuracy in % (lower is a stronger attack) of {record['target']} "
        f"({record['weights']} weights), clean {100 * record['clean_accuracy']:.2f}; "
        f"{record['data']}, {record['images']:,} images, "
        f"{' or '.join(str(n) for n in restarts)} restart{'s' if restarts[-1] > 1 else ''}, "
        f"seed {record['seed']}, {record['device']}."
    )


def folders(arguments: list[str] | None, description: str) -> list[Path]:
    """The result folders named on the command line; all of results/ that hold records."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: all")
    named = parser.parse_args(arguments).folders
    for folder in named:
        if not folder.is_dir():
            raise InputError(f"{folder}: expected a result folder, got none")
    return named or all_folders(ROOT / "results")


def all_folders(root: Path) -> list[Path]:
    """The folders of `root` that hold records."""
    return sorted({path.parent for path in root.glob("*/*.json")})
