import numpy as np
import pytest
import tensorflow as tf

from daa import InputError
from daa.attacks import ball_l2

SHAPES = [(4, 4, 1), (32, 32, 3), (28, 28, 1), (50,), (6, 5, 4, 2)]


def draw(shape, n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, *shape), dtype=np.float32)
    x[:4], x[4:8] = 0, 1
    return x, x + rng.standard_normal(x.shape, dtype=np.float32)


def norms(change):
    return np.sqrt((change.astype(np.float64) ** 2).reshape(len(change), -1).sum(axis=1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [0.5, 2.0, 8 / 255, 1e-3])
def test_images_pass_the_exact_check_on_the_sphere(shape, eps):
    x, far = draw(shape)
    for clip_range in (True, False):
        adv = ball_l2.inside(far, x, eps, clip_range=clip_range)
        ball_l2.check(adv, x, eps, clip_range=clip_range)
        clipped = np.clip(far, 0, 1) if clip_range else far
        reach = np.minimum(norms(clipped - x), eps)
        np.testing.assert_allclose(norms(adv - x), reach, rtol=1e-6 + 2e-6 / eps)
        np.testing.assert_array_equal(ball_l2.inside(adv, x, eps, clip_range=clip_range), adv)
        limits = ball_l2.bounds(x, eps, clip_range=clip_range)
        np.testing.assert_allclose(ball_l2.project(far, *limits), adv, atol=1e-6)


def test_check_names_the_image():
    x = np.full((3, 2, 2, 1), 0.5, np.float32)
    adv = x.copy()
    adv[2] += np.float32(0.16)
    ball_l2.check(adv, x, 0.33)
    with pytest.raises(InputError, match=r"adv: image 2: expected \|adv - x\|_2 <= eps=0.3, got"):
        ball_l2.check(adv, x, 0.3)
    with pytest.raises(InputError, match=r"image 0: expected 0 <= adv <= 1, got \[1\.1"):
        ball_l2.check(x + np.float32(0.6), x, 2)
    with pytest.raises(InputError, match="got nan"):
        ball_l2.check(x * np.nan, x, 2)


def test_the_steepest_step_has_length_one_whatever_the_length_of_the_gradient():
    _, v = draw((4, 4, 1))
    for factor in (1.0, 1e-30, 1e30):
        step = ball_l2.steepest(tf.constant(np.float32(factor) * v)).numpy()
        np.testing.assert_allclose(norms(step), 1, rtol=1e-6)
        np.testing.assert_allclose((step * v).reshape(len(v), -1).sum(axis=1), norms(v), rtol=1e-5)
    assert not ball_l2.steepest(tf.zeros([2, 4, 4, 1])).numpy().any()


def test_the_uniform_start_fills_the_ball():
    noise = ball_l2.uniform(np.random.default_rng(0), (4000, 3, 1, 1), 2.0)
    share = (norms(noise) / 2) ** 3  # U(0, 1)
    assert share.max() <= 1
    np.testing.assert_allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.05)
    corner = ball_l2.corner(np.sign(noise), 2.0)
    np.testing.assert_allclose(norms(corner), 2, rtol=1e-6)


def bump(rows, columns):
    """`pseudo_gaussian_pert_rectangles` of the code of Square."""
    delta = np.zeros((rows, columns))
    r, c = rows // 2, columns // 2
    for k in range(max(rows, columns) // 2 + 1):
        delta[max(r - k, 0) : r + k + 1, max(c - k, 0) : c + k + 1] += 1 / (k + 1) ** 2
    return delta / np.sqrt((delta**2).sum())


@pytest.mark.parametrize("length", [3, 4, 7])
def test_random_search_is_algorithm_3(length):
    eps, (height, width, channels) = 0.7, (12, 10, 2)
    x, far = draw((height, width, channels), n=8)
    best = ball_l2.inside(far, x, 0.8 * eps)
    rng = np.random.default_rng(1)
    noise = rng.random((8, ball_l2.noise_size(x.shape)), dtype=np.float32)
    limits = ball_l2.bounds(x, eps)
    moved = ball_l2.resample(
        tf.constant(best), tf.constant(length), tf.constant(noise), tuple(map(tf.constant, limits))
    )
    side = length // 2 * 2 + 1
    for i in range(8):
        corners = np.floor(noise[i, :4] * (np.array(2 * [height, width]) - side + 1)).astype(int)
        here, there = (
            (slice(r, r + side), slice(c, c + side)) for r, c in (corners[:2], corners[2:])
        )
        delta = (best[i] - x[i]).astype(np.float64)
        old, both = delta[here].copy(), np.zeros((height, width, 1))
        both[here] = both[there] = 1
        form = np.concatenate([bump(side // 2, side), -bump(side - side // 2, side)]) / np.sqrt(2)
        form = form if noise[i, 4] < 0.5 else form.T
        new = form[..., None] * np.where(noise[i, 5:] < 0.5, -1, 1)
        new = new + old / np.sqrt((old**2).sum(axis=(0, 1)))
        spare = (eps**2 - (delta**2).sum()) / channels + ((both * delta) ** 2).sum(axis=(0, 1))
        new *= np.sqrt(spare / (new**2).sum(axis=(0, 1)))
        delta[there] = 0
        delta[here] = new
        np.testing.assert_allclose((moved[i] - x[i]), delta, atol=1e-5)
        np.testing.assert_allclose(norms(delta[None]), eps, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (7,), (5, 5, 5, 2)])
def test_random_search_on_any_shape(shape):
    x, _ = draw(shape)
    noise = np.random.default_rng(0).random((40, ball_l2.noise_size(x.shape)), dtype=np.float32)
    limits = tuple(map(tf.constant, ball_l2.bounds(x, 0.3)))
    moved = ball_l2.resample(tf.constant(x), tf.constant(2), tf.constant(noise), limits)
    np.testing.assert_allclose(norms(moved.numpy() - x), 0.3, rtol=1e-4)
