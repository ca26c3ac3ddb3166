"""Confidence intervals and tests for accuracies under attack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from scipy import stats


def interval(right: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of an accuracy.

    Args:
        right: images classified rightly.
        images: of how many.
        level: confidence level.

    Returns:
        lower, upper, in [0, 1].
    """
    found = stats.binomtest(right, images).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of two attacks breaking equally many images, from those that differ.

    Args:
        only_first: images that the first attack alone breaks.
        only_second: images that the second alone breaks.

    Returns:
        p; 1 where both break the same images.

    Source: McNemar 1947, with the binomial distribution instead of its approximation.
    """
    differing = only_first + only_second
    return float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0


def unpaired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Student's t and two-sided p over independent restarts; needs two restarts each.

    Not a number where no restart differs from another.

    Source: the arXiv version's test of PGD against DAA.
    """
    return _test(stats.ttest_ind, first, second)


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Paired t and two-sided p over restarts with the same starts; otherwise as `unpaired`.

    Source: the AAAI version's test.
    """
    return _test(stats.ttest_rel, first, second)


def _test(test: Callable, first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # restarts that do not differ
        found = test(first, second)
    return float(found.statistic), float(found.pvalue)
