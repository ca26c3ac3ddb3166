import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import images, linear_target

from daa import Attack, AttackConfig, Bounds, InputError, Target, worst_case
from daa.attacks.losses import xent
from daa.attacks.worst_case import margins
from daa.target import input_gradient

LINEAR, W = linear_target()
CONFIG = AttackConfig("pgd", eps=0.1, step_size=0.05, steps=2, batch_size=16)
X, Y = images(20)


def flat(x):
    return tf.reshape(x, [-1, 16])


def fails(x):
    raise KeyError("weights\nof mine")


def fails_later(x):
    return tf.ensure_shape(tf.py_function(lambda x: 1 / 0, [x], tf.float32), [None, 3])


BAD = {
    "constant": (lambda x: tf.zeros([tf.shape(x)[0], 3]), "logits with a gradient at the images"),
    "rounded": (lambda x: tf.cast(tf.cast(flat(x) @ W, tf.int32), tf.float32), "has no derivative"),
    "float64": (lambda x: tf.cast(flat(x) @ W, tf.float64), r"float32 logits \[N, 3\] .* float64"),
    "wide": (lambda x: tf.concat([flat(x) @ W] * 2, 1), r"float32 logits .* got float32 \(None, 6"),
    "narrow": (lambda x: tf.reduce_sum(flat(x) @ W, 1), r"got float32 \(None,\)"),
    "sparse": (lambda x: tf.sparse.from_dense(flat(x) @ W), "got SparseTensor"),
    "nothing": (lambda x: None, "got NoneType"),
    "eager": (lambda x: tf.constant(x.numpy()), "got (AttributeError|NotImplementedError)"),
    "fails": (fails, r"expected float32 logits \[N, 3\] of images \[4, 4, 1\], got KeyError"),
    "fails later": (fails_later, "expected logits and gradients .* got .*division by zero"),
    "few": (
        lambda x: tf.py_function(lambda x: x[:1, :2, 0, 0], [x], tf.float32),
        r"logits: expected shape \[20, 3\], got",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_network_that_is_none_is_refused_in_one_line(name):
    network, message = BAD[name]
    target = Target(name, network, (4, 4, 1), 3)
    with pytest.raises(InputError, match=f"^{name}: .*{message}") as error:
        worst_case(target, CONFIG, X, Y)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500


def test_every_way_to_the_logits_looks_at_them():
    target = Target("wide", BAD["wide"][0], (4, 4, 1), 3)
    constant = Target("constant", BAD["constant"][0], (4, 4, 1), 3)
    for call in (
        lambda: margins(target, X, Y),
        lambda: Attack(target, CONFIG)(X, Y),
        lambda: input_gradient(target, X, Y, xent),
        lambda: input_gradient(constant, X, Y, xent),
    ):
        with pytest.raises(InputError, match=r"(wide|constant): expected .*logits"):
            call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 1}, "t: classes: expected a whole number >= 2, got 1"),
        ({"image_shape": [4, 4, 1]}, r"t: image_shape: expected \(H, W, C\), .*whole numbers >= 1"),
        ({"image_shape": (4, None, 1)}, "t: image_shape: expected"),
        ({"name": "a\nb"}, r"target: name: expected one line of printable .* got 'a\\nb'"),
        ({"name": "x" * 256}, "target: name: expected one line"),
        ({"network": None}, "t: network: expected a function, got None"),
        ({"provenance": "stolen"}, "t: provenance: expected one of original, "),
    ],
)
def test_a_target_that_is_none_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(LINEAR, **{"name": "t", **change})


@pytest.mark.parametrize(
    "bounds", [(1, 0), (0, 0), (0, float("inf")), (0, float("nan")), ("0", 1), (0, 10**400)]
)
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(InputError, match="bounds: expected two numbers, the lower one first, got"):
        Bounds(*bounds)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_a_whole_number(seed):
    for call in (
        lambda: Attack(LINEAR, CONFIG)(X, Y, seed=seed),
        lambda: worst_case(LINEAR, CONFIG, X, Y, seed=seed),
    ):
        with pytest.raises(InputError, match="seed: expected a whole number >= 0, got"):
            call()
    with pytest.raises(InputError, match="restart: expected a whole number >= 0, got -1"):
        Attack(LINEAR, CONFIG)(X, Y, restart=-1)


@pytest.mark.parametrize("restarts", [0, -1, "2", 1.0, None, 10**12])
def test_restarts_are_a_whole_number_that_ends(restarts):
    message = "restarts: expected a whole number from 1 to 1,000,000, got"
    with pytest.raises(InputError, match=message):
        worst_case(LINEAR, CONFIG, X, Y, restarts=restarts)


def test_a_message_is_one_line_whatever_it_quotes():
    quoted = "a: expected b, got c\n\x85\u2028\t\x00\ud800\x1b[31m é"
    error = InputError(quoted)
    assert str(error) == "a: expected b, got c    \\x00\\ud800\\x1b[31m é"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_numbers_become_python_numbers(kind):
    numbers = {"eps": kind(0.25), "c": kind(2), "steps": np.int64(40), "batch_size": np.uint8(16)}
    config = AttackConfig("blob", random_start=np.bool_(False), **numbers)
    plain = {"eps": 0.25, "c": 2.0, "steps": 40, "batch_size": 16}
    assert config == AttackConfig("blob", random_start=False, **plain)
    json.dumps(config.settings())
    report = worst_case(LINEAR, CONFIG, X, Y, seed=np.int32(3), restarts=np.int64(2))
    expected = worst_case(LINEAR, CONFIG, X, Y, seed=3, restarts=2)
    np.testing.assert_array_equal(report.adv, expected.adv)
    adv = Attack(LINEAR, CONFIG)(X, Y, seed=np.uint8(3), restart=np.int16(1))
    np.testing.assert_array_equal(adv, Attack(LINEAR, CONFIG)(X, Y, seed=3, restart=1))
    bounds = Bounds(np.uint8(0), kind(255))
    assert (type(bounds.lower), type(bounds.upper)) == (int, float)
