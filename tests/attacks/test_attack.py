from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import config, images, linear_target, optimum

from daa import Attack, AttackConfig, Bounds, InputError, worst_case
from daa.attacks import ball
from daa.attacks.methods import METHODS
from daa.target import check_images

# A plan runs attacks and is none itself.
ATTACKS = [method for method in METHODS if METHODS[method].loss is not None]


@pytest.mark.parametrize("method", ATTACKS)
@pytest.mark.parametrize("loss", [None, "xent", "cw"])
def test_stays_in_ball_and_range_and_repeats(method, loss, x, y):
    target, _ = linear_target(classes=4)
    settings = config(method, loss)
    adv = Attack(target, settings)(x, y, seed=3)
    assert adv.dtype == np.float32
    ball.check(adv, x, settings.eps)
    np.testing.assert_array_equal(adv, Attack(target, settings)(x, y, seed=3))


@pytest.mark.parametrize(
    "method", [m for m in ATTACKS if m not in ("rand_fgsm", "square", "apgd_t")]
)
def test_two_classes_reach_the_known_optimum_of_a_linear_model(method):
    """The margin's gradient is constant, so the optimum is a corner of the ball."""
    target, w = linear_target(classes=2)
    x, y = images(classes=2)
    c = 1e-6 if METHODS[method].particles else None
    loss = METHODS[method].loss if METHODS[method].loss != "xent" else "cw"
    adv = Attack(target, config(method, loss, c=c))(x, y)
    np.testing.assert_allclose(adv, optimum(x, y, w), atol=1e-6)


def test_least_likely_raises_the_logit_of_that_class():
    target, _ = linear_target(classes=5)
    x, y = images(classes=5)
    before = target(x).numpy()
    least = before.argmin(1)
    adv = Attack(target, config("pgd", targeted="least_likely"))(x, y)
    rows = np.arange(len(x))
    assert (target(adv).numpy()[rows, least] > before[rows, least]).all()
    same = Attack(target, config("pgd", targeted="labels"))(x, y, target_labels=least)
    np.testing.assert_array_equal(adv, same)


def test_native_range_does_not_change_the_attack(target, x, y):
    wide = replace(target, network=lambda x: target.network(x / 255.0), bounds=Bounds(0, 255))
    a, b = (Attack(t, config("pgd"))(x, y) for t in (target, wide))
    assert (np.abs(a - b) < 1e-6).mean() > 0.99


@pytest.mark.parametrize("method", ATTACKS)
def test_a_visit_never_returns_to_python(method):
    """Every operation of the graph, of its loop and of what that calls, is native."""
    target, _ = linear_target(classes=4)
    attack = Attack(target, config(method))
    attack(*images(16))
    (function,) = attack.inner_loop._list_all_concrete_functions()
    definition = function.graph.as_graph_def()
    kinds = {node.op for node in definition.node}
    kinds |= {node.op for f in definition.library.function for node in f.node_def}
    assert "MatMul" in kinds
    assert not {kind for kind in kinds if "Py" in kind or "Host" in kind}


def test_bfloat16_gradients_move_float32_images_within_the_ball():
    target, w = linear_target(classes=2)
    half = tf.cast(w, tf.bfloat16)
    made = []

    def network(x):
        made.append(x)
        return tf.cast(tf.cast(tf.reshape(x, [-1, 16]), tf.bfloat16) @ half, tf.float32)

    both = replace(target, half=lambda: network)
    x, y = images(classes=2)
    settings = config("pgd", "cw", precision="bfloat16")
    adv = Attack(both, settings)(x, y)
    assert made
    assert adv.dtype == np.float32
    np.testing.assert_allclose(adv, optimum(x, y, w), atol=1e-6)
    with pytest.raises(InputError, match="test/linear: precision: expected float32, got 'bfloat1"):
        Attack(target, settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "mse"}, "loss: expected one of xent, cw, .* got 'mse'"),
        ({"loss": "difference"}, "loss: expected one that needs no class to aim at"),
        ({"c": False}, "c: expected a finite number, got False"),
        ({"step_size": 0.4}, "step_size: expected 0 < step_size <= eps=0.1, got 0.4"),
        ({"step_size": -1}, "step_size: expected"),
        ({"steps": 0}, "steps: expected a whole number >= 1, got 0"),
        ({"steps": 12}, "steps: expected a multiple of steps_per_shuffle=10, got 12"),
        ({"batch_size": 1}, "batch_size: expected at least 2 particles, got 1"),
        ({"batch_size": True}, "batch_size: expected a whole number >= 1, got True"),
        ({"decay": 3}, "decay: expected no such option for blob, got 3"),
        ({"method": "fgsm", "steps": 5}, "steps: expected no such option for fgsm, got 5"),
        ({"method": "fgsm", "step": "halving"}, "step: expected no such option for fgsm, got 'h"),
        ({"method": "fgsm", "keep": "best"}, "keep: expected no such option for fgsm, got 'best'"),
        ({"method": "pgd", "shuffle": "never"}, "shuffle: expected no such option for pgd, got 'n"),
        ({"shuffle": "never", "steps_per_shuffle": 9}, "steps_per_shuffle: expected no such opt"),
        ({"shuffle": "never", "batch_size": 1}, "batch_size: expected at least 2 particles, got"),
        ({"stepz": 5}, "expected one of method, loss, .* got 'stepz'"),
        ({"targeted": "x"}, "targeted: expected null or one of labels, least_likely"),
        ({"random_start": 1}, "random_start: expected true or false, got 1"),
        ({"method": "pdg"}, "method: expected one of fgsm, .* got 'pdg'"),
        ({"method": "adaptive", "budget": -5}, "budget: expected a number > 0, got -5"),
        ({"method": "adaptive", "budget": 0}, "budget: expected a number > 0, got 0"),
        ({"method": "adaptive", "minutes": 0}, "minutes: expected a number > 0, got 0"),
        ({"method": "apgd", "steps": 9, "budget": 10.4}, r"budget: expected 10\.5 for one restart"),
        ({"norm": "l3"}, "norm: expected one of linf, l2, got 'l3'"),
        ({"norm": "l2", "eps": 0.0}, "eps: expected a number > 0, the L2 distance of images"),
        ({"norm": "l2", "step_size": 0.4}, "step_size: expected 0 < step_size <= eps=0.1"),
        ({"eps": 2.0}, "eps: expected 0 < eps <= 1, the unit of images"),
        *(
            ({"eps": eps}, "eps: expected 0 < eps <= 1, the unit of images")
            for eps in (0, "a", True, np.bool_(True), np.float32(np.nan), np.array([0.1]), 10**400)
        ),
    ],
)
def test_config_names_the_wrong_field(change, message):
    with pytest.raises(InputError, match=message):
        AttackConfig(**{"method": "blob", "eps": 0.1, **change})


def test_the_largest_radius_and_step_are_allowed():
    config = AttackConfig("pgd", eps=1.0, step_size=1.0, steps=1)
    assert (config.eps, config.step_size) == (1.0, 1.0)


def test_a_config_has_the_options_of_all_methods_and_no_others():
    config = AttackConfig("pgd", steps=7)
    assert (config.steps, config.decay, hasattr(config, "stepz")) == (7, None, False)
    with pytest.raises(AttributeError):
        config.steps = 8


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
        (lambda x, y: (_with(x, (2, 1, 0, 0), -0.1), y), r"x: image 2, pixel \(1, 0, 0\): expect"),
        (lambda x, y: (x, _with(y, 4, -1)), "y: image 4: expected a class from 0 to 2, got -1"),
        (lambda x, y: (x, y[:, None]), "y: expected 40 integers"),
        (lambda x, y: (x, _with(y, 7, 3)), "y: image 7: expected a class from 0 to 2, got 3"),
        (lambda x, y: (x, y.astype(float)), "y: expected 40 integers, got float64"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_named(damage, message, target, x, y):
    assert check_images(target, x, y.astype(np.int32))[1].dtype == np.int64
    with pytest.raises(InputError, match=message):
        Attack(target, config("pgd"))(*damage(x, y))
    with pytest.raises(InputError, match="target_labels: expected classes with"):
        Attack(target, config("pgd"))(x, y, target_labels=y)


@pytest.mark.parametrize("method", ATTACKS)
def test_xla_compiles_every_method_and_agrees(method):
    """What a GPU runs by default, compiled here for the CPU."""
    target, _ = linear_target(classes=4)
    x, y = images(16)
    plain, compiled = (Attack(target, config(method), jit=jit)(x, y) for jit in (False, True))
    assert (np.abs(plain - compiled) < 1e-6).mean() > 0.99


def test_one_trace_serves_every_number_and_a_smaller_last_minibatch(target):
    x, y = images(40)
    for method, changes in [
        ("blob", {}),
        ("blob", {"c": 3.0, "eps": 0.2, "step_size": 0.1, "steps": 5}),
        ("blob", {"steps": 10, "steps_per_shuffle": 10}),
        ("momentum", {}),
        ("momentum", {"decay": 0.5}),
    ]:
        attack = Attack(target, config(method, **changes))
        attack(x, y)  # minibatches of 16, 16 and 8
        assert attack.inner_loop.experimental_get_tracing_count() == 1, method
    worst_case(target, config("pgd"), x, y, restarts=3)
    assert target._graphs["predict"].experimental_get_tracing_count() == 1
