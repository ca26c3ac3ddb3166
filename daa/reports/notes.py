"""The sentences below a table: where its numbers come from, and what they show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from daa.reports.comparisons import LEVEL, compare
from daa.reports.results import Collected
from daa.reports.wording import source
from daa.runs.records import Record

_TESTS = (
    "The papers' t-tests of PGD against DAA over the restarts, two-sided; t is positive where DAA "
    "is stronger. The restarts are samples of the random numbers (starts and shuffles) alone: all "
    "of them attack the same images of the same network, so these tests say nothing about other "
    "images. McNemar's test over the images, in the table above, is the one that counts."
)
_PAPERS = (
    "The values of arXiv and AAAI are of the papers' own networks. The texts do not say for which "
    "loss they are, nor over how many restarts; here they stand beside cross-entropy."
)


def of_table(collected: Collected) -> list[str]:
    """What the reader of a table must know, one text per paragraph."""
    texts = (
        source(collected.records),
        commits(collected.records),
        natural(collected.natural),
        verdict(collected),
    )
    return [text for text in texts if text]


def of_tests(collected: Collected) -> str:
    """What the tests over restarts mean."""
    found = [one for one in compare(collected.records) if one is not None]
    return f"{_TESTS} {_PAPERS}" if any(one.papers for one in found) else _TESTS


def commits(records: Sequence[Record]) -> str:
    """Which commits of the code the runs come from, where there are several; else empty."""
    found = Counter(_short(commit) for r in records for commit in str(r.git_commit).split(" and "))
    if len(found) < 2:
        return ""
    shares = [f"{commit} ({_plural(runs, 'run')})" for commit, runs in found.most_common()]
    return f"The runs come from several commits of the code: {', '.join(shares)}."


def _short(commit: str) -> str:
    return commit[:7] + ("-dirty" if commit.endswith("-dirty") else "")


def natural(added: Mapping[str, int]) -> str:
    """Which runs were corrected for images misclassified without an attack; empty for none.

    Args:
        added: {run: number of images that its record does not count}.
    """
    if not added:
        return ""
    shares = [f"{_plural(images, 'image')} of {run}" for run, images in added.items()]
    return (
        "Counted as broken although the record leaves them out, because the network misclassifies "
        f"them without an attack: {', '.join(shares)}."
    )


def verdict(collected: Collected) -> str:
    """In how many comparisons DAA is stronger than PGD, in one sentence; empty without any."""
    found = [one for one in compare(collected.records) if one is not None]
    if not found:
        return ""
    stronger = sum(one.stronger == "DAA" for one in found)
    weaker = [one.daa.run for one in found if one.stronger == "PGD"]
    named = f" ({', '.join(weaker)})" if weaker else ""
    return (
        f"DAA is stronger than PGD in {stronger} of {_plural(len(found), 'comparison')} "
        f"(p < {LEVEL} after Holm's correction), no difference found in "
        f"{len(found) - stronger - len(weaker)}, weaker in {len(weaker)}{named}."
    )


def _plural(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("" if number == 1 else "s")
