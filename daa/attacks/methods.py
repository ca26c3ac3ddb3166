"""The attacks, each a row of parts, and how one of them is configured."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from daa.attacks import aims, directions, plans, starts, steps
from daa.attacks import components as parts
from daa.attacks.adaptive import adaptive
from daa.attacks.components import Part
from daa.attacks.losses import LOSSES
from daa.attacks.starts import STARTS
from daa.attacks.steps import STEPS
from daa.errors import InputError, require, shown
from daa.target import Precision


@dataclass(frozen=True)
class Method:
    """An attack, composed from parts.

    Args:
        title: as tables and figures show it.
        direction: where to go.
        start: where from.
        aim: towards what.
        step: how far.
        plan: what next.
        particles: whether the images of a minibatch act on each other, so that they are shuffled
            every `steps_per_shuffle` steps; False in a composed row that is never shuffled.
        steps: number of steps where it is fixed; None where it is an option.
        loss: what it increases unless a config says otherwise; None for a plan that chooses the
            losses of its units itself.
        options: {option: default} where they differ from those of the parts.
    """

    title: str
    direction: Part = directions.gradient
    start: Part = starts.uniform
    aim: Part = aims.given
    step: Part = steps.fixed
    plan: Part = plans.repeat
    particles: bool = False
    steps: int | None = None
    loss: str | None = "xent"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts, whose options are those of the method."""
        return self.start, self.aim, self.direction, self.step, self.plan

    def defaults(self) -> dict[str, Any]:
        """{option that this method reads: default}."""
        found: dict[str, Any] = {} if self.steps else {"steps": 200}
        if self.particles:
            found["steps_per_shuffle"] = 10
        own = {name: value for name, value in self.options.items() if name not in BLOCKS}
        return {**found, **parts.options(*self.parts), **own}


# Building blocks that any method of many steps takes: another start or step rule by its name,
# momentum on its direction, the best image on the way instead of the last one, a factor for the
# logits, restarts on the standing images alone, minibatches that are never shuffled. They are
# options only where they are given.
BLOCKS: dict[str, Any] = {
    "start": Literal[tuple(STARTS)],
    "step": Literal[tuple(STEPS)],
    "momentum": float,
    "keep": Literal["best"],
    "scale": float,
    "restarts": Literal["standing"],
    "shuffle": Literal["never"],
}


def composed(method: str, given: Mapping[str, Any]) -> Method:
    """The row of a method with the parts that were given in the place of its own."""
    row = METHODS[method]
    return replace(
        row,
        start=STARTS.get(str(given.get("start")), row.start),
        step=STEPS.get(str(given.get("step")), row.step),
        plan=plans.standing if given.get("restarts") == "standing" else row.plan,
        particles=row.particles and given.get("shuffle") != "never",
    )


def _takes(method: str, block: str) -> bool:
    """Whether a building block means anything to a method."""
    row = METHODS[method]
    return row.steps is None and (row.particles or block != "shuffle")


# The released scripts run with these c under both losses, whatever c they print for CW.
METHODS: dict[str, Method] = {
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


@dataclass(frozen=True, init=False)
class AttackConfig:
    """How to attack. Lengths are in the unit of images in [0, 1].

    An option that is not given has the default of the method. An option that the method does not
    read is refused. `config.c` reads an option; it is None where the method does not read it.

    Args:
        method: a row of `METHODS`, as pgd, momentum, blob (DAA-BLOB) or dgf (DAA-DGF).
        loss: a row of `LOSSES`, as xent (cross-entropy) or cw (CW-infinity); None for the method's.
        eps: radius of the L-infinity ball.
        batch_size: images per minibatch, which are the particles of blob and dgf.
        clip_range: keep the images inside [0, 1], not only inside the ball.
        precision: of the gradients; the images and the final evaluation are float32 always.
        options: of the method. The parts that a method is made of document them: `step_size`
            (`daa.attacks.steps.fixed`), `c` and `formula` (`daa.attacks.directions.blob`, `dgf`), `decay`
            (`daa.attacks.directions.momentum`), `random_start` and `clip_start` (`daa.attacks.starts.uniform`),
            `rand_fgsm` (`daa.attacks.starts.rand_fgsm`), `targeted` (`daa.attacks.aims.given`). Beside them
            `steps`, the gradients per image, and for blob and dgf `steps_per_shuffle`, the steps
            that a minibatch makes before all images are shuffled again; `shuffle="never"` in its
            place keeps the minibatches of the images' own order.

    Raises:
        InputError: a value that can't work, or an option that the method does not read; names it.
    """

    method: str
    loss: str | None
    eps: float
    batch_size: int
    clip_range: bool
    precision: Precision
    options: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        method: str,
        loss: str | None = None,
        eps: float = 0.3,
        batch_size: int = 200,
        clip_range: bool = True,
        precision: Precision = "float32",
        **options: Any,
    ) -> None:
        _one_of("method", method, METHODS)
        own = METHODS[method].loss
        require(loss is None or own is not None, "loss", f"no such option for {method}", loss)
        loss = own if loss is None else loss
        if loss is not None:
            _one_of("loss", loss, LOSSES)
        require(parts.is_number(eps) and 0 < eps <= 1, "eps", "0 < eps <= 1", eps)
        _fits("batch_size", parts.mismatch(batch_size, int), batch_size)
        _fits("clip_range", parts.mismatch(clip_range, bool), clip_range)
        _one_of("precision", precision, get_args(Precision))
        values = _resolved(method, options)
        shared = (method, loss, eps, batch_size, clip_range, precision, tuple(values.items()))
        for name, value in zip(self.__dataclass_fields__, shared, strict=True):
            object.__setattr__(self, name, value)
        self._check_together()

    def _check_together(self) -> None:
        if self.loss is not None and "y" in parts.needs(LOSSES[self.loss].function):
            aimed = self.parts.aim is not aims.given or self.targeted is not None
            require(aimed, "loss", "one that needs no class to aim at", self.loss)
        if self.reads("step_size"):
            fits = 0 < self.step_size <= self.eps
            require(fits, "step_size", f"0 < step_size <= eps={self.eps}", self.step_size)
        if self.parts.particles:
            fits = self.steps % self.steps_per_shuffle == 0
            multiple = f"a multiple of steps_per_shuffle={self.steps_per_shuffle}"
            require(fits, "steps", multiple, self.steps)
        if METHODS[self.method].particles:
            require(self.batch_size >= 2, "batch_size", "at least 2 particles", self.batch_size)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "options":
            raise AttributeError(name)
        options = dict(self.options)
        if name not in options and name not in self.names():
            raise AttributeError(name)
        return options.get(name)

    @property
    def parts(self) -> Method:
        """The parts that the attack is composed from."""
        return composed(self.method, dict(self.options))

    @property
    def steps_per_unit(self) -> int:
        """Steps that each image makes in one unit of work."""
        return self.parts.steps or self.steps

    @property
    def steps_per_visit(self) -> int:
        """Steps that a minibatch makes in a row: all of them unless particles are shuffled."""
        return self.steps_per_shuffle if self.parts.particles else self.steps_per_unit

    @property
    def gradients_per_image(self) -> float:
        """Forward-backward passes of one unit for each image; a forward pass alone counts half."""
        options = dict(self.options)
        row = self.parts
        step = parts.cost(row.direction, options)
        step += 1 if row.direction is not directions.nowhere else 0.5
        once = parts.cost(row.start, options) + parts.cost(row.aim, options)
        return self.steps_per_unit * step + once + (0.5 if self.keep else 0)

    def reads(self, name: str) -> bool:
        """Whether the method has an option of this name."""
        return name in dict(self.options)

    def settings(self) -> dict[str, Any]:
        """Everything that decides the attack, ready for JSON."""
        shared = {name: getattr(self, name) for name in _SHARED}
        return {**shared, **dict(self.options)}

    def replace(self, **changes: Any) -> AttackConfig:
        """The same attack with some settings changed."""
        return AttackConfig(**{**self.settings(), **changes})

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> AttackConfig:
        """The attack of some `settings()`.

        Settings that the method does not read are left out: old records list those of all methods.
        """
        method = str(settings.get("method"))
        _one_of("method", method, METHODS)
        known = cls.readable(method, settings)
        return cls(**{name: value for name, value in settings.items() if name in known})

    @staticmethod
    def readable(method: str, given: Mapping[str, Any]) -> set[str]:
        """The settings that a method reads, with the start and the step rule that are given."""
        found = {*_SHARED, *composed(method, given).defaults()}
        found |= {block for block in BLOCKS if _takes(method, block)}
        return found if METHODS[method].loss is not None else found - {"loss"}

    @staticmethod
    def names() -> list[str]:
        """The names of all settings of all methods."""
        options = [name for method in METHODS.values() for name in method.defaults()]
        blocks = [*BLOCKS, *parts.options(*STARTS.values(), *STEPS.values())]
        return list(dict.fromkeys([*_SHARED, *options, *blocks]))


_SHARED = ("method", "loss", "eps", "batch_size", "clip_range", "precision")


def _resolved(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a method: those given, else its defaults."""
    given = {**_blocks(METHODS[method].options), **given}
    blocks = _blocks(given)
    for name, value in blocks.items():
        require(_takes(method, name), name, f"no such option for {method}", value)
        _fits(name, parts.mismatch(value, BLOCKS[name]), value)
    row = composed(method, blocks)
    defaults = row.defaults()
    for name, value in given.items():
        if name not in AttackConfig.names():
            raise InputError(
                f"expected one of {', '.join(AttackConfig.names())}, got {shown(name)}"
            )
        if value is not None and name not in blocks:
            require(name in defaults, name, f"no such option for {method}", value)
    resolved = {}
    for name, default in defaults.items():
        value = default if given.get(name) is None else given[name]
        require(value is not inspect.Parameter.empty, name, "a value", None)
        _fits(name, _expected(row, name, value), value)
        resolved[name] = value
    return {**resolved, **blocks}


def _blocks(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name in BLOCKS if (value := given.get(name)) is not None}


def _expected(method: Method, name: str, value: object) -> str | None:
    for part in method.parts:
        if name in parts.options(part):
            return parts.expected(value, part, name)
    return parts.mismatch(value, int)  # steps and steps_per_shuffle


def _fits(name: str, expected: str | None, value: object) -> None:
    require(expected is None, name, str(expected), value)


def _one_of(name: str, value: object, allowed: Any) -> None:
    fits = isinstance(value, str) and value in allowed
    require(fits, name, f"one of {', '.join(allowed)}", value)
