"""Evaluation of any classifier: an attack, and checks whether its result can be trusted."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

from daa import targets
from daa.attacks.adaptive import adaptive
from daa.attacks.balls import BALLS
from daa.attacks.components import checked
from daa.attacks.methods import METHODS, AttackConfig
from daa.attacks.worst_case import margins
from daa.errors import InputError, closest, is_number, is_whole, require, whole
from daa.evaluation import checks
from daa.evaluation.checks import ADVICE, Finding
from daa.evaluation.report import Evaluation, check_folder, clear, slug
from daa.reports.wording import label
from daa.runs import provenance, state
from daa.runs.config import Experiment, Row, fraction
from daa.runs.run import require_same_runs, run
from daa.target import Bounds, Dataset, Note, NoteWarning, check_images
from daa.targets import Published, user_data, user_models
from daa.targets.adapters.layouts import DataFormat

# Default gradients per image of the methods without "auto", and the budget of an attack that only
# minutes limit.
BUDGET, ENDLESS = 150.0, 1e6
_P = ParamSpec("_P")


def _to_the_end(stages: Callable[_P, Iterator[Any]]) -> Callable[_P, Evaluation]:
    """A function that runs all stages and returns the evaluation, which is the last one."""

    @wraps(stages)
    def evaluate(*args: _P.args, **options: _P.kwargs) -> Evaluation:
        *_, evaluation = stages(*args, **options)
        return evaluation

    evaluate.__annotations__ = {**stages.__annotations__, "return": "Evaluation"}
    return evaluate


@_to_the_end
def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    eps: float | str | None = None,
    norm: str | None = None,
    method: str = "adaptive",
    budget: float | Literal["auto"] | None = None,
    minutes: float | None = None,
    restarts: int = 1,
    images: int | None = None,
    seed: int = 0,
    bounds: Bounds | tuple[float, float] | None = None,
    data_format: DataFormat | None = None,
    signature: str | None = None,
    output: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    class_names: Iterable[str] = (),
    name: str | None = None,
    published: float | None = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
    data_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
    **options: Any,
) -> Iterator[Any]:
    """Attacks a classifier, and checks whether the robust accuracy can be trusted.

        report = daa.evaluate(model, x, y, eps=8 / 255)

    Args:
        model: A Keras model, a `Target`, a PyTorch module, a function from pixels [N, H, W, C] to
            logits, or a text: `folder/name` of a target of this project, the path of a .keras file,
            a SavedModel or a TorchScript file, or `package.module:function`.
        x: Images: uint8, floats in [0, 1], or floats in the range of `bounds`; [N, H, W, C] or
            [N, C, H, W]; also vectors [N, F] and volumes [N, D, H, W, C]. Or a `Dataset`, a
            `tf.data.Dataset`, a PyTorch `DataLoader`, or a text: the name of a data set such as
            `cifar10`, an .npz file, or a folder of images. None for the data set of a target of
            this project.
        y: Labels, if x are images. [N].
        eps: Radius of the ball, for images in [0, 1]; may be a text such as "8/255". None for the
            radius of a target of this project.
        norm: Norm of the ball, linf or l2; None for the norm of a target of this project, else
            linf.
        method: Name of the attack, a key of `daa.attacks.methods.METHODS`.
        budget: Mean number of gradients per image. "auto" lets the method adaptive stop when few
            further images are expected to break, after 25 to 1,000 gradients. None for "auto", for
            no limit with `minutes`, and for 150 with another method.
        minutes: Stop after the round in which this time ends; the result then depends on the
            machine. Only for the adaptive attack.
        restarts: Number of restarts of an attack with random starts; each has the whole budget. A
            larger number extends the run in `out`.
        images: Use the first `images` images; None for all.
        seed: Seed of all random numbers.
        bounds: Lowest and highest pixel value of the model's input; None for (0, 1).
        data_format: channels_last or channels_first, for the model's input and x, if their shapes
            are ambiguous.
        signature: Signature of a SavedModel.
        output: Name or number of the output, if the model has several and none is named "logits".
        mean, std: The model takes (pixels - mean) / std, for pixels in `bounds`; one number, or one
            for each channel.
        class_names: Names of the classes for the figure of the worst images.
        name: Name of a model that is not a text.
        published: Expected clean accuracy in [0, 1], for a check.
        out: Folder for the files of `Evaluation.save`, and for the state of the attack: the same
            call resumes an interrupted attack. None writes nothing.
        force: Start again, and overwrite the files in the folder.
        progress: Show a progress bar.
        data_dir, model_dir: Folders of this project's data sets and weights.
        options: Further options of the method, as for `AttackConfig`.

    Returns:
        The evaluation; `print` shows it, `.save(folder)` writes it.

    Raises:
        InputError: Model, images, labels or options are not usable, or the folder holds another
            run; the message is one line.
    """
    provenance.git_commit()  # cached now, because a later commit is not the code that runs
    ours = model if isinstance(model, str) and user_models.of_project(model) else None
    known = targets.row(ours) if ours else None
    usual = known.norm if known else "linf"
    if eps is None:
        if known is None:
            raise InputError("eps: is missing; a model of your own has no usual radius")
        eps = known.eps
        require(norm in (None, usual), "eps", f"a radius, because {model} has one for {usual}", eps)
    norm = usual if norm is None else norm
    config = attack_config(method, eps, budget, minutes, options, norm)
    seed, restarts = whole(seed, "seed"), whole(restarts, "restarts", 1)
    if restarts > 1 and (config.loss is None or config.reads("budget")):
        raise InputError(f"restarts: {method} makes no restarts; use a larger budget")
    valid = published is None or (is_number(published) and 0 <= published <= 1)
    require(valid, "published", "an accuracy in [0, 1]", published)
    layout: dict[str, Any] = {"bounds": bounds, "data_format": data_format}
    named: dict[str, Any] = {"signature": signature, "name": name, "model_dir": model_dir}
    named |= {"output": output, "mean": mean, "std": std}
    data, image_notes = _dataset(ours, x, y, images, data_dir, layout)
    if names := tuple(class_names):
        data = replace(data, class_names=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoteWarning)  # the notes are part of the evaluation
        target = user_models.load(model, image_shape=data.x.shape[1:], **layout, **named)
    expected = known.clean if known else None
    if published is not None:
        expected = Published(published, "as given")
    pixels, labels = check_images(target, data.x, data.y)
    folder = None if out is None else Path(out)
    experiment = Experiment(
        name="evaluation" if folder is None else slug(folder.resolve().name),
        title=f"{target.name} under {label(config)}",
        target=target.name,
        seed=seed,
        restarts=restarts,
        rows=(Row(name=config.method, attack=config),),
    )
    if folder is not None:
        check_folder(folder, config.method, force)
        if not force:
            require_same_runs(experiment, target, data, folder)
    yield experiment, data
    begin = time.perf_counter()
    findings = checks.before(target, pixels, labels, expected, progress)
    checking = time.perf_counter() - begin
    if not any(margins(target, pixels, labels) > 0):
        causes = "; ".join(f"{finding.code}: {finding.message}" for finding in findings)
        raise InputError(
            f"{target.name}: the model misclassifies all {len(labels):,} images; "
            f"{causes or 'check labels, pixel range and weights'}"
        )
    if folder is not None and force:
        clear(folder)
    (row,) = run(experiment, target, data, folder=folder, force=force, progress=progress)
    report = row.report
    if report is None:  # an earlier call finished the attack
        assert folder is not None
        path = folder / f"{row.record.run}.npz"
        if (report := state.load(path, row.record.identity).report) is None:
            raise InputError(f"{path}: no such file; start again to make the images anew")
        report = replace(report, predicted=row.record.predicted, stopped=row.record.stopped)
    begin = time.perf_counter()
    findings += checks.after(
        target, pixels, labels, report, config, seed, row.record.seconds, progress
    )
    checking += time.perf_counter() - begin
    notes = (*target.notes, *image_notes)
    doubts = [Finding(note.code, note.message) for note in notes if note.code in ADVICE]
    rest = tuple(note for note in notes if note.code not in ADVICE)
    reported = (*doubts, *findings)
    evaluation = Evaluation(
        target, config, data, report, reported, rest, experiment, row.record, checking
    )
    if folder is not None:
        evaluation.save(folder)
    yield evaluation


def attack_config(
    method: str,
    eps: float | str,
    budget: float | str | None,
    minutes: float | None,
    options: dict,
    norm: str = "linf",
) -> AttackConfig:
    """The attack of an evaluation; arguments as for `evaluate`.

    Without the option `steps`, other methods than `adaptive` make one run, with as many steps as
    the budget pays for; with `steps`, they restart on the robust images until it is spent.
    """
    checked("method", method, Literal[tuple(METHODS)])
    length: Any = fraction(eps)
    with suppress(ValueError):
        length = float(length) if isinstance(length, str) else length
    checked("norm", norm, Literal[tuple(BALLS)])
    length = BALLS[norm].radius(length)
    automatic = budget == "auto" and METHODS[method].plan is adaptive
    valid = budget is None or automatic or (is_number(budget) and float(budget) >= 1)
    require(valid, "budget", "a finite number >= 1, or auto for the method adaptive", budget)
    valid = minutes is None or (is_number(minutes) and minutes > 0)
    require(valid, "minutes", "a finite number > 0", minutes)
    options = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in AttackConfig.names():
            usual = inspect.signature(evaluate).parameters
            names = [*list(usual)[3:-1], *sorted(AttackConfig.readable(method, {}) - {*usual})]
            near = closest(name, names) or f"; the options for {method} are {', '.join(names)}"
            raise InputError(f"evaluate: no option {name!r}{near}")
    reads = AttackConfig.readable(method, options)
    settings: dict[str, Any] = {"eps": length, "norm": norm}
    if METHODS[method].plan is adaptive:
        default = "auto" if minutes is None else ENDLESS
        settings |= {"budget": default if budget is None else budget, "minutes": minutes}
    elif minutes is not None:
        raise InputError(f"minutes: {method} has no time limit; use adaptive, or set a budget")
    elif "steps" in options:
        settings["budget"] = budget
    if "step_size" in reads:
        settings["step_size"] = length / 10
    if "steps" in reads and "steps" not in options:
        multiple: Any = options.get("steps_per_shuffle", 10) if METHODS[method].particles else 1
        if not (is_whole(multiple) and multiple >= 1):
            multiple = 1  # AttackConfig refuses the option
        total = BUDGET if budget is None else float(budget)
        once, twice = (
            AttackConfig(method, **{**settings, **options, "steps": steps}).gradients_per_image
            for steps in (multiple, 2 * multiple)
        )
        # A single forward pass before or after the steps comes on top.
        rounds = int((total - int(2 * once - twice)) / (twice - once))
        settings["steps"] = max(rounds, 1) * multiple
    return AttackConfig(method, **{**settings, **options})


def _dataset(
    ours: str | None, x: Any, y: Any, images: int | None, data_dir: str | Path | None, layout: dict
) -> tuple[Dataset, list[Note]]:
    """Images with labels, and notes on changes to them; `ours` names a target of this project."""
    if isinstance(x, Dataset):
        return x.first(images), []
    if isinstance(x, (str, Path)):
        require(y is None, "y", f"no labels, because {x} has labels", type(y).__name__)
        return user_data.load(str(x), images=images, data_dir=data_dir, **layout)
    if x is None:
        if ours is None:
            raise InputError("data: a model of your own needs images and labels")
        return targets.load_dataset(ours, "test", data_dir, images), []
    if y is None:
        require(hasattr(x, "__getitem__") or hasattr(x, "__iter__"), "data", "images and labels", x)
        return user_data.of_batches(x, images, **layout)
    data, notes = user_data.dataset(x, y, **layout)
    return data.first(images), notes
