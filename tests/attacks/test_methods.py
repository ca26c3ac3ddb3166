import numpy as np
import pytest
import tensorflow as tf
from toys import config, images, linear_target

from daa import Attack, AttackConfig, InputError, Target
from daa.attacks import aims, plans, starts, steps
from daa.attacks.balls import BALLS
from daa.attacks.methods import METHODS
from daa.attacks.worst_case import margins


@pytest.fixture
def target():
    """A small smooth network whose loss is not monotone inside the ball."""
    rng = np.random.default_rng(0)
    a, b = (tf.constant(rng.standard_normal(s), tf.float32) for s in ((16, 32), (32, 4)))
    return Target("test/bumpy", lambda x: tf.sin(6 * tf.reshape(x, [-1, 16]) @ a) @ b, (4, 4, 1), 4)


@pytest.fixture
def y():
    return images(classes=4)[1]


def test_momentum_on_the_gradient_is_momentum_pgd(target, x, y):
    plain = Attack(target, config("momentum", decay=0.75))(x, y)
    np.testing.assert_array_equal(Attack(target, config("pgd", momentum=0.75))(x, y), plain)
    coupled = Attack(target, config("blob", momentum=0.75, c=0.0))(x, y)
    np.testing.assert_array_equal(coupled, plain)
    assert (Attack(target, config("blob", momentum=0.75))(x, y) != plain).any()


def test_the_best_image_on_the_way_is_kept(target, x, y):
    settings = config("pgd", step_size=0.08, random_start=False)
    path = [Attack(target, settings.replace(steps=k))(x, y) for k in range(1, 21)]
    way = [margins(target, adv, y) for adv in [x, *path]]
    best = Attack(target, settings.replace(keep="best"))(x, y)
    np.testing.assert_allclose(margins(target, best, y), np.min(way, axis=0), atol=1e-4)
    assert (way[-1] > np.min(way, axis=0) + 0.01).any()


def test_a_factor_for_the_logits_changes_what_the_cross_entropy_sees(target, x, y):
    scaled = Target("test/scaled", lambda z: 4.0 * target.network(z), (4, 4, 1), 4)
    plain = Attack(scaled, config("blob"))(x, y)
    np.testing.assert_array_equal(Attack(target, config("blob", scale=4.0))(x, y), plain)
    assert (Attack(target, config("blob"))(x, y) != plain).any()


def test_dlr_needs_enough_classes():
    target, _ = linear_target(classes=3)
    with pytest.raises(InputError, match="at least 4 classes for dlr_targeted, got 3"):
        Attack(target, AttackConfig("apgd_t"))
    Attack(target, AttackConfig("apgd", "dlr"))
    two, _ = linear_target(classes=2)
    with pytest.raises(InputError, match="at least 3 classes for dlr, got 2"):
        Attack(two, AttackConfig("apgd", "dlr"))


def test_restarts_aim_at_one_near_class_after_another():
    target, w = linear_target(classes=4)
    x, y = images(classes=4)
    logits = target(x).numpy()
    logits[np.arange(len(y)), y] = -np.inf
    order = np.argsort(-logits, axis=1)
    for restart in (0, 1, 2, 3):
        labels, sign = aims.nearest_classes(x, x[::-1], y, target, restart, None)
        assert sign == -1
        np.testing.assert_array_equal(labels, order[:, restart % 3])
    settings = config("multitargeted", random_start=False, eps=0.1)
    adv = Attack(target, settings)(x, y, restart=1)
    towards = w[:, order[:, 1]] - w[:, y]
    best = np.clip(x + 0.1 * np.sign(towards).T.reshape(x.shape), 0, 1)
    np.testing.assert_allclose(adv, best, atol=1e-6)


def test_the_corrector_looks_ahead(target, x, y):
    plain = Attack(target, config("pgd"))(x, y)
    same = Attack(target, config("pcros", share=1.0))(x, y)
    np.testing.assert_array_equal(same, plain)
    assert (Attack(target, config("pcros"))(x, y) != plain).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("start", ["signs", "stripes", "pixels", "uniform", "odi"])
def test_every_start_can_be_chosen_and_stays_in_the_ball(start, norm, target, x, y):
    options = {"norm": norm, "steps": 1, "keep": "best"}
    chosen = Attack(target, config("pgd", start=start, **options))(x, y, seed=1)
    BALLS[norm].check(chosen, x, 0.1)
    plain = Attack(target, config("pgd", **options))(x, y, seed=1)
    assert (chosen != plain).any() == (start != "uniform")


def test_random_search_never_takes_a_step_back(target, x, y):
    first = margins(target, Attack(target, config("square", steps=1))(x, y), y)
    later = [
        margins(target, Attack(target, AttackConfig("square", eps=0.1, steps=k))(x, y), y)
        for k in (20, 400)
    ]
    assert later[1].mean() < later[0].mean() < first.mean()


@pytest.mark.parametrize(
    ("method", "cost"),
    [("pcros", 20), ("odi", 12), ("multitargeted", 10.5), ("apgd", 10.5), ("square", 5.5)],
)
def test_costs_count_starts_aims_and_forward_passes(method, cost):
    assert AttackConfig(method, steps=10).gradients_per_image == cost
    assert AttackConfig("fgsm").gradients_per_image == 1


def test_building_blocks_take_the_place_of_a_methods_own_parts():
    for settings, part, expected in [
        (AttackConfig("pgd", start="stripes"), "start", starts.stripes),
        (AttackConfig("pgd", step="halving"), "step", steps.halving),
        (AttackConfig("blob", restarts="standing"), "plan", plans.on_robust),
        (AttackConfig("apgd", steps=10, budget=11.5), "plan", plans.on_robust),
        (AttackConfig("blob", shuffle="never"), "particles", False),
    ]:
        assert getattr(settings.method_spec, part) is expected
        assert AttackConfig.from_settings(settings.settings()) == settings


def test_settings_change_and_come_back():
    settings = AttackConfig("blob", "cw", eps=0.2, c=3.0)
    assert settings.replace(c=2.0) == AttackConfig("blob", "cw", eps=0.2, c=2.0)
    old = {**settings.settings(), "decay": 1.0, "rand_fgsm": "uniform"}
    assert AttackConfig.from_settings(old) == settings


def test_defaults_are_those_of_the_papers():
    configs = {name: AttackConfig(name) for name in METHODS if name != "adaptive"}
    particles = {name for name, config in configs.items() if config.steps_per_shuffle == 10}
    assert particles == {"blob", "dgf", "attraction"}
    weights = {name: configs[name].c for name in particles}
    assert weights == {"blob": 1.1, "dgf": 0.001, "attraction": 1.1}
    assert (configs["momentum"].decay, configs["mi_fgsm"].decay) == (1.0, 1.0)
    kept = {name for name, config in configs.items() if config.keep == "best"}
    assert kept == {"apgd", "apgd_t", "square"}
    losses_ = {"odi": "cw", "multitargeted": "difference", "square": "cw", "apgd_t": "dlr_targeted"}
    assert all(config.loss == losses_.get(name, "xent") for name, config in configs.items())
