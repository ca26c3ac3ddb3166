"""Confidence intervals and tests for accuracies under attack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from scipy import stats


def interval(right: int, images: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of an accuracy.

    Args:
        right: number of images that are classified rightly.
        images: number of all images.
        level: confidence level, in (0, 1).

    Returns:
        Lower and upper bound of the accuracy, in [0, 1].

    Source: Clopper and Pearson 1934.
    """
    found = stats.binomtest(right, images).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided test that two attacks break equally many images.

    Args:
        only_first: number of images that the first attack breaks and the second does not.
        only_second: number of images that the second attack breaks and the first does not.

    Returns:
        p; 1 where both attacks break the same images.

    Source: McNemar 1947, with the binomial distribution instead of its approximation.
    """
    differing = only_first + only_second
    return float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction for several tests, whatever the dependence between them.

    The k-th smallest of n p-values is multiplied by n - k + 1; none may fall below a smaller one's
    result, and none may exceed 1. At most a share a of all families of tests then has a p below a
    where no difference exists.

    Args:
        p: of each test.

    Returns:
        The corrected p of each test, in the order of `p`.

    Source: Holm 1979.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, k in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[k]))
        corrected[k] = largest
    return corrected


def unpaired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Student's two-sided t-test over restarts, without regard to which start belongs to which.

    Args:
        first, second: accuracy under each restart of two attacks; at least two restarts each.

    Returns:
        t and the two-sided p; not numbers where no restart differs from another.

    Source: the arXiv version's test of PGD against DAA.
    """
    return _test(stats.ttest_ind, first, second)


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Student's two-sided paired t-test over restarts that have the same starts.

    Args:
        first, second: accuracy under each restart of two attacks; equally many, at least two.

    Returns:
        t and the two-sided p; not numbers where all pairs differ by the same amount.

    Source: the AAAI version's test.
    """
    return _test(stats.ttest_rel, first, second)


def _test(test: Callable, first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    with warnings.catch_warnings():
        # SciPy warns of restarts that do not differ; the result says so, too.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = test(first, second)
    return float(found.statistic), float(found.pvalue)
