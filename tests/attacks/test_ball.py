import numpy as np
import pytest

from daa import InputError
from daa.attacks import ball


@pytest.mark.parametrize("eps", [0.3, 0.1, 8 / 255, 16 / 255, 2 / 255, 1e-3])
def test_bounds_are_the_tightest_that_pass_the_exact_check(eps):
    x = np.random.default_rng(0).random((50, 8, 8, 1)).astype(np.float32)
    x[0] = 0
    x[1] = 1
    for clip_range in (True, False):
        lower, upper = ball.bounds(x, eps, clip_range=clip_range)
        ball.check(lower, x, eps, clip_range=clip_range)
        ball.check(upper, x, eps, clip_range=clip_range)
    wider = np.nextafter(upper, np.float32(2))
    assert (wider.astype(np.float64) - x > eps).all()
    assert (x - np.nextafter(lower, np.float32(-2)).astype(np.float64) > eps).all()


def test_check_names_image_and_pixel():
    x = np.full((3, 2, 2, 1), 0.5, np.float32)
    adv = x.copy()
    adv[2, 1, 0, 0] = np.nextafter(np.float32(0.8), np.float32(1))
    with pytest.raises(InputError, match=r"image 2, pixel \(1, 0, 0\): expected \|adv - x\|"):
        ball.check(adv, x, 0.3)


def test_check_refuses_what_leaves_the_range_or_is_no_number():
    x = np.zeros((1, 2, 2, 1), np.float32)
    for outside, clean in ((x - np.float32(0.1), x), (x + np.float32(1.1), x + np.float32(1))):
        with pytest.raises(InputError, match="0 <= adv <= 1"):
            ball.check(outside, clean, 0.3)
        ball.check(outside, clean, 0.3, clip_range=False)
    with pytest.raises(InputError, match="got nan"):
        ball.check(x * np.nan, x, 0.3)
