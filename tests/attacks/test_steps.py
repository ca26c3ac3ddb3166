from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf

from daa.attacks import ball, steps

EPS = 0.1


def batch(m=6, seed=0, shape=(4, 4, 1)):
    rng = np.random.default_rng(seed)
    x = rng.random((m, *shape)).astype(np.float32)
    return x, rng.standard_normal(x.shape).astype(np.float32)


def geometric(k, x, v, **lengths):
    return steps.geometric(x, v, tf.constant(k), tf.constant(5), eps=0.5, **lengths)


@pytest.mark.parametrize(
    ("step", "length"),
    [
        (lambda x, v: steps.fixed(x, v, step_size=0.02), 0.02),
        (lambda x, v: steps.whole(x, v, eps=EPS), EPS),
        (lambda x, v: steps.rest(x, v, eps=EPS), EPS),
        (lambda x, v: steps.rest(x, v, eps=EPS, rand_fgsm="tramer"), EPS / 2),
        (lambda x, v: steps.even(x, v, tf.constant(5), eps=EPS), EPS / 5),
        (partial(geometric, 0), 0.35),
        (partial(geometric, 4), 0.005),
        *(
            (partial(geometric, k, first_step=0.8, last_step=0.05), length)
            for k, length in enumerate([0.4, 0.2, 0.1, 0.05, 0.025])
        ),
    ],
)
def test_lengths_along_the_signs(step, length):
    x, v = batch()
    moved = step(tf.constant(x), tf.constant(v)) - x
    np.testing.assert_allclose(moved, length * np.sign(v), atol=2e-7)


class Croce:
    """Algorithm 1 of Croce and Hein for one image, fed with its losses and gradients."""

    def __init__(self, x, steps, rho):
        self.lower, self.upper = (bound[0] for bound in ball.bounds(x[None], EPS))
        self.steps, self.rho, self.length = steps, rho, 2 * EPS
        self.before, self.history, self.best = x, [], None
        self.checkpoint, self.period = 0, max(int(0.22 * steps), 1)
        self.at_check, self.halved = None, True

    def __call__(self, x, v, loss):
        k = len(self.history)
        self.history.append(loss)
        if self.best is None or loss > self.best[0]:
            self.best = (loss, x, v)
        if k == 0:
            self.at_check = loss
        elif k - self.checkpoint == self.period:
            since = self.history[self.checkpoint :]
            rises = sum(b > a for a, b in pairwise(since))
            seldom = rises <= self.rho * self.period
            stuck = not self.halved and self.at_check == self.best[0]
            self.halved, self.at_check = seldom or stuck, self.best[0]
            if self.halved:
                self.length /= 2
                x, v = self.best[1:]
            self.checkpoint = k
            least, less = max(int(0.06 * self.steps), 1), max(int(0.03 * self.steps), 1)
            self.period = max(self.period - less, least)
        straight = np.clip(x + self.length * np.sign(v), self.lower, self.upper)
        share = 0.75 if k else 1.0
        moved = x + share * (straight - x) + (1 - share) * (x - self.before)
        self.before = x
        return moved


@pytest.mark.parametrize("rising", [0.5, 0.8, 0.97])
@pytest.mark.parametrize("rho", [0.75, 0.4])
def test_halving_is_croce_and_heins_algorithm_whatever_the_losses_are(rising, rho):
    m, count = 60, 70
    x, _ = batch(m)
    lower, upper = ball.bounds(x, EPS)
    rng = np.random.default_rng(1)
    # Losses that rise in a share of the steps, and fall back now and then.
    ups = np.where(rng.random((count, m)) < rising, 1.0, -3.0) * rng.random((count, m))
    losses = np.cumsum(ups, axis=0).astype(np.float32)
    oracles = [Croce(image, count, rho) for image in x]
    memory = {name: first(x) for name, first in steps.halving.initial.items()}
    adv = x
    for k in range(count):
        _, v = batch(m, seed=100 + k)
        expected = [o(a, g, loss) for o, a, g, loss in zip(oracles, adv, v, losses[k], strict=True)]
        moved, memory = steps.halving(
            *map(tf.constant, (adv, v, losses[k])),
            (lower, upper),
            *map(tf.constant, (k, count)),
            memory,
            eps=EPS,
            rho=rho,
        )
        np.testing.assert_allclose(moved, expected, atol=1e-6, err_msg=str(k))
        np.testing.assert_allclose(memory["length"], [o.length for o in oracles], rtol=1e-5)
        adv = np.clip(moved, lower, upper)
    assert len({o.length for o in oracles}) > 1


def searched(k, count, losses, noise, memory, x, lower, upper):
    arguments = map(tf.constant, (k, count, noise))
    limits = tf.constant(lower), tf.constant(upper)
    return steps.squares(tf.constant(x), tf.constant(losses), limits, *arguments, memory, side=0.8)


@pytest.mark.parametrize(
    ("k", "share"), [(0, 1), (1, 1), (3, 2), (30, 8), (150, 32), (500, 128), (950, 512)]
)
def test_squares_become_smaller_on_schedule(k, share):
    """Of 1,000 steps; the area is halved after parts of them."""
    x, _ = batch(60, shape=(20, 30, 2))
    lower, upper = ball.bounds(x, EPS)
    memory = {name: first(x) for name, first in steps.squares.initial.items()}
    noise = np.random.default_rng(k).random((60, 4), dtype=np.float32)
    moved, _ = searched(k, 1000, np.zeros(60, "f4"), noise, memory, x, lower, upper)
    changed = (np.asarray(moved) != x).any(axis=-1)
    length = min(max(round(np.sqrt(0.8 / share * 600)), 1), 19)
    rows, columns = changed.any(axis=2), changed.any(axis=1)
    assert (rows.sum(axis=1) == length).all()
    assert (columns.sum(axis=1) == length).all()
    np.testing.assert_array_equal(changed, rows[:, :, None] & columns[:, None, :])
    # They lie anywhere, up to both ends, and rows and columns are drawn apart.
    assert rows[:, 0].any()
    assert rows[:, -1].any()
    assert columns[:, -1].any() or length < 4
    first = rows.argmax(axis=1), columns.argmax(axis=1)
    assert (first[0] != first[1]).any()
    # Each channel goes to an end of the ball of its own.
    ends = np.where(noise[:, None, None, 2:] < 0.5, lower, upper)
    np.testing.assert_array_equal(np.asarray(moved)[changed], ends[changed])


def test_a_square_that_does_not_help_is_taken_back():
    x, _ = batch(3)
    lower, upper = ball.bounds(x, EPS)
    memory = {name: first(x) for name, first in steps.squares.initial.items()}
    noise = np.full((3, 3), 0.3, np.float32)
    adv = x + np.float32(0.01)
    _, memory = searched(0, 9, np.array([1, 1, 1], "f4"), noise, memory, x, lower, upper)
    _, memory = searched(1, 9, np.array([2, 1, 0], "f4"), noise, memory, adv, lower, upper)
    np.testing.assert_array_equal(memory["kept"], np.stack([adv[0], x[1], x[2]]))
    np.testing.assert_array_equal(memory["highest"], [2, 1, 1])
    moved, _ = searched(2, 9, np.array([0, 0, 0], "f4"), noise, memory, 0 * x, lower, upper)
    still = (np.asarray(moved) == np.asarray(memory["kept"])).mean()
    assert 0 < still < 1
