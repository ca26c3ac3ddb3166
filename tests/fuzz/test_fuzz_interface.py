"""The Python interface: odd arguments and odd networks."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from world import ODD, place, refused_or, share

from daa import Attack, AttackConfig, Bounds, Dataset, Target, worst_case
from daa.attacks.methods import METHODS
from daa.evaluation.evaluate import evaluate

W = tf.constant(np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32))
TARGET = Target("linear", lambda x: tf.reshape(x, [-1, 16]) @ W, (4, 4, 1), 3)
X = np.random.default_rng(1).random((6, 4, 4, 1), dtype=np.float32)
Y = TARGET(X).numpy().argmax(1)
FAST = AttackConfig("pgd", eps=0.1, step_size=0.05, steps=2, batch_size=4)
ARRAYS = st.sampled_from(
    [
        X,
        Y,
        X[:, :3],
        X.astype(np.float64),
        X + 1,
        X * np.nan,
        X[:0],
        X[..., 0],
        np.array("a"),
        [[1], [1, 2]],
        Y.astype(str),
        Y[:2],
        Y - 9,
        Y + 9,
        np.eye(3)[Y],
        object(),
        np.array([None] * 6),
        1,
        None,
        "mnist",
    ]
)
OPTIONS = st.sampled_from([name for name in AttackConfig.names() if name != "method"])


@share(8)
@given(
    st.one_of(st.sampled_from(sorted(METHODS)), ODD),
    st.dictionaries(st.one_of(OPTIONS, st.just("none")), ODD, max_size=3),
)
def test_configs(method, options):
    with place("interface"):
        found = refused_or(AttackConfig, method, **options)
        if found is not None:
            assert AttackConfig.from_settings(found.settings()) == found
            assert found.gradients_per_image > 0


@share(4)
@given(ARRAYS, ARRAYS, ODD, ODD, st.one_of(st.none(), ODD))
def test_calls(x, y, seed, restart, labels):
    with place("interface"):
        options = {} if labels is None else {"target_labels": labels}
        refused_or(Attack(TARGET, FAST), x, y, seed=seed, **options)
        refused_or(Attack(TARGET, FAST), X, Y, restart=restart)
        refused_or(worst_case, TARGET, FAST, x, y)


@share(3)
@given(ODD)
def test_restarts(restarts):
    with place("interface"):
        if not (isinstance(restarts, int) and restarts > 5):
            refused_or(worst_case, TARGET, FAST, X, Y, restarts=restarts)


NETWORKS = {
    "constant": lambda x: tf.zeros([tf.shape(x)[0], 3]),
    "float64": lambda x: tf.cast(tf.reshape(x, [-1, 16]) @ W, tf.float64),
    "rounded": lambda x: tf.round(tf.reshape(x, [-1, 16]) @ W),
    "nan": lambda x: tf.reshape(x, [-1, 16]) @ W * np.nan,
    "huge": lambda x: tf.reshape(x, [-1, 16]) @ W * 1e38,
    "none": lambda x: None,
    "text": lambda x: "logits",
    "raises": lambda x: 1 // 0,
    "exits": lambda x: [].pop(),
    "wide": lambda x: tf.reshape(x, [-1, 16]),
    "scalar": lambda x: tf.reduce_sum(x),
    "sparse": lambda x: tf.sparse.from_dense(tf.reshape(x, [-1, 16]) @ W),
    "strings": lambda x: tf.fill([tf.shape(x)[0], 3], "a"),
    "good": lambda x: tf.reshape(x, [-1, 16]) @ W,
}


@share(1)
@given(
    st.sampled_from(sorted(NETWORKS)),
    st.one_of(st.just((4, 4, 1)), ODD),
    st.one_of(st.just(3), ODD),
    st.one_of(st.just((0, 1)), st.tuples(ODD, ODD)),
    st.one_of(st.just("net"), ODD),
    st.sampled_from(["pgd", "blob", "apgd", "square", "odi", "adaptive"]),
)
def test_networks(network, shape, classes, bounds, name, method):
    with place("interface"):
        limits = refused_or(Bounds, *bounds)
        if limits is None:
            return
        call = NETWORKS[network]
        target = refused_or(Target, name, call, shape, classes, limits)
        if target is not None:
            steps = {"budget": 10.0} if method == "adaptive" else {"steps": 2}
            more = {"steps_per_shuffle": 1} if method == "blob" else {}
            found = AttackConfig(method, eps=0.1, batch_size=4, **steps, **more)
            refused_or(worst_case, target, found, X, Y)


GIVEN = {
    "eps": st.one_of(st.just(0.1), ODD),
    "method": st.one_of(st.just("pgd"), ODD),
    "budget": st.one_of(st.just(5), ODD),
    "minutes": ODD,
    "images": ODD,
    "seed": ODD,
    "bounds": st.one_of(st.tuples(ODD, ODD), ODD),
    "data_format": ODD,
    "signature": ODD,
    "name": ODD,
    "published": ODD,
    "c": ODD,
}


@share(2)
@given(ARRAYS, ARRAYS, st.data())
def test_evaluations(x, y, drawn):
    with place("interface"):
        names = drawn.draw(st.lists(st.sampled_from(sorted(GIVEN)), max_size=2, unique=True))
        given_ = {name: drawn.draw(GIVEN[name]) for name in names}
        plain = {"eps": 0.1, "method": "pgd", "budget": 2, "progress": False}
        options = {**plain, **given_}
        if isinstance(options["budget"], (int, float)) and options["budget"] > 10:
            options["budget"] = 10.0
        if options.get("minutes") is not None and options["method"] == "adaptive":
            return
        refused_or(evaluate, TARGET, x, y, **options)


@share(2)
@given(ODD, ARRAYS, ARRAYS, ODD)
def test_data(name, x, y, images):
    with place("interface"):
        found = refused_or(Dataset, name, x, y, "")
        if found is not None:
            refused_or(found.first, images)
