"""Signs that a stronger attack would find more, on networks that show them."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from daa import Target
from daa.attacks.plans import Outcome, Report
from daa.evaluation import attack_checks
from daa.evaluation.evaluate import evaluate

DATA = tiny.load_dataset("test").first(120)
NETWORK = tiny.load_target("cnn").network
EPS, WIDE = 0.15, 0.3


def found(network, eps=EPS, budget=30.0, **options):
    return set(evaluate(network, DATA, eps=eps, budget=budget, progress=False, **options).warnings)


def noticing(clock):
    """A defence that counts the steps of an attack and then turns the gradient round.

    It counts on pixels that are black in all digits. The gradient drives the first one up to its
    end, then the second one, and so on; each takes four steps of a quarter of eps.
    """
    mask = np.zeros((8, 8, 1), np.float32)
    mask[:clock, 0] = 1

    @tf.custom_gradient
    def layer(x):
        full = tf.cast(x[:, :clock, 0, 0] > 0.9 * WIDE, tf.float32)
        first = tf.ones_like(full[:, :1])
        up = 2 * tf.math.cumprod(tf.concat([first, full[:, :-1]], axis=1), axis=1) - 1
        over = tf.reduce_all(full > 0, axis=1)[:, None, None, None]

        def gradient(upstream):
            counting = tf.pad(up[:, :, None, None], [[0, 0], [0, 8 - clock], [0, 7], [0, 0]])
            return tf.where(over, -upstream, upstream) * (1 - mask) + counting * mask

        return tf.identity(x), gradient

    return lambda x: NETWORK(layer(x))


def test_more_steps_that_make_the_attack_weaker():
    assert "more-steps-weaker" in found(noticing(clock=4), WIDE)
    assert "more-steps-weaker" not in found(NETWORK, WIDE)


def test_more_steps_are_weaker_only_beyond_chance():
    broken = np.arange(60) < 30
    (finding,) = attack_checks.more_steps(broken, np.zeros(60, bool))
    assert finding.code == "more-steps-weaker"
    assert attack_checks.more_steps(broken, broken) == []
    assert attack_checks.more_steps(broken, np.ones(60, bool)) == []


def test_an_attack_that_is_still_falling():
    assert "still-falling" in found(NETWORK, budget=10.0)
    assert "still-falling" not in found(NETWORK, budget=100.0)


# Where all are broken, no larger budget breaks more.
@pytest.mark.parametrize(
    ("broken", "codes"),
    [(10, ["still-falling"]), (99, ["still-falling"]), (100, []), (0, [])],
)
def test_it_falls_by_the_outcomes_of_the_last_units(broken, codes):
    margin = np.ones((3, 100), np.float32)
    margin[2, :broken] = -1
    outcomes = tuple(Outcome(None, row, 10.0) for row in margin)
    report = Report(np.zeros((100, 8, 8, 1), np.float32), margin.min(axis=0), margin[0], outcomes)
    assert [f.code for f in attack_checks.falling(report)] == codes


def test_images_that_do_not_hold():
    """Noise decides some verdicts, so that others come out when the images are judged again."""
    codes = found(lambda x: NETWORK(x + tf.random.normal(tf.shape(x), stddev=0.2)))
    assert {"unstable-images", "random-outputs"} <= codes


def test_a_model_that_changes_after_the_attack():
    late = tf.Variable(0.0)
    target = Target("own", lambda x: NETWORK(x) * (1 - 2 * late), (8, 8, 1), 10)
    report = evaluate(target, DATA, eps=EPS, budget=30, progress=False).report
    assert list(attack_checks.unstable(target, DATA.y, report)) == []
    late.assign(1.0)
    (finding,) = attack_checks.unstable(target, DATA.y, report)
    assert finding.code == "unstable-images"
