"""The whole way from checkpoint to report on random weights, killed once, before the real ones.

    python -m daa.paper.rehearsal '{"out": "OUT", "model_dir": "MODELS", ...}'

runs the part that is killed; `rehearse` starts it.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from daa import targets
from daa.cli import main as console
from daa.errors import InputError, require
from daa.paper import claims as numbers
from daa.paper import cost, soundness
from daa.paper import reproduce as whole
from daa.paper.plan import Options, load_images
from daa.reports import tabular
from daa.runs import device
from daa.target import Target
from daa.targets import fetch, untrained
from daa.tensorflow import tf

# A handful of images, one restart, a few steps.
IMAGES, STEPS = 8, 2
# Records that are there when the run is killed.
_KILLED_AFTER = 3
# Particles of the step that is timed at full size, by the pixels of an image.
_PARTICLES = {28 * 28: 200, 32 * 32 * 3: 200, 299 * 299 * 3: 50}


def rehearse(
    on: str = "auto",
    only: tuple[str, ...] = (),
    out: Path | None = None,
    data_dir: str | None = None,
    *,
    sizes: bool = True,
    say: Callable[[str], None] = print,
) -> bool:
    """Runs the paper on random weights, kills it once, goes on, and looks at the device.

    Args:
        on: "cpu", "gpu" or "auto".
        only: parts of the paper; empty for all.
        out: new folder of the report; None for one in the cache.
        data_dir: folder of the data sets; generated images stand in for what is missing.
        sizes: also time one step of each network at full size, in processes of their own.
        say: takes what the user is told.

    Returns:
        Whether everything is sound.

    Raises:
        InputError: a folder that is not new, an unknown part, or a step that fails.
    """
    on = _device(on, say)
    home = fetch.cache("rehearsal")
    if out is None:
        out = home / "report"
        shutil.rmtree(out, ignore_errors=True)
    require(not out.exists() or not any(out.iterdir()), str(out), "a new folder", "files")
    data = _images(home / "data", data_dir, only)
    options = _options(out, only, str(data), str(home / "models"))
    first, *others = references = _references(only)
    _write(first, home / "models", say)
    # Before all else, as it takes less than a minute.
    findings = soundness.examine(*_minibatch(first, options))
    for finding in findings:
        say(str(finding))
    for reference in others:
        _write(reference, home / "models", say)
    say(_killed(options, on))
    seen = {path: path.read_bytes() for path in _records(out)}
    whole.reproduce(options, say=lambda text: None)
    changed = [path.name for path, content in seen.items() if path.read_bytes() != content]
    require(not changed, "rehearsal", "the records of the killed run as they were", changed)
    say(f"went on after {len(seen)} records to {len(_records(out))}: {out / 'index.html'}")
    if sizes:
        say(_sizes(references, options))
    sound = all(finding.sound is not False for finding in findings)
    where = "the GPU" if tf.config.list_logical_devices("GPU") else "the processor; no GPU was seen"
    say(f"the path is sound on {where}" if sound else "NOT SOUND: see above")
    return sound


def _write(reference: str, models: Path, say: Callable[[str], None]) -> None:
    """Random weights of a network."""
    path = untrained.write(targets.family(reference), reference.partition("/")[2], models)
    say(f"{reference}: random weights, {path}")


def _references(only: tuple[str, ...]) -> list[str]:
    """The networks of the paper."""
    found = [numbers.load(entry.config).target for entry in numbers.chosen(only)]
    return list(dict.fromkeys(found))


def _device(on: str, say: Callable[[str], None]) -> str:
    """Chooses the device; without a GPU the processor's part is done."""
    try:
        device.use(on)
    except InputError as error:
        say(f"{error}; the processor's part follows")
        on = "cpu"
    return on


def _killed(options: Options, on: str) -> str:
    """Starts the run in a process of its own and kills it in the middle."""
    given: dict[str, Any] = {"out": str(options.out), "only": options.only, "on": on}
    given |= {"data_dir": options.data_dir, "model_dir": options.model_dir}
    command = [sys.executable, "-m", __name__, json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while len(_records(options.out)) < _KILLED_AFTER and process.poll() is None:
            time.sleep(0.05)
    finally:
        process.kill()
        _, error = process.communicate()
    if process.returncode > 0:
        last = (error.decode(errors="replace").strip().splitlines() or ["nothing said"])[-1]
        raise InputError(f"rehearsal: expected a run that can be killed, got {last}")
    how = "killed" if process.returncode < 0 else "not killed, as it was done"
    return f"{how} after {len(_records(options.out))} records"


def _records(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("*/*.json") if path.parent.name != "networks")


def _run(out: str, on: str, only: list[str], **folders: str) -> None:
    """The run that is killed."""
    console.start_tensorflow()
    device.use(on)
    whole.reproduce(_options(Path(out), tuple(only), **folders))


def _options(out: Path, only: tuple[str, ...], data_dir: str, model_dir: str) -> Options:
    return Options(
        out=out,
        data_dir=data_dir,
        model_dir=model_dir,
        only=only,
        images=IMAGES,
        restarts=1,
        steps=STEPS,
        fetch=False,
    )


def _minibatch(reference: str, options: Options) -> tuple[Target, np.ndarray, np.ndarray, float]:
    """A network with a minibatch that looks like its images."""
    target = targets.load_target(reference, model_dir=options.model_dir)
    data = load_images(reference, options.data_dir, IMAGES)
    return target, data.x, data.y, targets.row(reference).eps


def _sizes(references: list[str], options: Options) -> str:
    """Time and memory of one step at full size, one line for each architecture."""
    rows, seen = [], set()
    for reference in references:
        model = targets.model_of(reference)
        if id(model) in seen:
            continue
        seen.add(id(model))
        particles = _PARTICLES[int(np.prod(model.image_shape))]
        for precision in ("float32", "bfloat16"):
            found = cost.measure_apart(
                reference=reference,
                particles=particles,
                model_dir=options.model_dir,
                precision=precision,
                repeats=1,
            )
            cells = [f"{found[name]:,.0f}" for name in ("ms_per_step", "processor_ms_per_step")]
            memory = f"{found['gigabytes']:.1f}"
            rows.append([reference, precision, str(particles), *cells, memory, found["device"]])
    header = ["network", "precision", "images of a step", "ms per step", "processor ms", "GB"]
    align: list[tabular.Align] = ["left", "left", "right", "right", "right", "right", "left"]
    return "\n".join(["", *tabular.markdown([*header, "device"], rows, align), ""])


def _images(folder: Path, data_dir: str | None, only: tuple[str, ...]) -> Path:
    """A folder with all data sets: links to those that are there, generated images else."""
    folder.mkdir(parents=True, exist_ok=True)
    real = fetch.data_folder(data_dir)
    for reference in _references(only):
        dataset = targets.family(reference).dataset
        assert dataset.folder is not None
        place = folder / dataset.folder
        if place.is_symlink():
            place.unlink()
        try:
            targets.load_dataset(reference, "test", str(real), IMAGES)
            if not place.exists():
                place.symlink_to((real / dataset.folder).resolve())
        except (InputError, OSError):
            if not place.exists():
                place.mkdir()
                generate(place, targets.model_of(reference).image_shape)
    return folder


def generate(folder: Path, shape: tuple[int, int, int]) -> None:
    """Random test images in the format of the data set."""
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES, dtype=np.uint8)
    pixels = rng.integers(0, 256, (IMAGES, *shape), np.uint8)
    if shape[-1] == 1:
        images = struct.pack(">4I", 0x803, *pixels.shape[:3]) + pixels.tobytes()
        (folder / "t10k-images-idx3-ubyte").write_bytes(images)
        (folder / "t10k-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 0x801, IMAGES) + labels.tobytes()
        )
    elif shape[0] == 32:
        rows = np.concatenate(
            [labels[:, None], pixels.transpose(0, 3, 1, 2).reshape(IMAGES, -1)], 1
        )
        (folder / "test_batch.bin").write_bytes(rows.tobytes())
    else:
        for k, image in enumerate(pixels):
            Image.fromarray(image).save(folder / f"{k}.JPEG")
        lines = ["file,label", *(f"{k}.JPEG,{label}" for k, label in enumerate(labels))]
        (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _run(**json.loads(sys.argv[1]))
