"""Names of attacks and the sentences around a table: origin of the numbers and main result."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daa.attacks.balls import BALLS
from daa.attacks.losses import LOSSES
from daa.attacks.methods import METHODS, AttackConfig
from daa.runs.records import Record

if TYPE_CHECKING:
    from daa.reports.results import ResultSet

# Labels of the components of any method.
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
TESTS = (
    "t-tests of PGD against DAA over the restarts, as in the papers: two-sided, t > 0 if DAA is "
    "stronger. The restarts differ only in their random numbers (starts and shuffles): all of them "
    "attack the same images of the same network, so these tests do not generalize to other images. "
    "McNemar's test over the images, in the table above, does."
)
PAPER_TESTS = (
    "The columns arXiv and AAAI are for the networks of the papers. The papers name neither the "
    "loss nor the number of restarts; the values are printed here next to cross-entropy."
)

LEVELS = (
    "Robust accuracy in % after these numbers of gradients per image, means over the seeds. The "
    "other attack has the lowest accuracy with the first seed among all settings of the "
    "experiment. It counts up to its last restart that ends at most 5 % later, so it often has "
    "spent fewer gradients (its gradients, first seed). For each of its seeds: images that only "
    "one of both attacks breaks, McNemar's exact p after Holm's correction for the rows of this "
    "experiment, and the number of seeds with p < 0.05. These columns are empty if a record does "
    "not say when its images broke."
)


def label(attack: AttackConfig) -> str:
    """Title of the method, with the important options in brackets."""
    details = options(attack)
    return METHODS[attack.method].title + (f" ({details})" if details else "")


def options(attack: AttackConfig) -> str:
    """The important options in words; empty for none."""
    texts = [
        "Tramer et al." if attack.rand_fgsm == "tramer" else "",
        f"targeted: {attack.targeted.replace('_', ' ')}" if attack.targeted else "",
        "" if attack.clip_range else "not clipped to [0, 1]",
        _FORMULAS.get(attack.formula or "", ""),
        "" if attack.precision == "float32" else attack.precision,
        "start clipped" if attack.clip_start else "",
        f"restarts of {attack.steps} steps" if attack.budget and attack.loss else "",
    ]
    defaults = METHODS[attack.method].options
    for name, text in _BLOCKS.items():
        if attack.reads(name) and getattr(attack, name) != defaults.get(name):
            texts.append(text.format(getattr(attack, name)))
    return ", ".join(filter(None, texts))


def loss(attack: AttackConfig) -> str:
    """Title of the loss; empty for a plan with several losses."""
    return LOSSES[attack.loss].title if attack.loss else ""


def radius(eps: float) -> str:
    """A radius as a short decimal, or in pixel values, as 8/255."""
    decimal, pixels = f"{eps:.4g}", round(255 * eps)
    if float(decimal) != eps and pixels / 255 == eps:
        return f"{pixels}/255"
    return decimal


def before_eps(norm: str) -> str:
    """The name of a norm before a radius, as "L2 "; nothing for L-infinity, the usual norm."""
    return "" if norm == "linf" else f"{BALLS[norm].title} "


def within(eps: float, norm: str) -> str:
    """A ball, as "eps 8/255" or "L2 eps 0.5"."""
    return f"{before_eps(norm)}eps {radius(eps)}"


def plural(number: int, name: str) -> str:
    """A number with a noun, as "1 run" or "2,000 runs"."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def source(records: Sequence[Record]) -> str:
    """Network, images, restarts, seeds and devices of an experiment, as a sentence."""
    first = records[0]
    restarts = sorted({r.restarts for r in records if not r.attack.reads("budget")})
    runs = f"{' or '.join(map(str, restarts))} restart{'s' if restarts[-1:] > [1] else ''}, "
    seeds = sorted({record.seed for record in records})
    devices = dict.fromkeys(device for r in records for device in r.device.split(" and "))
    return (
        f"Accuracy in % (lower is a stronger attack) of {first.target} "
        f"({first.weights} weights), clean {100 * first.clean_accuracy:.2f}; "
        f"{first.data}, {first.images:,} images, "
        f"{runs if restarts else ''}"
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}, "
        f"{' and '.join(devices)}."
    )


def notes(results: "ResultSet") -> list[str]:
    texts = (source(results.records), commits(results.records), verdict(results))
    return [text for text in texts if text]


def tests(results: "ResultSet") -> str:
    return f"{TESTS} {PAPER_TESTS}" if any(pair.paper for pair in results.compared) else TESTS


def commits(records: Sequence[Record]) -> str:
    """Commits of the runs; empty for a single commit."""
    runs = Counter(
        commit[:7] + ("-dirty" if commit.endswith("-dirty") else "")
        for record in records
        for commit in str(record.git_commit).split(" and ")
    )
    if len(runs) < 2:
        return ""
    shares = [f"{commit} ({plural(count, 'run')})" for commit, count in runs.most_common()]
    return f"The runs were computed with several commits of the code: {', '.join(shares)}."


def verdict(results: "ResultSet") -> str:
    """How often DAA is stronger than PGD, as a sentence; empty without a comparison."""
    pairs = results.compared
    if not pairs:
        return ""
    count = Counter(pair.outcome for pair in pairs)
    weaker = [pair.daa.run for pair in pairs if pair.outcome == "weaker"]
    names = f" ({', '.join(weaker)})" if weaker else ""
    return (
        f"DAA is stronger than PGD in {count['stronger']} of {plural(len(pairs), 'comparison')} "
        f"(p < 0.05 after Holm's correction), weaker in {len(weaker)}{names}; no significant "
        f"difference in {count['no difference']}."
    )
