"""How the parts of an attack say what they need.

A start, an aim, a direction, a step rule and a plan are plain functions. Their parameters are their
contract: positional parameters are what the attack knows at that moment and gives by name (`x`,
`grad`, `rng`, ...), keyword-only parameters are the options that a config may set, with their types
and defaults. A function that `remembers` something also takes and returns a `memory`.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import numpy as np

# Tensors of one row per image, by name.
Memory = dict[str, Any]
# The options that every attack has; a part that names one of them gets it.
SHARED = ("eps", "clip_range")

Part = Callable[..., Any]
_P = TypeVar("_P", bound=Callable[..., Any])


def remembers(**initial: Callable[[np.ndarray], np.ndarray]) -> Callable[[_P], _P]:
    """Declares what a direction or a step rule remembers from step to step.

    What is remembered belongs to its image: it travels with the image through the shuffles.

    Args:
        initial: {name: function of the images [N, H, W, C] that gives the first value, [N, ...]}.
    """

    def declare(part: _P) -> _P:
        part.initial = initial  # type: ignore[attr-defined]
        return part

    return declare


def costs(gradients: float | Callable[..., float]) -> Callable[[_P], _P]:
    """Declares what a start or an aim spends on each image beside the attack's steps.

    Args:
        gradients: forward-backward passes, a forward pass alone counts half; or a function of the
            part's options that gives them.
    """

    def declare(part: _P) -> _P:
        part.gradients = gradients  # type: ignore[attr-defined]
        return part

    return declare


def cost(part: Part, options: Mapping[str, Any]) -> float:
    """Forward-backward passes that a part spends on each image beside the attack's steps."""
    spent = getattr(part, "gradients", 0.0)
    return call(spent, options) if callable(spent) else spent


def initial(part: Part) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """How the memory of a part begins: {name: function of the images}."""
    return getattr(part, "initial", {})


def needs(part: Part) -> tuple[str, ...]:
    """The names of all parameters of a part."""
    return tuple(inspect.signature(part).parameters)


def call(part: Part, known: Mapping[str, Any]) -> Any:
    """Calls a part with those of the known values that it names."""
    return part(**{name: known[name] for name in needs(part) if name in known})


def options(*parts: Part) -> dict[str, Any]:
    """{name: default} of the options of some parts; `inspect.Parameter.empty` without a default."""
    return {name: default for part in parts for name, default in _options(part).items()}


@functools.cache
def _options(part: Part) -> dict[str, Any]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(part).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in SHARED
    }


def expected(value: object, part: Part, name: str) -> str | None:
    """What the type of an option allows, if `value` is something else; None if it fits."""
    annotation = inspect.signature(part).parameters[name].annotation
    if isinstance(annotation, str):
        annotation = eval(annotation, part.__globals__)  # the part's own source, not input
    return mismatch(value, annotation)


def mismatch(value: object, annotation: Any) -> str | None:
    """What a type allows, if `value` is something else; None if it fits."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        if value is None or any(mismatch(value, kind) is None for kind in kinds):
            return None
        return " or ".join(["null", *(str(mismatch(value, kind)) for kind in kinds)])
    if typing.get_origin(annotation) is Literal:
        allowed = typing.get_args(annotation)
        fits = isinstance(value, str) and value in allowed
        return None if fits else f"one of {', '.join(map(str, allowed))}"
    if annotation is bool:
        return None if isinstance(value, bool) else "true or false"
    if annotation is int:
        return None if is_whole(value) and value >= 1 else "a whole number >= 1"  # type: ignore[operator]
    if annotation is float:
        return None if is_number(value) else "a finite number"
    return None


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, which True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def is_number(value: object) -> bool:
    """Whether a value is a finite number that a float can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
