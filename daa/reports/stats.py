"""Confidence intervals and tests for accuracies under attack."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats


class TTest(NamedTuple):
    """Student's t and the two-sided p; None without variation between the restarts."""

    t: float | None = None
    p: float | None = None


def interval(right: int, images: int) -> tuple[float, float]:
    """Exact 95 % confidence interval of an accuracy, in [0, 1], from correctly classified images.

    Source: Clopper and Pearson 1934.
    """
    bounds = stats.binomtest(right, images).proportion_ci(0.95, method="exact")
    return float(bounds.low), float(bounds.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact test of equally many broken images.

    Source: McNemar 1947, with the binomial distribution instead of the approximation.
    """
    differing = only_first + only_second
    return float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction for several tests, valid for any dependence between them.

    The k-th smallest of n p-values is multiplied by n - k + 1; the results are made monotonic and
    clipped to 1. The probability of any false rejection at level a is then at most a.

    Source: Holm 1979.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, k in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[k]))
        corrected[k] = largest
    return corrected


def ttest(first: Sequence[float], second: Sequence[float], *, paired: bool) -> TTest:
    """Student's two-sided t-test of the accuracies of two attacks over restarts.

    t is positive if the accuracies of `first` are higher. A paired test (AAAI version of the
    paper) tests the differences between restarts of the same number, an unpaired test (arXiv
    version) two independent samples.
    """
    test = stats.ttest_rel if paired else stats.ttest_ind
    with warnings.catch_warnings():
        # SciPy warns about restarts without variation; t is not finite then.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = test(first, second)
    t, p = float(result.statistic), float(result.pvalue)
    return TTest(t, p) if math.isfinite(t) else TTest()
