"""Runs Adaptive DAA and AutoAttack on the same images with the same cores."""

import importlib.metadata
import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from daa.attacks.methods import AttackConfig
from daa.attacks.worst_case import Job, clean_accuracy, worst_cases
from daa.errors import require
from daa.reports import autoattack
from daa.reports.autoattack import Course, Point, Race
from daa.runs import device, provenance, records
from daa.target import Dataset, Target
from daa.targets.files import write_atomically


def race(
    target: Target,
    data: Dataset,
    eps: float,
    autoattack: Callable[..., Any],
    *,
    norm: str = "linf",
    budget: float = 400.0,
    seeds: Sequence[int] = (0, 1, 2),
) -> Race:
    """Times both attacks on the cores that this process may use.

    The graphs that each compiles count as part of its time.

    Args:
        target: the classifier.
        data: the images.
        eps, norm: radius and norm of the ball.
        autoattack: `daa.plugins.autoattack.attack`.
        budget: of Adaptive DAA, in gradients per image.
        seeds: of its runs; AutoAttack runs once, with the first one.
    """
    adaptive = [_adaptive(target, data, eps, budget, seed, norm) for seed in seeds]
    result = autoattack(target, data.x, data.y, eps=eps, norm=norm, seed=seeds[0])
    stages: list[dict[str, Any]] = [vars(stage) for stage in result.stages]
    # AutoAttack tells a stage's accuracy before this project has judged its images.
    stages[-1] = {**stages[-1], "accuracy": result.robust_accuracy}
    peers = [name for name in ("torch", "pyautoattack") if importlib.util.find_spec(name)]
    packages = {name: importlib.metadata.version(name) for name in peers}
    return Race(
        **_about(target, data, eps, norm),
        clean_accuracy=clean_accuracy(target, data.x, data.y),
        autoattack=Course(seed=seeds[0], points=tuple(Point(**_short(stage)) for stage in stages)),
        adaptive=tuple(adaptive),
        versions=provenance.versions() | packages,
        git_commit=provenance.git_commit(),
        autoattack_commit=None,
    )


def again(
    target: Target,
    data: Dataset,
    eps: float,
    folder: Path,
    *,
    norm: str = "linf",
    budget: float = 400.0,
    seeds: Sequence[int] = (0, 1, 2),
) -> Race:
    """Repeats the runs of Adaptive DAA in the race of a folder; keeps the AutoAttack run.

    Args:
        target, data, eps, norm, budget, seeds: as for `race`.
        folder: of the race.

    Raises:
        InputError: the race has other images, another network, another device, or other versions
            of Python and packages.
    """
    where, same = folder / autoattack.NAME, _about(target, data, eps, norm)
    races = [old for old in autoattack.load(folder) if old.cores == same["cores"]]
    require(bool(races), str(where), f"a race on {same['cores']} cores", None)
    (earlier,) = races
    for name, value in same.items():
        require(getattr(earlier, name) == value, f"{where}: {name}", value, getattr(earlier, name))
    for name, version in provenance.versions().items():
        old = earlier.versions.get(name)
        require(old == version, f"{folder}: {name}", f"{version} as it is now", old)
    new = {
        "adaptive": tuple(_adaptive(target, data, eps, budget, seed, norm) for seed in seeds),
        "git_commit": provenance.git_commit(),
        "autoattack_commit": earlier.autoattack_commit or earlier.git_commit or "unknown",
    }
    return earlier.model_copy(update=new)


def add(folder: Path, race: Race) -> Path:
    """Adds a race to the file of a folder; replaces the one with as many cores.

    Returns:
        The path of the table, which is rewritten.
    """
    others = [old for old in autoattack.load(folder) if old.cores != race.cores]
    races = sorted([*others, race], key=lambda one: one.cores)
    content = autoattack.Races.model_validate({"schema": records.SCHEMA, "races": races})
    records.write_json(folder / autoattack.NAME, content.model_dump(mode="json", by_alias=True))
    path = (folder / autoattack.NAME).with_suffix(".md")
    write_atomically(path, autoattack.markdown(races).encode())
    return path


def _about(target: Target, data: Dataset, eps: float, norm: str) -> dict[str, Any]:
    """Fields that both attacks share: target, images and device."""
    return {
        "target": target.name,
        "weights": target.provenance,
        "weights_sha256": target.weights_sha256,
        "data": data.name,
        "data_sha256": data.sha256,
        "images": len(data),
        "eps": eps,
        "norm": norm,
        "cores": len(os.sched_getaffinity(0)),
        "device": device.name(),
    }


def _adaptive(
    target: Target, data: Dataset, eps: float, budget: float, seed: int, norm: str
) -> Course:
    begin, cpu_begin, points = time.perf_counter(), time.process_time(), []
    job = Job(AttackConfig("adaptive", eps=eps, norm=norm, budget=budget), seed=seed)
    for number, progress in enumerate(worst_cases(target, [job], data.x, data.y), 1):
        report = progress.report
        at = {
            "attack": f"unit {number}",
            "accuracy": float(report.robust_accuracy[-1]),
            "gradients": float(report.gradients_after[-1]),
            "seconds": time.perf_counter() - begin,
            "cpu_seconds": time.process_time() - cpu_begin,
        }
        points.append(Point(**_short(at)))
    return Course(seed=seed, points=tuple(points))


def _short(point: dict[str, Any]) -> dict[str, Any]:
    """Without digits that mean nothing."""
    rounded = ("gradients", "seconds", "cpu_seconds")
    return {**point, **{name: round(point[name], 2) for name in rounded}}
