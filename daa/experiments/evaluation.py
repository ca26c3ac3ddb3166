"""The evaluation of any classifier: its accuracy, that under attack, and checks of both."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from daa import directions, targets
from daa.errors import InputError, require
from daa.experiments import attack_checks, checks, data, device, models, provenance, stats
from daa.experiments.checks import ADVICE, Finding, percent
from daa.experiments.config import fraction
from daa.experiments.wording import radius
from daa.methods import METHODS, AttackConfig
from daa.parts import is_number
from daa.plans import Report
from daa.restarts import Job, local, worst_cases
from daa.target import Bounds, Dataset, Note, Target, check_images, predict
from daa.targets import Published
from daa.targets.models import DataFormat

# Mean gradients per image, and the number of them that no number of minutes reaches.
BUDGET, _ENDLESS = 150.0, 1e6


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known about a classifier after an attack.

    Args:
        target: the classifier.
        config: the attack.
        data: the images.
        report: of the attack.
        findings: of the checks.
        notes: what was done to the model and to the images.
        seconds: that the attack took; the checks are not counted.
        seed: of all random numbers.
        device: that it was computed on.
    """

    target: Target
    config: AttackConfig
    data: Dataset
    report: Report
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    seconds: float
    seed: int
    device: str

    @property
    def clean_accuracy(self) -> float:
        """Accuracy on the natural images, in [0, 1]."""
        return self.report.clean_accuracy

    @property
    def robust_accuracy(self) -> float:
        """Accuracy on the worst images that the attack found, in [0, 1]."""
        return float((self.report.margin > 0).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the robust accuracy, as the images are a sample. In [0, 1]."""
        return stats.interval(int((self.report.margin > 0).sum()), len(self.data))

    @property
    def gradients_per_image(self) -> float:
        """Mean number of forward-backward passes; a forward pass alone counts half."""
        return float(self.report.gradients.mean())

    @property
    def warnings(self) -> list[str]:
        """The codes of what the checks found."""
        return [finding.code for finding in self.findings]

    @property
    def adv(self) -> np.ndarray:
        """The worst version of each image. [N, H, W, C] float32 in [0, 1]."""
        return self.report.adv

    def save(self, folder: str | Path) -> Path:
        """Writes evaluation.json, record, table, figures and a page; returns the page's path.

        Raises:
            InputError: the folder holds the result of another run, or can't be written to.
        """
        from daa.experiments import verdict

        return verdict.write(self, Path(folder))

    def __str__(self) -> str:
        """What the command prints."""
        low, high = (100 * end for end in self.interval)
        attack, eps = METHODS[self.config.method].title, radius(self.config.eps)
        lines = [
            f"{self.target.name} on {self.data.name}, {len(self.data):,} images, "
            f"eps {eps}, {attack}, seed {self.seed}",
            f"  clean accuracy   {100 * self.clean_accuracy:.2f} %",
            f"  robust accuracy  {100 * self.robust_accuracy:.2f} %  "
            f"(95 % interval {low:.2f} to {high:.2f})",
            f"  cost             {self.gradients_per_image:.1f} gradients per image, "
            f"{self.seconds:.0f} s on {self.device}",
            f"  checks           {len(self.findings) or 'no'} "
            f"warning{'' if len(self.findings) == 1 else 's'}",
        ]
        lines += [f"    {f.code}: {f.message} {f.advice}" for f in self.findings]
        lines += [f"  note             {n.code}: {n.message}" for n in self.notes]
        return "\n".join(lines)


def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    eps: float | str,
    method: str = "adaptive",
    budget: float | None = None,
    minutes: float | None = None,
    images: int | None = None,
    seed: int = 0,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    signature: str | None = None,
    name: str | None = None,
    published: float | None = None,
    progress: bool = True,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
    **options: Any,
) -> Evaluation:
    """Attacks a classifier and says how robust it is, and whether the number can be trusted.

        report = daa.evaluate(model, x, y, eps=8 / 255)

    Args:
        model: a Keras model, a `Target`, a PyTorch module, a function of pixels [N, H, W, C] that
            returns logits, or a text: `folder/name` of this project, the path of a .keras file or
            of a SavedModel, `package.module:function`.
        x: images: uint8, or floats in [0, 1], or floats in the range of `bounds`; [N, H, W, C] or
            [N, C, H, W]. Or a `Dataset`, or a text as `cifar10`, an .npz file, a folder of images;
            None for the data set of a model of this project.
        y: labels, where x are images. [N].
        eps: radius of the L-infinity ball, for images in [0, 1]; a text such as "8/255" will do.
        method: a row of `daa.methods.METHODS`.
        budget: mean number of gradients per image; None for 150, or for no limit with `minutes`.
        minutes: stop after so many; the result then depends on the machine. Adaptive attack only.
        images: only the first ones; None for all.
        seed: of all random numbers.
        bounds: lowest and highest pixel value that the model takes; None for (0, 1).
        data_format: channels_last or channels_first, of the model's input and of x, where their
            shapes don't say it.
        signature: of a SavedModel.
        name: of a model that is not given by a text.
        published: clean accuracy in [0, 1] that the model should have, for a check.
        progress: show a bar.
        data_dir, model_dir: folders of this project's data sets and weights.
        options: further options of the method, as for `AttackConfig`.

    Returns:
        The evaluation; `print` shows it, `.save(folder)` writes it.

    Raises:
        InputError: a model, images, labels or options that can't be used; says why in one line.
    """
    provenance.git_commit()  # asked for now, as a later commit is not the code that runs
    config = _config(method, eps, budget, minutes, options)
    found, done = _data(model, x, y, images, bounds, data_format, data_dir)
    with warnings.catch_warnings():
        # What was done to a model stands in the evaluation.
        warnings.filterwarnings("ignore", message=r".* \[[a-z-]+\]$")
        target = _target(
            model,
            image_shape=found.x.shape[1:],
            bounds=bounds,
            data_format=data_format,
            signature=signature,
            name=name,
            model_dir=model_dir,
        )
    images_, labels = check_images(target, found.x, found.y)
    outputs = predict(target, images_)
    target = models.unsquashed(target, outputs)
    logits = predict(target, images_)
    first = checks.before(target, images_, labels, logits, _published(model, published))
    report, seconds = _attacked(target, config, images_, labels, seed, progress)
    last = attack_checks.after(target, images_, labels, report, config.eps, seed)
    notes = (*target.notes, *done)
    told = [Finding(note.code, note.message) for note in notes if note.code in ADVICE]
    return Evaluation(
        target,
        config,
        found,
        report,
        (*told, *first, *last),
        tuple(note for note in notes if note.code not in ADVICE),
        seconds,
        seed,
        device.name(),
    )


def _config(
    method: str,
    eps: float | str,
    budget: float | None,
    minutes: float | None,
    options: Mapping[str, Any],
) -> AttackConfig:
    """The attack: with a budget where its plan has one, else with as many steps."""
    known = AttackConfig.readable(method, options) if method in METHODS else set()
    length = fraction(eps)
    if is_number(length) and not 0 < length <= 1:
        raise InputError(
            f"eps: expected 0 < eps <= 1, the unit of images in [0, 1], got {eps!r}; "
            "a radius of 8 pixel values is 8/255"
        )
    given: dict[str, Any] = {"eps": length}
    spent = (BUDGET if minutes is None else _ENDLESS) if budget is None else budget
    if "budget" in known:
        given |= {"budget": float(spent), "minutes": minutes}
    else:
        require(minutes is None, "minutes", f"no such option for {method}", minutes)
        require(budget is None or budget >= 1, "budget", "at least 1", budget)
        if "steps" in known:
            row = METHODS[method]
            steps = int(2 * spent if row.direction is directions.nowhere else spent)
            whole = options.get("steps_per_shuffle", 10) if row.particles else 1
            given["steps"] = max(steps // whole, 1) * whole
        if "step_size" in known and is_number(length):
            given["step_size"] = length / 10
    return AttackConfig(method, **{**given, **options})


def _data(
    model: Any,
    x: Any,
    y: Any,
    images: int | None,
    bounds: Bounds | tuple[float, float] | None,
    data_format: DataFormat | None,
    data_dir: str | Path | None,
) -> tuple[Dataset, list[Note]]:
    if isinstance(x, Dataset):
        return x.first(images), []
    pixels = (bounds.lower, bounds.upper) if isinstance(bounds, Bounds) else bounds
    layout = {"bounds": pixels, "data_format": data_format}
    if isinstance(x, (str, Path)):
        require(y is None, "y", f"none beside {x}", type(y).__name__)
        return data.load(str(x), images=images, data_dir=data_dir, **layout)
    if x is None:
        own = isinstance(model, str) and models.of_project(model)
        require(own, "data", "images and labels for a model of your own", None)
        return targets.load_dataset(model, "test", data_dir, images), []
    found, notes = data.dataset(x, y, **layout)
    return found.first(images), notes


def _target(model: Any, **options: Any) -> Target:
    if isinstance(model, (str, Path)):
        options.pop("name")
        return models.load(str(model), **options)
    require(options.pop("signature") is None, "signature", "a SavedModel with it", "another model")
    del options["model_dir"]
    return models.target_of(model, **options)


def _published(model: Any, accuracy: float | None) -> Published | None:
    if accuracy is not None:
        require(0 <= accuracy <= 1, "published", "an accuracy in [0, 1]", accuracy)
        return Published(accuracy, "as given")
    own = isinstance(model, str) and models.of_project(model)
    return targets.row(model).clean if own else None


def _attacked(
    target: Target,
    config: AttackConfig,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    progress: bool,
) -> tuple[Report, float]:
    """The report of the attack, and the seconds that it took."""
    begin = time.perf_counter()
    whole = config.budget if config.reads("budget") else config.gradients_per_image
    total = None if whole >= _ENDLESS else round(whole * len(x))
    with tqdm(
        total=total, unit="gradient", unit_scale=True, desc=target.name, disable=not progress
    ) as bar:
        engine = local(target, x, y, on_steps=bar.update)
        for state in worst_cases(target, [Job(config, seed=seed)], x, y, engine=engine):
            bar.update(round(state.report.gradients.sum()) - bar.n)
            bar.set_postfix_str(f"robust accuracy {percent((state.report.margin > 0).mean())}")
    return state.report, time.perf_counter() - begin
