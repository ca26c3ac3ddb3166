"""How reports name attacks and lengths, and say where their numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from daa.attacks.losses import LOSSES
from daa.attacks.methods import METHODS, AttackConfig
from daa.runs.records import Record

# How the building blocks that any method takes are named.
_BLOCKS = {
    "start": "start: {}",
    "step": "{} steps",
    "momentum": "momentum {:g}",
    "keep": "{} image kept",
    "scale": "logits times {:g}",
    "restarts": "restarts on {} images",
    "shuffle": "{} shuffled",
}
_FORMULAS = {"paper": "the paper's formula", "pytorch": "the PyTorch script's formula"}


def label(attack: AttackConfig) -> str:
    """The title of the method, with the options that change what it may do in brackets."""
    found = options(attack)
    return METHODS[attack.method].title + (f" ({found})" if found else "")


def options(attack: AttackConfig) -> str:
    """The options that change what an attack may do, in words; empty for none."""
    found = []
    if attack.rand_fgsm == "tramer":
        found.append("Tramer et al.")
    if attack.targeted:
        found.append(f"targeted: {attack.targeted.replace('_', ' ')}")
    if not attack.clip_range:
        found.append("not clipped to [0, 1]")
    if attack.formula in _FORMULAS:
        found.append(_FORMULAS[attack.formula])
    if attack.precision != "float32":
        found.append(attack.precision)
    if attack.clip_start:
        found.append("start clipped")
    own = METHODS[attack.method].options
    for name, text in _BLOCKS.items():
        if attack.reads(name) and getattr(attack, name) != own.get(name):
            found.append(text.format(getattr(attack, name)))
    return ", ".join(found)


def loss(attack: AttackConfig) -> str:
    """The title of the loss; empty for a plan that chooses its losses itself."""
    return LOSSES[attack.loss].title if attack.loss else ""


def radius(eps: float) -> str:
    """A radius as a decimal where that is short, else in pixel values, as 8/255."""
    decimal, pixels = f"{eps:.4g}", round(255 * eps)
    if float(decimal) != eps and pixels / 255 == eps:
        return f"{pixels}/255"
    return decimal


def at_most(p: float) -> str:
    """The smallest number of one digit that is no smaller than `p`, so that "p ≤ ..." is true."""
    exact = Decimal(str(p))
    return f"{float(exact.quantize(Decimal(1).scaleb(exact.adjusted()), ROUND_CEILING)):g}"


def source(records: Sequence[Record]) -> str:
    """What the numbers of an experiment were computed on, in one sentence."""
    first = records[0]
    restarts = sorted({record.restarts for record in records})
    seeds = sorted({record.seed for record in records})
    devices = dict.fromkeys(device for r in records for device in r.device.split(" and "))
    return (
        f"Accuracy in % (lower is a stronger attack) of {first.target} "
        f"({first.weights} weights), clean {100 * first.clean_accuracy:.2f}; "
        f"{first.data}, {first.images:,} images, "
        f"{' or '.join(map(str, restarts))} restart{'s' if restarts[-1] > 1 else ''}, "
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}, "
        f"{' and '.join(devices)}."
    )
