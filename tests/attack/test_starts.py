import numpy as np

from daa import starts


def images():
    return np.random.default_rng(0).random((20, 8, 8, 1)).astype(np.float32)


def test_the_uniform_start_fills_the_ball():
    x = images()
    start = starts.uniform(x, np.random.default_rng(1), eps=0.2)
    assert 0.199 < np.abs(start - x).max() <= 0.2001
    assert abs((start - x).mean()) < 0.02
    assert start.min() < 0  # not clipped, as in the released scripts
    clipped = starts.uniform(x, np.random.default_rng(1), eps=0.2, clip_start=True)
    np.testing.assert_array_equal(clipped, np.clip(start, 0, 1))
    unbounded = starts.uniform(
        x, np.random.default_rng(1), eps=0.2, clip_start=True, clip_range=False
    )
    np.testing.assert_array_equal(unbounded, start)


def test_without_a_random_start_it_is_the_natural_image_itself():
    x = images()
    start = starts.uniform(x, np.random.default_rng(1), eps=0.2, random_start=False)
    np.testing.assert_array_equal(start, x)
    assert start is not x


def test_the_two_readings_of_rand_fgsm():
    x = images()
    tramer = starts.rand_fgsm(x, np.random.default_rng(1), eps=0.2, rand_fgsm="tramer")
    np.testing.assert_allclose(np.abs(tramer - x), 0.1, atol=1e-6)
    assert 0.4 < (tramer > x).mean() < 0.6
    uniform = starts.rand_fgsm(x, np.random.default_rng(1), eps=0.2)
    np.testing.assert_array_equal(uniform, starts.uniform(x, np.random.default_rng(1), eps=0.2))
