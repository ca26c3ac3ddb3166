from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from daa import Attack, AttackConfig, Bounds, InputError, Target, ball, kernels, worst_case
from daa.visit import compile_visit

METHODS = ["fgsm", "rand_fgsm", "pgd", "mi_fgsm", "momentum", "blob", "dgf"]
FAST = {"eps": 0.1, "step_size": 0.02, "steps": 20, "batch_size": 16, "steps_per_shuffle": 5}


def linear_target(classes=3, shape=(4, 4, 1), bounds=None, seed=0):
    w = np.random.default_rng(seed).standard_normal((int(np.prod(shape)), classes))
    w = tf.constant(w.astype(np.float32))
    return Target(
        "test/linear",
        lambda x: tf.reshape(x, [-1, w.shape[0]]) @ w,
        shape,
        classes,
        bounds or Bounds(),
    ), w.numpy()


def images(n=40, shape=(4, 4, 1), classes=3, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((n, *shape)).astype(np.float32), rng.integers(0, classes, n)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loss", ["xent", "cw"])
def test_stays_in_ball_and_range_and_repeats(method, loss):
    target, _ = linear_target()
    x, y = images()
    config = AttackConfig(method, loss, **FAST)
    adv = Attack(target, config)(x, y, seed=3)
    assert adv.dtype == np.float32
    ball.check(adv, x, config.eps)
    np.testing.assert_array_equal(adv, Attack(target, config)(x, y, seed=3))


@pytest.mark.parametrize("method", [m for m in METHODS if m != "rand_fgsm"])
def test_two_classes_reach_the_known_optimum_of_a_linear_model(method):
    """The margin's gradient is constant, so the optimum is a corner of the ball."""
    target, w = linear_target(classes=2)
    x, y = images(classes=2)
    c = 1e-6 if method in ("blob", "dgf") else None
    config = AttackConfig(method, "cw", c=c, **FAST)
    adv = Attack(target, config)(x, y)
    away = np.where(y == 0, 1, -1)[:, None] * np.sign(w[:, 1] - w[:, 0])
    best = np.clip(x + 0.1 * away.reshape(x.shape), 0, 1)
    np.testing.assert_allclose(adv, best, atol=1e-6)


def test_least_likely_raises_the_logit_of_that_class():
    target, _ = linear_target(classes=5)
    x, y = images(classes=5)
    before = target(x).numpy()
    least = before.argmin(1)
    adv = Attack(target, AttackConfig("pgd", targeted="least_likely", **FAST))(x, y)
    rows = np.arange(len(x))
    assert (target(adv).numpy()[rows, least] > before[rows, least]).all()
    same = Attack(target, AttackConfig("pgd", targeted="labels", **FAST))(x, y, target_labels=least)
    np.testing.assert_array_equal(adv, same)


def test_particles_without_weight_are_pgd():
    target, _ = linear_target()
    x, y = images()
    pgd = Attack(target, AttackConfig("pgd", **FAST))(x, y, seed=1)
    for method in ("blob", "dgf"):
        adv = Attack(target, AttackConfig(method, c=0.0, **FAST))(x, y, seed=1)
        np.testing.assert_array_equal(adv, pgd)


def test_native_range_does_not_change_the_attack():
    target, w = linear_target()
    wide = Target(
        "test/wide", lambda x: tf.reshape(x / 255.0, [-1, 16]) @ w, (4, 4, 1), 3, Bounds(0, 255)
    )
    x, y = images()
    config = AttackConfig("pgd", **FAST)
    a, b = (Attack(t, config)(x, y) for t in (target, wide))
    assert (np.abs(a - b) < 1e-6).mean() > 0.99


def test_a_last_minibatch_of_one_image_is_attacked():
    target, _ = linear_target()
    x, y = images(17)
    for method in ("blob", "dgf"):
        adv = Attack(target, AttackConfig(method, **FAST))(x, y)
        assert (adv != x).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_visit_never_returns_to_python(method):
    """Every operation of the graph, of its loop and of what that calls, is native."""
    target, _ = linear_target()
    visit = compile_visit(target, AttackConfig(method, **FAST))
    image = tf.TensorSpec([16, 4, 4, 1], tf.float32)
    graph = visit.get_concrete_function(image, tf.TensorSpec([16], tf.int64), image, image).graph
    definition = graph.as_graph_def()
    kinds = {node.op for node in definition.node}
    kinds |= {node.op for f in definition.library.function for node in f.node_def}
    assert {"Sign", "MatMul"} <= kinds
    assert not {kind for kind in kinds if "Py" in kind or "Host" in kind}


def test_bfloat16_gradients_move_float32_images_within_the_ball():
    target, w = linear_target(classes=2)
    half = tf.cast(w, tf.bfloat16)
    made = []

    def network(x):
        made.append(x.dtype)
        return tf.cast(tf.cast(tf.reshape(x, [-1, 16]), tf.bfloat16) @ half, tf.float32)

    both = replace(target, half=lambda: network)
    x, y = images(classes=2)
    config = AttackConfig("pgd", "cw", precision="bfloat16", **FAST)
    adv = Attack(both, config)(x, y)
    assert made
    assert adv.dtype == np.float32
    exact = Attack(target, AttackConfig("pgd", "cw", **FAST))(x, y)
    np.testing.assert_allclose(adv, exact, atol=1e-6)  # the signs of a linear model agree
    with pytest.raises(InputError, match="test/linear: precision: expected float32, got 'bfloat1"):
        Attack(target, config)


def test_rand_fgsm_reads_two_ways():
    target, w = linear_target(classes=2)
    x, y = images(classes=2)
    x = 0.5 + 0.1 * x  # away from the range's ends
    away = np.where(y == 0, 1, -1)[:, None] * np.sign(w[:, 1] - w[:, 0])
    away = away.reshape(x.shape)
    uniform, tramer = (
        Attack(target, AttackConfig("rand_fgsm", "cw", eps=0.1, rand_fgsm=reading))(x, y)
        for reading in ("uniform", "tramer")
    )
    # A step of eps from anywhere in the ball ends at most eps, at least 0, along the gradient.
    along = (uniform - x) * away
    assert along.min() >= -1e-6
    assert along.max() > 0.09
    assert np.ptp(along) > 0.08
    # Half a ball of sign noise and half a ball of FGSM: either both agree, or they cancel.
    along = (tramer - x) * away
    assert np.minimum(np.abs(along - 0.1), np.abs(along)).max() < 1e-6
    assert 0.3 < (along > 0.05).mean() < 0.7


def test_restarts_only_lower_the_worst_case():
    target, _ = linear_target()
    x, y = images(60)
    config = AttackConfig("rand_fgsm", **FAST)
    report = worst_case(target, config, x, y, restarts=4, seed=5)
    assert report.correct_per_restart.shape == (4, 60)
    assert (np.diff(report.robust_accuracy) <= 0).all()
    wrong = target(report.adv).numpy().argmax(1) != y
    np.testing.assert_array_equal(wrong, ~report.correct_per_restart.all(0))
    alone = Attack(target, config)(x, y, seed=5, restart=2)
    np.testing.assert_array_equal(
        target(alone).numpy().argmax(1) == y, report.correct_per_restart[2]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "pdg"}, "method: expected one of fgsm, .* got 'pdg'"),
        ({"loss": "mse"}, "loss: expected one of xent, cw, got 'mse'"),
        ({"eps": 0}, "eps: expected 0 < eps <= 1, got 0"),
        ({"eps": float("nan")}, "eps: expected"),
        ({"eps": "big"}, "eps: expected .* got 'big'"),
        ({"step_size": 0.4}, "step_size: expected 0 < step_size <= eps=0.1, got 0.4"),
        ({"step_size": -1}, "step_size: expected"),
        ({"steps": 0}, "steps: expected a whole number >= 1, got 0"),
        ({"steps": 12}, "steps: expected a multiple of steps_per_shuffle=5, got 12"),
        ({"batch_size": 1}, "batch_size: expected at least 2 particles, got 1"),
        ({"c": "x"}, "c: expected a finite number"),
        ({"targeted": "x"}, "targeted: expected null or one of labels, least_likely"),
        ({"random_start": 1}, "random_start: expected true or false, got 1"),
    ],
)
def test_config_names_the_field_that_cannot_work(change, message):
    with pytest.raises(InputError, match=message):
        AttackConfig(**{"method": "blob", **FAST, **change})


def _with(x, index, value):
    x = x.copy()
    x[index] = value
    return x


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x, y: ((x * 255).astype(np.uint8), y), "expected float32 .* got uint8"),
        (lambda x, y: (x[..., 0], y), r"expected shape \['N >= 1', 4, 4, 1\]"),
        (lambda x, y: (x[:0], y[:0]), "expected shape"),
        (lambda x, y: (_with(x, (3, 1, 2, 0), np.nan), y), r"image 3, pixel \(1, 2, 0\).* nan"),
        (lambda x, y: (_with(x, (3, 1, 2, 0), 1.5), y), r"expected \[0, 1\], got 1.5"),
        (lambda x, y: (x, _with(y, 7, 3)), "y: image 7: expected a class from 0 to 2, got 3"),
        (lambda x, y: (x, y[:-1]), "y: expected 40 integers"),
        (lambda x, y: (x, y.astype(float)), "y: expected 40 integers, got float64"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_named(damage, message):
    target, _ = linear_target()
    x, y = damage(*images())
    with pytest.raises(InputError, match=message):
        Attack(target, AttackConfig("pgd", **FAST))(x, y)


def test_restarts_and_target_labels_are_checked():
    target, _ = linear_target()
    x, y = images()
    with pytest.raises(InputError, match="restarts: expected at least 1, got 0"):
        worst_case(target, AttackConfig("pgd", **FAST), x, y, restarts=0)
    with pytest.raises(InputError, match="target_labels: expected exactly with"):
        Attack(target, AttackConfig("pgd", **FAST))(x, y, target_labels=y)


@pytest.mark.parametrize("method", METHODS)
def test_xla_compiles_every_method_and_agrees(method, monkeypatch):
    """What a GPU runs by default, with the selection that XLA has, compiled here for the CPU."""
    target, _ = linear_target()
    x, y = images(16)
    config = AttackConfig(method, **FAST)
    plain = Attack(target, config, jit=False)(x, y)
    monkeypatch.setattr(kernels, "on_gpu", lambda: True)
    compiled = Attack(target, config, jit=True)(x, y)
    assert (np.abs(plain - compiled) < 1e-6).mean() > 0.99
