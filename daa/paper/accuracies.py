"""An accuracy beside the paper's: its interval, and what that says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from daa.reports import stats

Word = Literal[
    "reproduced",
    "reproduced in part",
    "same sign",
    "stronger here",
    "weaker here",
    "opposite here",
    "no difference found",
    "undecided yet",
    "no verdict",
    "not run",
]


class Accuracy(NamedTuple):
    """An accuracy in percent, and all that may be meant by it.

    Args:
        value: found here.
        low, high: interval over the images.
        least, most: over single runs, where it is their mean; else the value.
    """

    value: float
    low: float
    high: float
    least: float
    most: float

    def judge(self, paper: float, complete: bool) -> tuple[Word, str]:
        """The verdict on the paper's value; further restarts can only lower an incomplete one."""
        if self.high < paper and self.most < paper:
            return "stronger here", "the paper's value lies above the interval"
        if not complete:
            return "undecided yet", "restarts are missing"
        if self.low <= paper <= self.high:
            return "reproduced", "the paper's value lies in the interval"
        if self.least <= paper <= self.most:
            return "reproduced", "the paper's value lies within the spread of single runs"
        return "weaker here", "the paper's value lies below the interval"


def interval(percent: float, images: int, runs: Sequence[float] = ()) -> Accuracy:
    """An accuracy with its 95 % interval.

    Args:
        percent: the accuracy, or the mean of single runs.
        images: that it was measured on.
        runs: accuracies in percent of the single runs.
    """
    low, high = stats.interval(round(percent * images / 100), images)
    runs = runs or [percent]
    return Accuracy(percent, 100 * low, 100 * high, min(runs), max(runs))
