"""How reports write lengths and text."""

import pytest

from daa.experiments import tabular, wording


@pytest.mark.parametrize(
    ("eps", "text"),
    [(0.3, "0.3"), (8 / 255, "8/255"), (0.123456, "0.1235"), (1, "1"), (51 / 255, "0.2")],
)
def test_a_radius_is_in_pixel_values_only_where_it_is_one(eps, text):
    assert wording.radius(eps) == text


def test_latex_is_escaped():
    lines = tabular.latex(["a & b", "5 %"], [["x_1 & y", "1"]])
    assert r"a \& b & 5 \% \\" in lines
    assert r"x\_1 \& y & 1 \\" in lines
