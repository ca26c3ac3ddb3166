"""Adaptive DAA and AutoAttack on the same images and cores: autoattack.json and its table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from daa.reports import tabular
from daa.reports.wording import within
from daa.runs import config, records
from daa.runs.config import Line
from daa.runs.records import Count, Number, Share, Whole

# File name in the folder of an experiment.
NAME = "autoattack.json"
# Differences from AutoAttack's last accuracy at which the costs are compared.
LEVELS = {"AutoAttack's final accuracy": 0.0, "+ 0.2": 0.002, "+ 0.5": 0.005, "+ 1.0": 0.01}
HEADER = ("attack", "seed", "robust accuracy", "gradients per image", "seconds", "CPU seconds")
LEVELS_HEADER = (
    *("level", "robust accuracy", "AutoAttack, CPU seconds", "Adaptive DAA, CPU seconds"),
    *("ratio of CPU seconds", "ratio of gradients"),
)
LEVELS_ABOUT = (
    "Costs until each attack first reaches a robust accuracy, for each seed of Adaptive DAA. A "
    "ratio is AutoAttack's cost divided by the cost of Adaptive DAA; a dash means that Adaptive "
    "DAA ends above this accuracy. AutoAttack's accuracy is recorded after each of its attacks."
)


class Point(BaseModel, frozen=True, extra="forbid"):
    """Progress of an attack at one moment."""

    attack: Line = Field(description="The part that just ended: an attack of AutoAttack or a unit.")
    accuracy: Share = Field(description="Robust accuracy so far, in [0, 1].")
    gradients: Number = Field(description="Gradients per image; a forward pass counts half.")
    seconds: Number = Field(description="Time since the start of the attack.")
    cpu_seconds: Number = Field(description="Processor time of all threads since then.")


class Course(BaseModel, frozen=True, extra="forbid"):
    """One run of an attack, from start to end."""

    seed: Whole = Field(description="Seed of all random numbers.")
    points: tuple[Point, ...] = Field(min_length=1, description="In the order of time.")

    @property
    def last(self) -> Point:
        return self.points[-1]

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradients per image, and robust accuracy in percent."""
        gradients = np.array([point.gradients for point in self.points])
        return gradients, 100 * np.array([point.accuracy for point in self.points])

    def first_below(self, accuracy: float) -> Point | None:
        """The first point with at most this accuracy; None if there is none."""
        return next((p for p in self.points if p.accuracy <= accuracy + 1e-9), None)


class Race(BaseModel, frozen=True, extra="forbid"):
    """Both attacks on the same images and cores, one after the other."""

    target: Line = Field(description="The attacked classifier, `folder/name`.")
    weights: Line = Field(description="Origin of its weights, as in a record.")
    weights_sha256: str | None = Field(description="Hash of the file of the weights.")
    data: Line = Field(description="Name of the data set.")
    data_sha256: str | None = Field(description="Hash of the files of the data set.")
    images: Count = Field(description="Number of images: the first ones of the data set.")
    eps: Number = Field(description="Radius of the ball.")
    norm: Line = Field("linf", description="Norm of the ball; missing in older files.")
    cores: Count = Field(description="Number of CPU cores that both attacks could use.")
    clean_accuracy: Share = Field(description="Accuracy on the clean images.")
    autoattack: Course = Field(description="AutoAttack, standard version.")
    adaptive: tuple[Course, ...] = Field(min_length=1, description="Adaptive DAA, by seed.")
    device: Line = Field(description="Device of both attacks.")
    versions: dict[str, str] = Field(description="Versions of Python and of the packages.")
    git_commit: str | None = Field(description="As in a record.")
    autoattack_commit: str | None = Field(
        None,
        description="Commit of an earlier process that ran AutoAttack, `unknown` without one; "
        "null if one process ran both attacks.",
    )


class Races(BaseModel, frozen=True, extra="forbid"):
    """The file."""

    schema_version: Literal[1] = Field(records.SCHEMA, alias="schema")
    races: tuple[Race, ...] = Field(description="One per number of cores.")


def load(folder: Path) -> tuple[Race, ...]:
    """The races of a result folder; empty without the file."""
    path = folder / NAME
    return config.read(Races, path, "races with AutoAttack").races if path.exists() else ()


def markdown(races: Sequence[Race]) -> str:
    parts = ["# Adaptive DAA and AutoAttack"]
    for race in races:
        parts += ["", about(race), "", *tabular.markdown(HEADER, rows(race))]
        parts += ["", LEVELS_ABOUT, "", *tabular.markdown(LEVELS_HEADER, levels(race))]
    return "\n".join(parts) + "\n"


def rows(race: Race) -> list[list[str]]:
    """AutoAttack after each of its attacks, and the end of each run of Adaptive DAA."""
    first = race.autoattack
    named = [(f"AutoAttack: {point.attack}", first.seed, point) for point in first.points]
    named += [("Adaptive DAA, end", course.seed, course.last) for course in race.adaptive]
    cells = []
    for name, seed, point in named:
        costs = [f"{n:,.1f}" for n in (point.gradients, point.seconds, point.cpu_seconds)]
        cells.append([name, str(seed), f"{100 * point.accuracy:.2f}", *costs])
    return cells


def about(race: Race) -> str:
    """Network, images and device of a race, as a sentence."""
    processes = "two processes" if race.autoattack_commit else "one process"
    return (
        f"{race.target} ({race.weights} weights), {race.data}, first {race.images:,} images, "
        f"{within(race.eps, race.norm)}, clean {100 * race.clean_accuracy:.2f}; float32, "
        f"{race.device}, of which {race.cores} used, one attack after the other in {processes}."
    )


def levels(race: Race) -> list[list[str]]:
    """Costs of both attacks until each first reaches AutoAttack's last accuracy or one close to it.

    AutoAttack is charged up to the end of the first of its attacks that reaches the accuracy.
    """
    cells = []
    for name, more in LEVELS.items():
        accuracy = race.autoattack.last.accuracy + more
        goal = race.autoattack.first_below(accuracy)
        assert goal is not None
        points = [course.first_below(accuracy) for course in race.adaptive]
        time = [p and f"{p.cpu_seconds:,.1f}" for p in points]
        ratios = [p and f"{goal.cpu_seconds / max(p.cpu_seconds, 1e-9):,.0f}" for p in points]
        gradients = [p and f"{goal.gradients / max(p.gradients, 1e-9):,.0f}" for p in points]
        texts = (", ".join(text or "-" for text in row) for row in (time, ratios, gradients))
        cells.append([name, f"{100 * accuracy:.2f}", f"{goal.cpu_seconds:,.1f}", *texts])
    return cells
