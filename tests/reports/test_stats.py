import pytest

from daa.reports import stats


def test_an_interval_equals_its_closed_form():
    assert stats.interval(0, 10) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))


def test_mcnemar_is_the_binomial_test_of_the_differing_images():
    assert stats.mcnemar(0, 0) == 1
    assert stats.mcnemar(8, 0) == stats.mcnemar(0, 8) == pytest.approx(2 / 2**8)


def test_holms_correction_equals_an_example_by_hand():
    # In ascending order 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1, then monotonic.
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.7, 0.6]) == [1.0, 1.0]
    assert stats.holm([0.04]) == [0.04]
    assert stats.holm([]) == []


def test_t_tests_equal_known_values():
    t, p = stats.ttest([1.0, 2.0, 3.0], [0.0, 1.5, 1.5], paired=True)
    assert t == pytest.approx(1.0 / (0.5 / 3**0.5))
    assert 0 < p < 0.1
    assert stats.ttest([1.0, 2.0], [1.0, 2.0], paired=False).t == 0


def test_restarts_without_variation_give_no_number():
    assert stats.ttest([1.0, 1.0], [1.0, 1.0], paired=True) == (None, None)
    assert stats.ttest([2.0, 2.0], [1.0, 1.0], paired=True) == (None, None)
