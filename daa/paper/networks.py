"""The attacked networks: loaded once, compared with the paper's, and timed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from daa import targets
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.evaluation import target_check
from daa.paper.plan import Options, Task, load_images
from daa.runs import config, device
from daa.runs.records import write_json
from daa.target import Dataset, Precision, Provenance, Target
from daa.targets import fetch, files


class NetworkCheck(BaseModel, frozen=True, extra="forbid"):
    """The saved checks of a network; `weights` are "third-party" after a failed check.

    Accuracies are in percent. `ms_per_image` is the time of a step of `particles` per particle.
    """

    target: str
    weights: Provenance
    weights_sha256: str | None
    data: str
    data_sha256: str
    images: int
    clean: float
    published: float | None
    file: str
    misses: tuple[str, ...]
    ms_per_image: float
    particles: int
    precision: str
    device: str


@dataclass(frozen=True, eq=False)
class Network:
    """A network with the images on which it is attacked."""

    target: Target
    data: Dataset
    check: NetworkCheck


def path_of(out: Path, reference: str) -> Path:
    return out / "networks" / f"{reference.replace('/', '-')}.json"


def load(path: Path) -> NetworkCheck | None:
    """The saved checks of a network; None if there is no file."""
    return config.read(NetworkCheck, path, "the checks of a network") if path.exists() else None


def of_tasks(
    work: Sequence[Task], options: Options, log: Callable[[str], None] = print
) -> dict[str, Network]:
    """The checked networks of the tasks that can run; their tasks attack the same images."""
    tasks: dict[str, list[Task]] = {}
    for task in work:
        if not task.missing:
            tasks.setdefault(task.experiment.target, []).append(task)
    return {name: _network(same, options, log) for name, same in tasks.items()}


def _network(tasks: Sequence[Task], options: Options, log: Callable[[str], None]) -> Network:
    """A network with the saved checks for these weights, images and this device, or new ones."""
    reference = tasks[0].experiment.target
    attacks = [row.attack for task in tasks for row in task.experiment.rows]
    particles, precision = max(attack.batch_size for attack in attacks), attacks[0].precision
    target = targets.load_target(reference, model_dir=options.model_dir)
    data = load_images(reference, options.data_dir, tasks[0].experiment.images)
    now: dict[str, Any] = {
        "weights_sha256": target.weights_sha256,
        "data_sha256": data.sha256,
        "images": len(data),
        "particles": particles,
        "precision": precision,
        "device": device.name(),
    }
    path = path_of(options.out, reference)
    check = load(path)
    if check is None or now != check.model_dump(include=set(now)):
        row = targets.row(reference)
        complete = len(data) >= tasks[0].entry.images
        result = target_check.examine(target, data, row.clean, whole=complete)
        file = published_file(reference, options.model_dir)
        misses = result.misses
        if file.startswith("not the published"):
            misses += (f"file: expected the published sha256, got another: {file}",)
        seconds = seconds_per_step(target, row.eps, particles, precision)
        check = NetworkCheck(
            target=reference,
            weights="third-party" if misses else row.provenance,
            data=data.name,
            clean=result.clean,
            published=result.published,
            file=file,
            misses=misses,
            ms_per_image=1000 * seconds / particles,
            **now,
        )
        write_json(path, check.model_dump(mode="json"))
    published = "" if check.published is None else f" (published {check.published:.2f})"
    log(
        f"{check.target}: {check.file}; clean accuracy {check.clean:.2f} %{published} on "
        f"{check.images:,} images of {check.data}; a step of {check.particles} images takes "
        f"{check.ms_per_image * check.particles:,.0f} ms ({check.precision}, {check.device})"
    )
    for miss in check.misses:
        log(f"{check.target}: NOT the paper's network: {miss}")
    return Network(replace(target, provenance=check.weights), data, check)


def published_file(reference: str, model_dir: str | None) -> str:
    """Whether the weights are the published file, in words."""
    source = targets.row(reference).source
    if source is None or not source.hashes:
        return "no hash is published"
    weights = targets.family(reference).find_weights(reference.partition("/")[2], model_dir)
    if weights.is_file():
        same = files.sha256(weights) in source.hashes.values()
        # The .npz that a .pth was converted to has another hash.
        return "the published file" if same else "another form of the published file, not checked"
    parcel = fetch.parcel(reference, model_dir=model_dir)
    pins = fetch.load_pins(parcel.folder)
    for name, published in source.hashes.items():
        if name not in pins:
            return f"{name} is missing, so its published hash is not checked"
        if pins[name] != published or fetch.state(parcel) != "there":
            return f"not the published {name}"
    return "the published file"


def seconds_per_step(target: Target, eps: float, particles: int, precision: Precision) -> float:
    """Seconds of one DAA-BLOB step of a minibatch, without the tracing; ten if they are short."""
    rng = np.random.default_rng(0)
    x = rng.random((particles, *target.image_shape), dtype=np.float32)
    y = rng.integers(0, target.classes, particles)

    def timed(steps: int) -> float:
        options: dict[str, Any] = {"batch_size": particles, "precision": precision}
        options |= {"steps": steps, "steps_per_shuffle": steps, "step_size": eps / 10}
        attack = Attack(target, AttackConfig("blob", eps=eps, **options))
        begin = time.perf_counter()
        attack(x, y)
        return (time.perf_counter() - begin) / steps

    timed(1)
    first = timed(1)
    return min(first, timed(1)) if first > 1 else min(timed(10), timed(10))
