"""Contract of the components of an attack.

A start, an aim, a direction, a step rule and a plan are plain functions. Positional parameters name
values that the attack passes (`x`, `grad`, `rng`, ...). Keyword-only parameters are options of a
config, with types and defaults. A function with `remembers` also takes and returns a `memory`.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import ConfigDict, create_model

from daa.errors import InputError, is_number, is_whole, plain, require

# Tensors with one row per image, by name.
Memory = dict[str, Any]
# Options of every attack; a component receives those that it names.
SHARED = ("eps", "clip_range")

Component = Callable[..., Any]
# An `AttackConfig`, for plans: methods.py imports them, so they can't import it.
Config: TypeAlias = Any
_C = TypeVar("_C", bound=Component)


def _declaring(name: str, value: Any) -> Callable[[_C], _C]:
    def declare(component: _C) -> _C:
        setattr(component, name, value)
        return component

    return declare


def remembers(**initial: Callable[[np.ndarray], np.ndarray]) -> Callable[[_C], _C]:
    """Declares the memory of a direction or a step rule; it follows each image through shuffles.

    Args:
        initial: {name: function of the images [N, H, W, C] that returns the first value [N, ...]}.
    """
    return _declaring("initial", initial)


def costs(gradients: float | Callable[..., float]) -> Callable[[_C], _C]:
    """Declares the cost of a component per image, in addition to the steps of the attack.

    The cost is a number of forward-backward passes, where a forward pass counts half, or a function
    of the component's options that returns this number.
    """
    return _declaring("gradients", gradients)


def cost(component: Component, options: Mapping[str, Any]) -> float:
    """Forward-backward passes of a component per image, in addition to the steps."""
    gradients = getattr(component, "gradients", 0.0)
    return call(gradients, options) if callable(gradients) else gradients


# Decorator: the options arrive in float64 instead of the type of the gradient.
double = _declaring("double", True)


def initial(component: Component) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Initial memory of a component; see `remembers`."""
    return getattr(component, "initial", {})


@functools.cache
def needs(component: Component) -> Mapping[str, inspect.Parameter]:
    """All parameters by name."""
    return inspect.signature(component).parameters


def call(component: Component, values: Mapping[str, Any]) -> Any:
    """Calls a component with the values that it names."""
    for name, parameter in needs(component).items():
        if name not in values and parameter.default is parameter.empty:
            raise InputError(
                f"{component.__name__}: no value {name!r}; its parameters can be "
                f"{', '.join(sorted(values))}"
            )
    return component(**{name: values[name] for name in needs(component) if name in values})


def options(*components: Component) -> dict[str, Any]:
    """{option: default}; an option without a default has `inspect.Parameter.empty`."""
    return {name: option[1] for part in components for name, option in typed_options(part).items()}


@functools.cache
def typed_options(component: Component) -> dict[str, tuple[Any, Any]]:
    """{option: (type, default)} of a component."""
    fields: dict[str, Any] = {
        name: (parameter.annotation, parameter.default)
        for name, parameter in inspect.signature(component).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in SHARED
    }
    config = ConfigDict(arbitrary_types_allowed=True)
    # Types of other parameters, such as tf.Tensor, would import TensorFlow.
    model = create_model("Options", __config__=config, __module__=component.__module__, **fields)
    model.model_rebuild()  # raises an error if a type is unknown
    return {name: (field.annotation, field.default) for name, field in model.model_fields.items()}


def checked(name: str, value: Any, kind: Any) -> Any:
    """The value of an option as a plain Python value; InputError if the type does not allow it.

    `kind` is bool, int (>= 1), float, a Literal of texts, or a union with None.
    """
    value = plain(value)
    wrong = _mismatch(value, kind)
    require(wrong is None, name, str(wrong), value)
    return value


def _mismatch(value: object, kind: Any) -> str | None:
    """Describes the values that a type allows unless it allows this value."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = [one for one in typing.get_args(kind) if one is not type(None)]
        wrong = [_mismatch(value, one) for one in kinds]
        return None if value is None or None in wrong else " or ".join(["null", *map(str, wrong)])
    if typing.get_origin(kind) is Literal:
        texts = typing.get_args(kind)
        ok = isinstance(value, str) and value in texts
        return None if ok else f"one of {', '.join(map(str, texts))}"
    if kind is bool:
        return None if isinstance(value, bool) else "true or false"
    if kind is int:
        return None if is_whole(value) and value >= 1 else "a whole number >= 1"  # type: ignore[operator]
    if kind is float:
        return None if is_number(value) else "a finite number"
    return None
