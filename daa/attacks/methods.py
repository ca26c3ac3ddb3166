"""The attacks, each a row of components, and their configuration."""

from __future__ import annotations

import inspect
from collections import UserDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, Literal

from daa.attacks import aims, components, directions, plans, starts, steps
from daa.attacks.adaptive import adaptive
from daa.attacks.balls import BALLS, Ball
from daa.attacks.components import Component, checked
from daa.attacks.losses import LOSSES
from daa.attacks.starts import STARTS
from daa.attacks.steps import STEPS
from daa.errors import InputError, closest, require, shown
from daa.target import Precision


@dataclass(frozen=True)
class Method:
    """An attack as a row of components; see their modules."""

    title: str  # in tables and figures
    direction: Component = directions.gradient
    start: Component = starts.uniform
    aim: Component = aims.given
    step: Component = steps.fixed
    plan: Component = plans.repeat
    # Whether the images of a minibatch influence each other and are shuffled every
    # `steps_per_shuffle` steps; False for a composed method with shuffle="never".
    particles: bool = False
    steps: int | None = None  # fixed number of steps; None if the number is an option
    loss: str | None = "xent"  # default loss; None for a plan that chooses the losses of its units
    options: Mapping[str, Any] = field(default_factory=dict)  # replace defaults of the components

    @property
    def components(self) -> tuple[Component, ...]:
        return self.start, self.aim, self.direction, self.step, self.plan

    def defaults(self) -> dict[str, Any]:
        """{option of this method: default}."""
        counts: dict[str, Any] = {} if self.steps else {"steps": 200}
        if self.particles:
            counts["steps_per_shuffle"] = 10
        own = {name: value for name, value in self.options.items() if name not in BLOCKS}
        return {**counts, **components.options(*self.components), **own}


# Optional building blocks of every method with many steps: another start or step rule, momentum of
# the direction, the best image of all steps instead of the last one, a factor of the logits,
# restarts only on robust images, as many as a budget pays for, minibatches without shuffling.
BLOCKS: dict[str, Any] = {
    "start": str,
    "step": str,
    "momentum": float,
    "keep": Literal["best"],
    "scale": float,
    "restarts": Literal["standing"],
    "budget": float,
    "shuffle": Literal["never"],
}


def composed(method: str, options: Mapping[str, Any]) -> Method:
    """The row of a method, with the building blocks among some options."""
    row = METHODS[method]
    repeated = row.plan is plans.repeat
    robust = repeated and (options.get("restarts") or options.get("budget"))
    return replace(
        row,
        start=STARTS.get(str(options.get("start")), row.start),
        step=STEPS.get(str(options.get("step")), row.step),
        plan=plans.on_robust if robust else row.plan,
        particles=row.particles and options.get("shuffle") != "never",
    )


class Methods(UserDict[str, Method]):
    """Attacks by name; an entry point of another package is imported at its first use."""

    def __getitem__(self, name: str) -> Method:
        row: Any = self.data[name]
        if isinstance(row, metadata.EntryPoint):
            where = f"entry point {row.name} = {row.value} of daa.methods"
            try:
                row = row.load()
            except Exception as error:  # the package can raise anything
                got = f"{type(error).__name__}: {error}"
                raise InputError(f"{where}: can't be imported: {got}") from error
            require(isinstance(row, Method), where, "a daa.attacks.methods.Method", row)
            self.data[name] = row
        return row


# The released scripts run with these c under both losses, although they print another c for CW.
_OURS = {
    "fgsm": Method("FGSM", start=starts.natural, step=steps.whole, steps=1),
    "rand_fgsm": Method("Rand+FGSM", start=starts.rand_fgsm, step=steps.rest, steps=1),
    "pgd": Method("PGD"),
    "mi_fgsm": Method(
        "MI-FGSM",
        direction=directions.momentum,
        start=starts.natural,
        step=steps.even,
        options={"decay": 1.0},
    ),
    "momentum": Method("Momentum PGD", direction=directions.momentum, options={"decay": 1.0}),
    "blob": Method("DAA-BLOB", direction=directions.blob, particles=True, options={"c": 1.1}),
    "dgf": Method("DAA-DGF", direction=directions.dgf, particles=True, options={"c": 0.001}),
    "attraction": Method(
        "Attraction", direction=directions.attraction, particles=True, options={"c": 1.1}
    ),
    "apgd": Method("Auto-PGD", step=steps.halving, options={"steps": 100, "keep": "best"}),
    "apgd_t": Method(
        "Auto-PGD towards classes",
        step=steps.halving,
        aim=aims.nearest_classes,
        loss="dlr_targeted",
        options={"steps": 100, "keep": "best"},
    ),
    "odi": Method("ODI-PGD", start=starts.odi, loss="cw"),
    "multitargeted": Method("MultiTargeted PGD", aim=aims.nearest_classes, loss="difference"),
    "pcros": Method("PCROS", direction=directions.corrected),
    "adaptive": Method(
        "Adaptive DAA",
        start=starts.natural,
        aim=aims.away,
        step=steps.whole,
        plan=adaptive,
        steps=1,
        loss=None,
    ),
    "square": Method(
        "Square",
        direction=directions.nowhere,
        start=starts.stripes,
        step=steps.squares,
        loss="cw",
        options={"steps": 5000, "keep": "best"},
    ),
}
_INSTALLED: dict[str, Any] = {
    point.name: point
    for point in metadata.entry_points(group="daa.methods")
    if point.name not in _OURS
}
METHODS = Methods({**_OURS, **_INSTALLED})


_SHARED = ("method", "loss", "eps", "batch_size", "clip_range", "precision", "norm")


@dataclass(frozen=True, init=False)
class AttackConfig:
    """Settings of an attack. Lengths are in the unit of images in [0, 1].

    An omitted option has the default of the method. An option of another method is an error.
    `config.c` reads an option; it is None if the method does not have this option. NumPy numbers
    are stored as Python numbers.

    Args:
        method: a row of `METHODS`, as pgd, momentum, blob (DAA-BLOB) or dgf (DAA-DGF).
        loss: a row of `LOSSES`, as xent (cross-entropy) or cw (CW-infinity); None for the default
            of the method.
        eps: radius of the ball.
        batch_size: images per minibatch, which are the particles of blob and dgf.
        clip_range: keep the images inside [0, 1], not only inside the ball.
        precision: of the gradients; images and the final evaluation are always float32.
        norm: of the ball, a row of `daa.attacks.balls.BALLS`: linf or l2.
        options: of the method. The components document them: `step_size`
            (`daa.attacks.steps.fixed`), `c` and `formula` (`daa.attacks.directions.blob`, `dgf`),
            `decay` (`daa.attacks.directions.momentum`), `random_start` and `clip_start`
            (`daa.attacks.starts.uniform`), `rand_fgsm` (`daa.attacks.starts.rand_fgsm`),
            `targeted` (`daa.attacks.aims.given`). Further options are `steps`, the gradients per
            image, and for blob and dgf `steps_per_shuffle`, the steps of a minibatch between two
            shuffles of all images; with `shuffle="never"` the minibatches follow the order of the
            images.

    Raises:
        InputError: an invalid value, or an option that the method does not have; names it.
    """

    method: str
    loss: str | None
    eps: float
    batch_size: int
    clip_range: bool
    precision: Precision
    norm: str
    options: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        method: str,
        loss: str | None = None,
        eps: float = 0.3,
        batch_size: int = 200,
        clip_range: bool = True,
        precision: Precision = "float32",
        norm: str = "linf",
        **options: Any,
    ) -> None:
        method = checked("method", method, Literal[tuple(METHODS)])
        default = METHODS[method].loss
        require(loss is None or default is not None, "loss", f"no such option for {method}", loss)
        norm = checked("norm", norm, Literal[tuple(BALLS)])
        values = (
            method,
            default if loss is None else checked("loss", loss, Literal[tuple(LOSSES)]),
            BALLS[norm].radius(eps),
            checked("batch_size", batch_size, int),
            checked("clip_range", clip_range, bool),
            checked("precision", precision, Precision),
            norm,
            tuple(_resolved(method, options).items()),
        )
        self.__dict__.update(zip(self.__dataclass_fields__, values, strict=True))
        if self.loss is not None and "y" in components.needs(LOSSES[self.loss].function):
            aimed = self.method_spec.aim is not aims.given or self.targeted is not None
            require(aimed, "loss", "one that needs no class to aim at", self.loss)
        if norm != "linf":
            self._require_ball()
        if self.reads("step_size"):
            ok = 0 < self.step_size <= self.eps
            require(ok, "step_size", f"0 < step_size <= eps={self.eps}", self.step_size)
        for name in ("budget", "minutes"):
            value = getattr(self, name)
            require(value in (None, "auto") or value > 0, name, "a number > 0", value)
        if self.method_spec.particles:
            ok = self.steps % self.steps_per_shuffle == 0
            multiple = f"a multiple of steps_per_shuffle={self.steps_per_shuffle}"
            require(ok, "steps", multiple, self.steps)
        if self.budget is not None and self.method_spec.plan is plans.on_robust:
            least = self.gradients_per_image + 1
            require(self.budget >= least, "budget", f"{least:g} for one restart", self.budget)
        if METHODS[self.method].particles:
            require(self.batch_size >= 2, "batch_size", "at least 2 particles", self.batch_size)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "options":
            raise AttributeError(name)
        options = dict(self.options)
        if name not in options and name not in self.names():
            raise AttributeError(name)
        return options.get(name)

    def _require_ball(self) -> None:
        """Refuses a method with a component that only has an L-infinity form."""
        row = self.method_spec
        for component in (row.start, row.direction, row.step):
            needs = components.needs(component)
            if "ball" not in needs and (component is row.step or {"eps", "step_size"} & {*needs}):
                raise InputError(
                    f"norm: {self.method} is an L-infinity attack, because {component.__name__} "
                    f"does not take a ball; use norm linf, got {self.norm!r}"
                )

    @property
    def ball(self) -> Ball:
        """The functions of the norm; see `daa.attacks.ball`."""
        return BALLS[self.norm]

    @property
    def method_spec(self) -> Method:
        """The components of the attack, including its building blocks."""
        return composed(self.method, dict(self.options))

    @property
    def steps_per_unit(self) -> int:
        """Steps of each image in one unit of work."""
        return self.method_spec.steps or self.steps

    @property
    def inner_steps(self) -> int:
        """Consecutive steps of a minibatch, which are all steps unless particles are shuffled."""
        return self.steps_per_shuffle if self.method_spec.particles else self.steps_per_unit

    @property
    def gradients_per_image(self) -> float:
        """Forward-backward passes of one unit per image; a forward pass counts half."""
        options = dict(self.options)
        row = self.method_spec
        step = components.cost(row.direction, options)
        step += 1 if row.direction is not directions.nowhere else 0.5
        once = components.cost(row.start, options) + components.cost(row.aim, options)
        return self.steps_per_unit * step + once + (0.5 if self.keep else 0)

    def reads(self, name: str) -> bool:
        """Whether the method has an option of this name."""
        return name in dict(self.options)

    def settings(self) -> dict[str, Any]:
        """All settings as a dict of plain Python values, ready for JSON; no norm for linf."""
        shared = {name: getattr(self, name) for name in _SHARED}
        if self.norm == "linf":  # the default of older records
            del shared["norm"]
        return {**shared, **dict(self.options)}

    def replace(self, **changes: Any) -> AttackConfig:
        """The same attack with some settings changed."""
        return AttackConfig(**{**self.settings(), **changes})

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> AttackConfig:
        """The attack with some `settings()`; old records also list options of other methods."""
        method = checked("method", settings.get("method"), Literal[tuple(METHODS)])
        names = cls.readable(method, settings)
        return cls(**{name: value for name, value in settings.items() if name in names})

    @staticmethod
    def readable(method: str, options: Mapping[str, Any]) -> set[str]:
        """Names of the settings of a method with the building blocks among some options."""
        row = METHODS[method]
        names = {*_SHARED, *composed(method, options).defaults()}
        if row.steps is None:
            names |= {name for name in BLOCKS if row.particles or name != "shuffle"}
        return names if row.loss is not None else names - {"loss"}

    @staticmethod
    def names() -> list[str]:
        """Names of all settings of all methods."""
        options: list[str] = []
        for method in METHODS:
            with suppress(InputError):  # a broken package
                options += METHODS[method].defaults()
        blocks = [*BLOCKS, *components.options(*STARTS.values(), *STEPS.values())]
        return list(dict.fromkeys([*_SHARED, *options, *blocks]))


def _resolved(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method: the user's, else the defaults. None stands for the default."""
    names = AttackConfig.names()
    for name in options:
        if name not in names:
            near = closest(name, names)
            raise InputError(f"expected one of {', '.join(names)}, got {shown(name)}{near}")
    values = {**METHODS[method].options, **options}
    values = {name: value for name, value in values.items() if value is not None}
    row = composed(method, values)
    defaults, readable = row.defaults(), AttackConfig.readable(method, values)
    kinds = dict.fromkeys(defaults, int) | BLOCKS  # int: steps and steps_per_shuffle
    kinds |= {"start": Literal[tuple(STARTS)], "step": Literal[tuple(STEPS)]}
    for component in row.components:
        typed = components.typed_options(component)
        kinds |= {name: kind for name, (kind, _) in typed.items()}
    for name, value in values.items():
        require(name in readable, name, f"no such option for {method}", value)
    values = {**defaults, **{name: values[name] for name in BLOCKS if name in values}, **values}
    for name, value in values.items():
        require(value is not inspect.Parameter.empty, name, "a value", None)
        values[name] = checked(name, value, kinds[name])
    return values
