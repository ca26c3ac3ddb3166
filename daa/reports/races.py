"""Adaptive DAA beside AutoAttack on the same images and cores: the file, its table, its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from daa.errors import InputError, require
from daa.reports import tabular
from daa.reports.tabular import Align
from daa.reports.wording import radius
from daa.runs import config, records
from daa.runs.config import Line
from daa.runs.records import Count, Number, Share, Whole
from daa.targets.files import read_json, write_atomically

# Lies beside the records of an experiment.
NAME = "autoattack.json"
# AutoAttack's accuracy counts as reached within this distance.
WITHIN = 0.002
HEADER = ("attack", "seed", "robust accuracy", "gradients per image", "seconds", "CPU seconds")
ALIGN: tuple[Align, ...] = ("left", "right", "right", "right", "right", "right")


class Point(BaseModel):
    """Where an attack stood at a moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attack: Line = Field(description="What had just ended: one of AutoAttack's attacks, or a unit.")
    accuracy: Share = Field(description="Robust accuracy so far, in [0, 1].")
    gradients: Number = Field(
        description="Forward-backward passes per image so far; a forward pass alone counts half."
    )
    seconds: Number = Field(description="Since the attack began.")
    cpu_seconds: Number = Field(
        description="Processor time of the process since then, all its threads together; other "
        "programs on the machine don't change it much."
    )


class Course(BaseModel):
    """One run of an attack, from its begin to its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Whole = Field(description="Of all its random numbers.")
    points: tuple[Point, ...] = Field(min_length=1, description="In the order of time.")

    @property
    def last(self) -> Point:
        """The end."""
        return self.points[-1]

    def reaches(self, accuracy: float) -> Point | None:
        """The first point at this accuracy or below; None where there is none."""
        return next((point for point in self.points if point.accuracy <= accuracy), None)


class Race(BaseModel):
    """Both attacks on the same images and cores, one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Line = Field(description="The classifier attacked, `folder/name`.")
    weights: Line = Field(description="Where its weights come from, as in a record.")
    weights_sha256: str | None = Field(description="Hash of the file of the weights.")
    data: Line = Field(description="Name of the data set.")
    data_sha256: str | None = Field(description="Hash of the files of the data set.")
    images: Count = Field(description="Number of images: the first ones of the data set.")
    eps: Share = Field(description="Radius of the ball.")
    cores: Count = Field(description="CPU cores that both attacks could use.")
    clean_accuracy: Share = Field(description="Accuracy on the natural images.")
    autoattack: Course = Field(description="AutoAttack, standard version.")
    adaptive: tuple[Course, ...] = Field(
        min_length=1, description="Adaptive DAA, a run for each seed."
    )
    device: Line = Field(description="What both were computed on.")
    versions: dict[str, str] = Field(description="Of Python and of the packages.")
    git_commit: str | None = Field(description="As in a record.")
    autoattack_commit: str | None = Field(
        None,
        description="The same of the earlier process that ran AutoAttack, `unknown` where that had "
        "none; null where one process ran both.",
    )


class Races(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(records.SCHEMA, alias="schema")
    races: tuple[Race, ...] = Field(description="One for each number of cores.")


def load(folder: Path) -> tuple[Race, ...]:
    """The races of a result folder; empty where there is none.

    Raises:
        InputError: the file is no such file.
    """
    path = folder / NAME
    if not path.exists():
        return ()
    content = read_json(path, "races with AutoAttack")
    return config.check(TypeAdapter(Races), content, str(path)).races


def kept(folder: Path, same: Mapping[str, object]) -> Race:
    """The race of a folder whose run of AutoAttack can stand in a new race, too.

    Args:
        folder: of results.
        same: {field: value in the new race} of `cores` and all else that AutoAttack depends on.

    Raises:
        InputError: there is no race on as many cores, or it differs.
    """
    where, cores = str(folder / NAME), same["cores"]
    found = next((old for old in load(folder) if old.cores == cores), None)
    if found is None:
        raise InputError(f"{where}: expected a race on {cores} cores, got none")
    for name, value in same.items():
        old = getattr(found, name)
        require(old == value, f"{where}: {name}", f"{value} as asked for now", old)
    return found


def add(folder: Path, race: Race) -> Path:
    """Puts a race into the file of a folder, in the place of the one with as many cores.

    Returns:
        The path of the table, which is written anew.
    """
    others = [old for old in load(folder) if old.cores != race.cores]
    kept = sorted([*others, race], key=lambda one: one.cores)
    content = Races.model_validate({"schema": records.SCHEMA, "races": kept})
    records.write_json(folder / NAME, content.model_dump(mode="json", by_alias=True))
    path = (folder / NAME).with_suffix(".md")
    write_atomically(path, markdown(kept).encode())
    return path


def markdown(races: Sequence[Race]) -> str:
    """A table per race."""
    parts = ["# Adaptive DAA beside AutoAttack"]
    for race in races:
        parts += ["", about(race), ""]
        parts += tabular.markdown(HEADER, rows(race), ALIGN)
        parts += ["", verdict(race)]
    return "\n".join(parts) + "\n"


def rows(race: Race) -> list[list[str]]:
    """AutoAttack after each of its attacks; Adaptive DAA as it comes within reach, and its end."""
    peer = race.autoattack
    found = [_row(f"AutoAttack: {point.attack}", peer.seed, point) for point in peer.points]
    goal = peer.last.accuracy
    for course in race.adaptive:
        for name, accuracy in (("AutoAttack's + 0.2", goal + WITHIN), ("AutoAttack's", goal)):
            reached = course.reaches(accuracy + 1e-9)
            if reached is not None:
                found.append(_row(f"Adaptive DAA at {name}", course.seed, reached))
        found.append(_row("Adaptive DAA, end", course.seed, course.last))
    return found


def _row(name: str, seed: int, point: Point) -> list[str]:
    numbers = (point.gradients, point.seconds, point.cpu_seconds)
    shown = [f"{number:,.1f}" for number in numbers]
    return [name, str(seed), f"{100 * point.accuracy:.2f}", *shown]


def about(race: Race) -> str:
    """What the numbers of a race were computed on, in one sentence."""
    processes = "two processes" if race.autoattack_commit else "one process"
    return (
        f"{race.target} ({race.weights} weights), {race.data}, first {race.images:,} images, "
        f"eps {radius(race.eps)}, clean {100 * race.clean_accuracy:.2f}; float32, {race.device}, "
        f"of which {race.cores} used, one attack after the other in {processes}."
    )


def verdict(race: Race) -> str:
    """After which share of AutoAttack's time Adaptive DAA stood 0.2 above its accuracy."""
    goal = race.autoattack.last
    reached = [course.reaches(goal.accuracy + WITHIN + 1e-9) for course in race.adaptive]
    there = [point for point in reached if point is not None]
    if len(there) < len(reached):
        return (
            f"Adaptive DAA came within 0.2 points of AutoAttack's {100 * goal.accuracy:.2f} % in "
            f"{len(there)} of {len(reached)} runs."
        )
    ratios = [goal.cpu_seconds / max(point.cpu_seconds, 1e-9) for point in there]
    gradients = [goal.gradients / max(point.gradients, 1e-9) for point in there]
    return (
        f"Adaptive DAA came within 0.2 points of AutoAttack's {100 * goal.accuracy:.2f} % in every "
        f"run, with {min(ratios):,.0f} to {max(ratios):,.0f} times less processor time and "
        f"{min(gradients):,.0f} to {max(gradients):,.0f} times fewer gradients."
    )
