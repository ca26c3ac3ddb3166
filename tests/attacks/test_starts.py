from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from daa.attacks import ball, ball_l2, starts

TRAMER = partial(starts.rand_fgsm, rand_fgsm="tramer")


@pytest.fixture
def x():
    return np.random.default_rng(0).random((20, 8, 8, 1)).astype(np.float32)


def test_the_uniform_start_fills_the_ball(x):
    start = starts.uniform(x, np.random.default_rng(1), eps=0.2)
    assert 0.199 < np.abs(start - x).max() <= 0.2001
    assert abs((start - x).mean()) < 0.02


def test_corners_and_stripes_have_both_signs(x):
    for start in (starts.signs, starts.stripes):
        moved = start(x, np.random.default_rng(0), eps=0.25) - x
        np.testing.assert_allclose(np.abs(moved), 0.25, atol=1e-6)
        assert 0.35 < (moved > 0).mean() < 0.65
    stripes = np.sign(starts.stripes(x, np.random.default_rng(0), eps=0.25) - x)
    assert (np.ptp(stripes, axis=1) == 0).all()
    assert (np.ptp(stripes, axis=2) != 0).any()
    corners = np.sign(starts.signs(x, np.random.default_rng(0), eps=0.25) - x)
    assert (np.ptp(corners, axis=1) != 0).mean() > 0.9


def test_both_starts_of_rand_fgsm(x):
    tramer = TRAMER(x, np.random.default_rng(0), eps=0.2)
    np.testing.assert_allclose(np.abs(tramer - x), 0.1, atol=1e-6)
    uniform = starts.rand_fgsm(x, np.random.default_rng(0), eps=0.2)
    np.testing.assert_array_equal(uniform, starts.uniform(x, np.random.default_rng(0), eps=0.2))


@pytest.mark.parametrize("start", [starts.uniform, starts.rand_fgsm, TRAMER])
def test_a_start_is_clipped_only_if_asked(x, start):
    plain, clipped, free = (
        start(x, np.random.default_rng(1), eps=0.4, **options)
        for options in ({}, {"clip_start": True}, {"clip_start": True, "clip_range": False})
    )
    assert plain.min() < 0  # as in the released scripts
    np.testing.assert_array_equal(clipped, np.clip(plain, 0, 1))
    np.testing.assert_array_equal(free, plain)


def test_output_diversified_steps_follow_one_random_direction_of_the_logits(monkeypatch, x):
    seen = []

    def gradient(target, start, w):
        seen.append((start.copy(), w.copy()))
        return np.ones_like(start)

    monkeypatch.setattr(starts, "logits_gradient", gradient)
    nine = SimpleNamespace(classes=9)
    start = starts.odi(x, np.random.default_rng(0), nine, eps=0.2, odi_steps=3, odi_step=0.25)
    assert len(seen) == 3
    w = seen[0][1]
    assert w.shape == (20, 9)
    assert w.min() < -0.9 < 0.9 < w.max()
    assert all((later == w).all() for _, later in seen)
    noise = seen[0][0] - x
    assert noise.min() < -0.1 < 0.1 < noise.max()
    lower, upper = ball.bounds(x, 0.2)
    for (before, _), after in zip(seen, [s for s, _ in seen[1:]] + [start], strict=True):
        np.testing.assert_allclose(after, np.clip(before + 0.05, lower, upper), atol=1e-6)
    free = starts.odi(x, np.random.default_rng(0), nine, eps=0.2, clip_range=False)
    np.testing.assert_allclose(free, x + 0.2, atol=1e-6)  # beyond the range of pixels
    seen.clear()
    options = {"eps": 0.2, "odi_steps": 1, "odi_step": 0.25}
    start = starts.odi(x, np.random.default_rng(0), nine, ball_l2, **options)
    step = 0.05 / 8  # of each of 64 pixels
    np.testing.assert_allclose(start, ball_l2.inside(seen[0][0] + step, x, 0.2), atol=1e-6)


def test_pixels_are_kicked_to_the_ends_of_the_ball_around_the_natural_image(x):
    best = x + np.float32(0.03)
    start = starts.pixels(x, best, np.random.default_rng(0), eps=0.25, kicked=0.2)
    moved = start != best
    assert 0.17 < moved.mean() < 0.23
    np.testing.assert_allclose(np.abs(start - x)[moved], 0.25, atol=1e-6)
    assert 0.4 < (start > x)[moved].mean() < 0.6


def test_a_transfer_is_from_one_of_the_nearest_of_the_class_at_random():
    rng = np.random.default_rng(0)
    number = np.arange(40, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 4, 1), "f4")
    donors, labels, perturbations = number / 39, np.arange(40) % 2, 0.001 * number
    x = np.zeros((60, 4, 4, 1), np.float32)
    y = np.repeat([0, 1], 30)
    start = starts.transfer(x, y, rng, donors=(donors, labels, perturbations), eps=0.1, nearest=4)
    taken = np.rint(1000 * start[:, 0, 0, 0]).astype(int)
    assert set(taken[:30]) == {0, 2, 4, 6}
    assert set(taken[30:]) == {1, 3, 5, 7}
