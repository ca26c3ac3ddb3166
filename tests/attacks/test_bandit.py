import numpy as np
import pytest

from daa import AttackConfig
from daa.attacks.bandit import AdaptiveSettings, Model, choose, expected, features, make_arms

SETTINGS = AdaptiveSettings()


@pytest.mark.parametrize("lengths", [None, (0.5, 0.1)])
def test_arms_attack_with_the_settings_of_the_config(lengths):
    base = AttackConfig("adaptive", eps=0.2, clip_range=False, precision="bfloat16")
    arms = make_arms(base, batch=50, margin=3.2, settings=SETTINGS)
    assert [arm.options["method"] for arm in arms] == ["blob", "multitargeted", "apgd", "square"]
    for arm in arms:
        config = arm.config(base, 10, lengths)
        assert (config.eps, config.clip_range, config.precision) == (0.2, False, "bfloat16")
        scale = 0.625 if config.method == "apgd" else 2.5
        assert (config.batch_size, config.keep, config.scale) == (50, "best", scale)
        assert config.steps == (20 if config.method == "square" else 10)
        if arm.lengths is not None:
            assert (config.first_step, config.last_step) == (lengths or arm.lengths)


def test_features_describe_an_image_and_its_earlier_attacks():
    rows = features(np.array([4.0, 0.25]), np.array([0, 25]), np.array([0, 2]), 40)
    log2 = np.log(2)
    np.testing.assert_allclose(rows, [[1, 2, 0, 1, log2, 1], [1, 0.5, log2, 0, log2, 0]])


def outcomes(rng, arm, coefficients, n=4000):
    """Attacks of an arm with these true coefficients of 1 and sqrt(margin)."""
    rows = features(rng.random(n), np.full(n, 10.0), np.ones(n), 20)
    p = 1 / (1 + np.exp(-rows[:, :2] @ coefficients))
    return arm, rows, rng.random(n) < p


def test_the_model_learns_the_coefficients_of_each_arm():
    rng, model = np.random.default_rng(0), Model(SETTINGS)
    truth = {0: np.array([1.0, -6.0]), 2: np.array([-2.0, -1.0])}
    model.update([outcomes(rng, arm, true) for arm, true in truth.items()], 1.0)
    margin = np.array([0.01, 0.25, 0.81])
    options = [(arm, 20) for arm in truth]
    found = model.probabilities(options, margin, np.full(3, 10.0), np.ones((4, 3)))
    for p, true in zip(found, truth.values(), strict=True):
        expected = 1 / (1 + np.exp(-true[0] - true[1] * np.sqrt(margin)))
        np.testing.assert_allclose(p, expected, atol=0.05)


def test_the_mode_is_the_maximum_of_the_posterior():
    rng, model = np.random.default_rng(1), Model(SETTINGS)
    for fade in (1.0, 0.5):
        model.update([outcomes(rng, 1, np.array([0.0, -4.0]), 200)], fade)
    assert model.weights.tolist() == [0.5] * 200 + [1.0] * 200

    def log_posterior(mode):
        z = model.rows @ mode
        likelihood = model.weights @ (model.broken * z - np.logaddexp(0, z))
        return likelihood - 0.5 * model.precision @ (mode - model.prior) ** 2

    best = log_posterior(model.mode)
    for k in range(len(model.mode)):
        for change in (-0.01, 0.01):
            assert log_posterior(model.mode + change * (np.arange(len(model.mode)) == k)) < best


def test_old_outcomes_are_forgotten_and_uncertainty_raises_rare_events():
    rng, model = np.random.default_rng(2), Model(SETTINGS)

    def predicted():
        p = model.probabilities([(0, 20)], np.ones(1), np.full(1, 5.0), np.zeros((4, 1)), 0.25)
        return float(p[0, 0])

    before = predicted()
    logit = features(np.ones(1), np.full(1, 5.0), np.zeros(1), 20) @ model.prior[:6]
    assert before > 3 / (1 + np.exp(-logit[0]))
    model.update([outcomes(rng, 0, np.array([-2.0, -8.0]))], 1.0)
    assert predicted() < 0.1 * before
    for _ in range(6):
        model.update([], 0.5)
    assert len(model.rows) == 0
    assert predicted() == pytest.approx(before)


def test_a_round_holds_the_minibatches_of_the_largest_mean_value():
    values = np.array([[9.0, 8.0, 1.0, 0.0, 0.0], [5.0, 5.0, 5.0, 5.0, 4.0]])
    costs = np.array([10.0, 20.0])

    def chosen(count, money=1e9):
        rows = choose(values, costs, 2, count, money)
        return {option: own.tolist() for option, own in rows.items()}

    assert chosen(1) == chosen(2) == {0: [0, 1]}
    assert chosen(3) == {0: [0, 1], 1: [2, 3]}
    assert chosen(99) == {0: [0, 1], 1: [2, 3, 4]}  # the last minibatch is smaller
    assert chosen(3, money=59.9) == {0: [0, 1, 2, 3]}
    assert chosen(3, money=20.0) == {0: [0, 1]}
    assert chosen(3, money=19.9) == {}


def test_the_expected_number_of_broken_images_grows_with_the_gradients_and_is_that_of_the_model():
    rng, model = np.random.default_rng(3), Model(SETTINGS)
    model.update([outcomes(rng, arm, np.array([-1.0, -4.0])) for arm in range(3)], 1.0)
    margin, spent, tries = rng.random(200), np.full(200, 10.0), np.ones((4, 200))
    options, costs = [(0, 20)], np.array([22.5])
    p = model.probabilities(options, margin, spent, tries)[0]
    few, once, more = (
        expected(model, options, costs, margin, spent, tries, 22.5 * images)
        for images in (10, 200, 2000)
    )
    assert few == pytest.approx(np.sort(p)[-10:].sum())
    assert few < once < more < 200
    assert once == pytest.approx(p.sum(), rel=0.2)  # some images are attacked twice
    assert few < expected(model, options, costs, margin, spent, tries, 1e12) < 200  # in no time
    assert expected(model, options, costs, margin[:0], spent[:0], tries[:, :0], 1e4) == 0
    # The best attack counts even if it costs more than the gradients that are left.
    less = expected(model, options, costs, margin[:1], spent[:1], tries[:, :1], 22.0)
    assert less == pytest.approx(p[0])
