import math

import pytest

from daa.reports import stats


def test_an_interval_equals_its_closed_form():
    low, high = stats.interval(0, 10)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))


def test_mcnemar_counts_the_images_that_differ():
    assert stats.mcnemar(0, 0) == 1
    assert stats.mcnemar(8, 0) == pytest.approx(2 / 2**8)
    assert stats.mcnemar(0, 8) == stats.mcnemar(8, 0)


def test_holms_correction_equals_an_example_by_hand():
    # In ascending order 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1; the last may not be below the one
    # before it.
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.7, 0.6]) == [1.0, 1.0]
    assert stats.holm([0.04]) == [0.04]
    assert stats.holm([]) == []


def test_t_tests_equal_known_values():
    t, p = stats.paired([1.0, 2.0, 3.0], [0.0, 1.5, 1.5])
    assert t == pytest.approx(1.0 / (0.5 / 3**0.5))
    assert 0 < p < 0.1
    t, _ = stats.unpaired([1.0, 2.0], [1.0, 2.0])
    assert t == 0


def test_restarts_that_do_not_differ_give_no_number():
    t, p = stats.paired([1.0, 1.0], [1.0, 1.0])
    assert math.isnan(t)
    assert math.isnan(p)
