"""What a user gives to an evaluation: an attack, a model, images, the accuracy it should have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daa import targets
from daa.attacks import directions
from daa.attacks.methods import METHODS, AttackConfig
from daa.errors import InputError, is_number, is_whole, require, shown
from daa.runs.config import fraction
from daa.target import Bounds, Dataset, Note, Target
from daa.targets import Published
from daa.targets import user_data as data
from daa.targets import user_models as models
from daa.targets.adapters.layouts import DataFormat

# Mean gradients per image, and a number of them that no number of minutes reaches.
BUDGET, ENDLESS = 150.0, 1e6


def attack_of(
    method: str,
    eps: float | str,
    budget: float | None,
    minutes: float | None,
    options: Mapping[str, Any],
) -> AttackConfig:
    """The attack: with a budget where its plan has one, else with as many steps."""
    require(isinstance(method, str) and method in METHODS, "method", _one_of_methods(), method)
    known = AttackConfig.readable(method, options)
    length = _length(eps)
    if is_number(length) and not 0 < length <= 1:
        raise InputError(
            f"eps: expected 0 < eps <= 1, the unit of images in [0, 1], got {shown(eps)}; "
            "a radius of 8 pixel values is 8/255"
        )
    given: dict[str, Any] = {"eps": length}
    fits = budget is None or (is_number(budget) and budget >= 1)
    require(fits, "budget", "a finite number >= 1", budget)
    fits = minutes is None or (is_number(minutes) and minutes > 0)
    require(fits, "minutes", "a finite number > 0", minutes)
    spent = (BUDGET if minutes is None else ENDLESS) if budget is None else budget
    if "budget" in known:
        given |= {"budget": float(spent), "minutes": minutes}
    else:
        in_rounds = [name for name in METHODS if "minutes" in AttackConfig.readable(name, {})]
        if minutes is not None:
            raise InputError(
                f"minutes: expected them for {', '.join(in_rounds)} alone, got them for {method}, "
                "which makes one run that nothing can end early; a budget sets its length instead"
            )
        if "steps" in known:
            row = METHODS[method]
            steps = int(2 * spent if row.direction is directions.nowhere else spent)
            given_whole: Any = options.get("steps_per_shuffle", 10) if row.particles else 1
            # AttackConfig refuses what is no such number.
            whole = given_whole if is_whole(given_whole) and given_whole >= 1 else 10
            given["steps"] = max(steps // whole, 1) * whole
        if "step_size" in known and is_number(length):
            given["step_size"] = length / 10
    return AttackConfig(method, **{**given, **options})


def _one_of_methods() -> str:
    return f"one of {', '.join(METHODS)}"


def _length(eps: float | str) -> Any:
    """A radius that is given as a number or as the text of one; any other value as it is."""
    found: Any = fraction(eps)
    try:
        return float(found) if isinstance(found, str) else found
    except ValueError:
        return found


def data_of(
    model: Any,
    x: Any,
    y: Any,
    images: int | None,
    bounds: Bounds | tuple[float, float] | None,
    data_format: DataFormat | None,
    data_dir: str | Path | None,
) -> tuple[Dataset, list[Note]]:
    """The images and labels, and what was done to them; arguments as for `evaluate`."""
    if isinstance(x, Dataset):
        return x.first(images), []
    pixels = (bounds.lower, bounds.upper) if isinstance(bounds, Bounds) else bounds
    layout: dict[str, Any] = {"bounds": pixels, "data_format": data_format}
    if isinstance(x, (str, Path)):
        require(y is None, "y", f"none beside {x}", type(y).__name__)
        return data.load(str(x), images=images, data_dir=data_dir, **layout)
    if x is None:
        own = isinstance(model, str) and models.of_project(model)
        require(own, "data", "images and labels for a model of your own", None)
        return targets.load_dataset(model, "test", data_dir, images), []
    found, notes = data.dataset(x, y, **layout)
    return found.first(images), notes


def target_of(model: Any, **options: Any) -> Target:
    """The target; arguments as for `evaluate`."""
    if isinstance(model, (str, Path)):
        options.pop("name")
        return models.load(str(model), **options)
    require(options.pop("signature") is None, "signature", "a SavedModel with it", "another model")
    del options["model_dir"]
    return models.target_of(model, **options)


def published_of(model: Any, accuracy: float | None) -> Published | None:
    """The accuracy that the model should have; None where nobody said one."""
    if accuracy is not None:
        fits = is_number(accuracy) and 0 <= accuracy <= 1
        require(fits, "published", "an accuracy in [0, 1]", accuracy)
        return Published(accuracy, "as given")
    own = isinstance(model, str) and models.of_project(model)
    return targets.row(model).clean if own else None
