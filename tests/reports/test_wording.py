"""How reports write lengths and text."""

import pytest

from daa.reports import tabular, wording


@pytest.mark.parametrize(
    ("eps", "text"),
    [(0.3, "0.3"), (8 / 255, "8/255"), (0.123456, "0.1235"), (1, "1"), (51 / 255, "0.2")],
)
def test_a_radius_is_in_pixel_values_only_where_it_is_one(eps, text):
    assert wording.radius(eps) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(6.497e-114, "7e-114"), (9.5e-5, "0.0001"), (2.4e-7, "3e-07"), (0.04, "0.04"), (1.0, "1")],
)
def test_a_bound_is_rounded_up(p, text):
    assert wording.at_most(p) == text


def test_latex_is_escaped():
    lines = tabular.latex(["a & b", "5 %"], [["x_1 & y", "1"]])
    assert r"a \& b & 5 \% \\" in lines
    assert r"x\_1 \& y & 1 \\" in lines
