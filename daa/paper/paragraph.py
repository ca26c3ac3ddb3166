"""The paragraph that can be quoted, and what the verdicts mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from daa.paper import claims as numbers
from daa.paper.accuracies import Word
from daa.paper.columns import Line
from daa.paper.networks import Known

# What the verdicts mean, below the table.
LEGEND = (
    "Lower accuracy is a stronger attack. An accuracy is reproduced when all restarts that "
    "the paper took are done and its value lies in the 95 % interval (Clopper and Pearson, "
    "over the images: 0.5 to 1 point to either side on 10,000) or, for a single run, within "
    "the spread of the runs. So it says that both values may be equal, not that they are. "
    "Stronger or weaker here says that the paper's value lies above or below.",
    "Orders are judged by McNemar's exact test on the images that only one attack breaks, "
    "after Holm's correction for each table; the t-tests of the texts by their sign. An order "
    "printed as equal is never reproduced: no test shows it. Where DAA is said to lie lowest "
    "everywhere, the lowest DAA and the lowest other attack are tested at each radius with "
    "each loss (on the provable network also without clipping to [0, 1]): reproduced means "
    "stronger at one at least, weaker at none and with no higher mean; in part, that some "
    "means are higher; weaker here, that it is stronger at some and weaker at some. On a "
    "network that stands in, orders are judged on its own number of images and restarts.",
    "Restarts are those done, of those that the paper took where it says so. Rand+FGSM, which "
    "the texts don't define, is one step of eps from a uniform start.",
)
# How the words of verdicts stand behind a number.
_PHRASES: dict[Word, str] = {
    "reproduced": "reproduced",
    "reproduced in part": "reproduced in part",
    "same sign": "of the same sign",
    "stronger here": "with a stronger attack here",
    "weaker here": "with a weaker attack here",
    "opposite here": "the other way round here",
    "no difference found": "without a difference that the tests find",
    "undecided yet": "undecided yet",
    "no verdict": "without a verdict",
    "not run": "not run",
}


def summary(
    lines: Sequence[Line], networks: Sequence[Known], strangers: Sequence[str], progress: str
) -> str:
    """One paragraph that can be quoted.

    Args:
        lines: of the report.
        networks: what is known about those that were attacked.
        strangers: those that failed the checks.
        progress: how much is done, a sentence.
    """
    if networks and all(known.weights == "own" for known in networks):
        return (
            "A rehearsal: the networks have random weights, so no number here means anything. It "
            f"went through {plural(len(lines), 'row')} of the report."
        )
    stand_ins = sorted(
        {x.task.experiment.target for x in lines if x.task.stand_in and x.verdict.record}
    )
    asked = dict.fromkeys(line.task.entry.part for line in lines)
    on = "" if [*asked] == numbers.parts() else f" on {', '.join(asked)}"
    orders = [line for line in lines if line.verdict.number.kind in numbers.ORDERS]
    tests = [line for line in lines if line.verdict.number.kind in numbers.TESTS]
    others = {*numbers.ORDERS, *numbers.TESTS}
    values = [line for line in lines if line.verdict.number.kind not in others]
    parts = [
        f"Of {len(values)} accuracies and counts that the two versions of the paper print{on}, "
        f"{_count(values)}."
    ]
    if tests:
        parts.append(f"Of {plural(len(tests), 'value')} of their t-tests, {_count(tests)}.")
    for own, where in ((True, "the paper's networks"), (False, "networks that stand in")):
        if some := [line for line in orders if line.task.stand_in != own]:
            parts.append(f"Of {plural(len(some), 'order')} of attacks on {where}, {_count(some)}.")
    if strangers:
        parts.append(f"{', '.join(strangers)} failed the checks, so nothing is judged there.")
    if stand_ins:
        parts.append(
            f"{', '.join(stand_ins)} stood in for networks whose weights are missing: what was "
            "measured on them is no value of the paper's, and only orders are judged there."
        )
    parts.append(progress)
    hashes = [f"{known.target} {str(known.weights_sha256)[:8]}" for known in networks]
    if hashes:
        parts.append(f"Weights (sha256): {', '.join(hashes)}.")
    return " ".join(parts)


def _count(found: Sequence[Line]) -> str:
    counts = Counter(line.verdict.word for line in found)
    shares = [f"{counts[word]} {_PHRASES[word]}" for word in get_args(Word) if counts[word]]
    return ", ".join(shares) or "none was looked at"


def plural(number: int, name: str) -> str:
    """A number with its noun."""
    return f"{number:,} {name}" + ("" if number == 1 else "s")
