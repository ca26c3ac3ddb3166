"""The evaluation of any classifier: its accuracy, that under attack, and checks of both."""

from __future__ import annotations

import importlib
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.plans import Report
from daa.attacks.worst_case import margins
from daa.errors import InputError, is_whole, require
from daa.evaluation import attack_checks, checks, given
from daa.evaluation.checks import ADVICE, Finding
from daa.reports import stats
from daa.reports.wording import radius
from daa.runs import attacking, provenance, state
from daa.runs.state import Origin
from daa.target import Bounds, Dataset, Note, Target, check_images
from daa.targets.adapters.layouts import DataFormat


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
        origin: devices and commits that the attack was computed with.
    """

    target: Target
    config: AttackConfig
    data: Dataset
    report: Report
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    seconds: float
    seed: int
    origin: Origin

    @property
    def device(self) -> str:
        """What the attack was computed on."""
        return " and ".join(self.origin["device"])

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
        page: Path = verdict().write(self, Path(folder))
        return page

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
    out: str | Path | None = None,
    force: bool = False,
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
        method: a row of `daa.attacks.methods.METHODS`.
        budget: mean number of gradients per image; None for 150, or for no limit with `minutes`.
        minutes: end with the round in which so many are over; the result then depends on the
            machine. Only for the adaptive attack, as the other methods make one run.
        images: only the first ones; None for all.
        seed: of all random numbers.
        bounds: lowest and highest pixel value that the model takes; None for (0, 1).
        data_format: channels_last or channels_first, of the model's input and of x, where their
            shapes don't say it.
        signature: of a SavedModel.
        name: of a model that is not given by a text.
        published: clean accuracy in [0, 1] that the model should have, for a check.
        out: folder that is written, as by `Evaluation.save`; None to write nothing. What an attack
            has reached is kept there, and the same call goes on from it.
        force: start anew, and overwrite what is in the folder.
        progress: show a bar.
        data_dir, model_dir: folders of this project's data sets and weights.
        options: further options of the method, as for `AttackConfig`.

    Returns:
        The evaluation; `print` shows it, `.save(folder)` writes it.

    Raises:
        InputError: a model, images, labels or options that can't be used, or a folder that holds
            another run; says why in one line.
    """
    provenance.git_commit()  # asked for now, as a later commit is not the code that runs
    config = given.attack_of(method, eps, budget, minutes, options)
    fits = is_whole(seed) and seed >= 0
    require(fits, "seed", "a whole number >= 0", seed)
    found, done = given.data_of(model, x, y, images, bounds, data_format, data_dir)
    with warnings.catch_warnings():
        # What was done to a model stands in the evaluation.
        warnings.filterwarnings("ignore", message=r".* \[[a-z-]+\]$")
        target = given.target_of(
            model,
            image_shape=found.x.shape[1:],
            bounds=bounds,
            data_format=data_format,
            signature=signature,
            name=name,
            model_dir=model_dir,
        )
    images_, labels = check_images(target, found.x, found.y)
    first = checks.before(target, images_, labels, given.published_of(model, published))
    if not any(margins(target, images_, labels) > 0):
        known = "; ".join(f"{finding.code}: {finding.message}" for finding in first)
        raise InputError(
            f"{target.name}: expected a model that gets some images right, got none of "
            f"{len(labels):,}; {known or 'check labels, range of the pixels and weights'}"
        )
    notes = (*target.notes, *done)
    told = [Finding(note.code, note.message) for note in notes if note.code in ADVICE]
    kept: dict[str, Any] = {}
    with nullcontext() if out is None else state.sole(Path(out)):
        if out is not None:
            plan = verdict().planned(target, config, found, seed, Path(out), force)
            kept = {"kept": plan.kept, "ident": plan.ident}
        reached = attacking.attack(target, config, images_, labels, seed, progress=progress, **kept)
        report = reached.report
        assert report is not None
        last = attack_checks.after(target, images_, labels, report, config.eps, seed)
        evaluation = Evaluation(
            target,
            config,
            found,
            report,
            (*told, *first, *last),
            tuple(note for note in notes if note.code not in ADVICE),
            reached.seconds,
            seed,
            reached.origin,
        )
        if out is not None:
            verdict().fill(evaluation, Path(out))
    return evaluation


def verdict() -> ModuleType:
    """The module that writes evaluations, which draws figures and so takes a second to import."""
    return importlib.import_module("daa.evaluation.report")
