"""Each mistake that silently gives wrong numbers is planted and reported under its code."""

import re
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from daa import AttackConfig, Bounds, InputError, Target, targets, worst_case
from daa.attacks.plans import Outcome, Report
from daa.evaluation import checks
from daa.evaluation.evaluate import evaluate
from daa.target import NoteWarning, check_images
from daa.targets import Published, user_models

DATA = targets.load_dataset("tiny/cnn").first(120)
NETWORK = targets.load_target("tiny/cnn").network
EPS = targets.row("tiny/cnn").eps
ATTACK = AttackConfig("pgd", eps=EPS, step_size=EPS / 4, steps=20, batch_size=120)


def load(network, bounds=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoteWarning)
        return user_models.load(network, image_shape=(8, 8, 1), bounds=bounds)


def codes_before(network, y=DATA.y, bounds=None, published=None):
    """Codes of the checks before the attack, and of the changes made to the model."""
    target = load(network, bounds)
    expected = published and Published(published, "a paper")
    findings = checks.before(target, *check_images(target, DATA.x, y), expected)
    return {finding.code for finding in (*target.notes, *findings)}


def codes_after(network, attack=ATTACK):
    """Codes of the checks after an attack, PGD by default."""
    target = load(network)
    report = worst_case(target, attack, DATA.x, DATA.y)
    return {finding.code for finding in checks.after(target, DATA.x, DATA.y, report, attack)}


def opaque_softmax(z):
    """A softmax that the graph does not show as one."""
    e = tf.exp(z - tf.reduce_max(z, axis=1, keepdims=True))
    return e / tf.reduce_sum(e, axis=1, keepdims=True)


def in_training_mode(layer):
    layer.build((None, 8, 8, 1))
    return lambda x: NETWORK(layer(x, training=True))


@tf.custom_gradient
def reversed_gradient(x):
    return x, lambda upstream: -upstream


@tf.custom_gradient
def rounded(x):
    return tf.round(x * 8) / 8, lambda upstream: tf.zeros_like(upstream)


def straight_through(x):
    return x + tf.stop_gradient(tf.round(x * 4) / 4 - x)


def rounded_otherwise_in_a_graph(x):
    """As a model in bfloat16."""
    return NETWORK(x) * (1.0 if tf.executing_eagerly() else 1.005)


def rounded_otherwise_for_single_images(x):
    return tf.where(tf.shape(x)[0] == 1, NETWORK(x), 1.005 * NETWORK(x))


def noise(stddev):
    return lambda x: NETWORK(x + tf.random.normal(tf.shape(x), stddev=stddev))


def test_a_sound_evaluation_has_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate(NETWORK, DATA, eps=EPS, budget=100, progress=False)
    assert result.warnings == []


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda x: 1000 * NETWORK(x), {"scaled-logits", "vanishing-gradients"}),
        (
            lambda x: tf.nn.softmax(1000 * NETWORK(x)),
            {"softmax-removed", "scaled-logits", "vanishing-gradients"},
        ),
        (lambda x: opaque_softmax(1000 * NETWORK(x)), {"softmax-logarithm", "vanishing-gradients"}),
        (lambda x: NETWORK(rounded(x)), {"vanishing-gradients"}),
        (noise(0.1), {"random-outputs"}),
        (
            lambda x: NETWORK(x) + np.random.default_rng().normal(size=10).astype(np.float32),
            {"random-outputs"},
        ),
        (in_training_mode(keras.layers.Dropout(0.3)), {"random-outputs"}),
        (in_training_mode(keras.layers.BatchNormalization()), {"batch-dependent"}),
        (lambda x: NETWORK(x / 255), {"bounds", "near-chance"}),
        (lambda x: tf.pad(NETWORK(x), [[0, 0], [0, 2]], constant_values=-100.0), {"classes"}),
        (lambda x: tf.minimum(NETWORK(x), 2), {"tied-outputs"}),
    ],
)
def test_a_mistake_in_the_model_is_reported_before_the_attack(network, expected):
    assert expected <= codes_before(network)


def test_the_warning_of_the_pixel_range_names_the_right_one():
    for network, bounds in (
        (lambda x: NETWORK(x / 255), "(0, 255)"),
        (lambda x: NETWORK((x + 1) / 2), "(-1, 1)"),
    ):
        (finding,) = [f for f in checks.before(load(network), DATA.x, DATA.y) if f.code == "bounds"]
        assert finding.message.startswith(f"With bounds={bounds} the clean accuracy is ")


@pytest.mark.parametrize(
    ("network", "options", "code", "expected"),
    [
        (lambda x: NETWORK(x / 255), {"bounds": Bounds(0, 255)}, "bounds", False),
        (lambda x: NETWORK(straight_through(x)), {}, "vanishing-gradients", False),
        (rounded_otherwise_in_a_graph, {}, "random-outputs", False),
        (rounded_otherwise_for_single_images, {}, "batch-dependent", False),
        (NETWORK, {"published": 0.97}, "clean-accuracy", False),
        (NETWORK, {"published": 0.6}, "clean-accuracy", True),
    ],
)
def test_only_a_mistake_is_reported(network, options, code, expected):
    assert (code in codes_before(network, **options)) is expected


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (np.where(DATA.y < 9, DATA.y + 1, 0), "labels-shifted"),
        (np.random.default_rng(0).permutation(10)[DATA.y], "labels-permuted"),
        (np.roll(DATA.y, 1), "near-chance"),
    ],
)
def test_wrong_labels_are_reported(labels, code):
    assert code in codes_before(NETWORK, labels)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda x: x + 0.2 * (x == x.max()), "images-outside-range"),
        (lambda x: 255 * x, "images-rescaled"),
        (lambda x: x / 255, "images-narrow-range"),
    ],
)
def test_wrong_images_are_reported(change, code, no_checks):
    options = {"eps": EPS, "method": "fgsm", "progress": False}
    assert code in evaluate(NETWORK, change(DATA.x), DATA.y, **options).warnings


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda x: NETWORK(x)[:, :5], r"y: image \d+: expected a class from 0 to 4, got"),
        (lambda x: NETWORK(x) * np.nan, "image 0: expected finite logits, got nan or inf"),
        (Target("own", NETWORK, (8, 8, 1), 12), r"own: expected float32 logits \[N, 12\] .* 10\)"),
    ],
)
def test_unusable_logits_are_refused(network, message):
    with pytest.raises(InputError, match=message):
        codes_before(network)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda x: 1000 * NETWORK(x), {"search-wins"}),
        (lambda x: NETWORK(reversed_gradient(x)), {"huge-eps", "search-wins"}),
        (lambda x: NETWORK(rounded(x)), {"huge-eps"}),
        (noise(0.2), {"unstable-images"}),
    ],
)
def test_signs_of_a_weak_attack_are_reported_after_it(network, expected):
    assert expected <= codes_after(network)


def test_an_attack_with_more_steps_that_breaks_fewer_images_is_reported(monkeypatch):
    class Attack:
        """Ten steps give black images, other attacks change nothing."""

        def __init__(self, target, config):
            self.steps = config.steps

        def __call__(self, x, y, seed):
            return 0 * x if self.steps == 10 else x

    monkeypatch.setattr(checks, "Attack", Attack)
    assert "more-steps-weaker" in codes_after(NETWORK)


@pytest.mark.parametrize(
    ("few", "many", "expected"), [(30, 0, True), (30, 30, False), (30, 60, False), (3, 0, False)]
)
def test_more_steps_are_weaker_only_beyond_chance(few, many, expected):
    broken = [np.arange(60) < count for count in (few, many)]
    assert [f.code for f in checks.more_steps(*broken)] == ["more-steps-weaker"] * expected


@pytest.mark.parametrize(("broken", "expected"), [(0, 0), (1, 0), (10, 1), (99, 1), (100, 0)])
def test_the_accuracy_still_falls_if_the_last_unit_lowers_it(broken, expected):
    """A larger budget can't lower an accuracy of 0."""
    margin = np.ones((3, 100), np.float32)
    margin[2, :broken] = -1
    outcomes = tuple(Outcome(None, row, 10.0) for row in margin)
    report = Report(np.zeros((100, 8, 8, 1), np.float32), margin.min(axis=0), margin[0], outcomes)
    assert [f.code for f in checks.falling(report)] == ["still-falling"] * expected
    for predicted, warned in ((1.9, []), (2.0, ["still-falling"])):
        few = replace(report, predicted=predicted)
        assert [f.code for f in checks.falling(few)] == warned


@pytest.mark.parametrize("gradient", [True, False])
def test_a_check_that_fails_is_reported_and_the_evaluation_is_written(tmp_path, gradient):
    def network(x):  # finite in the ball around the images, but not at distance 1
        inside = tf.reduce_all((x > 0.05) & (x < 0.95), axis=[1, 2, 3])[:, None]
        logits = NETWORK((x - 0.3) / 0.4)
        lost = tf.where(inside, logits, np.nan)  # the gradient stays finite
        return logits * tf.where(inside, 1.0, np.nan) if gradient else lost

    images = (0.3 + 0.4 * DATA.x).astype(np.float32)
    options = {"eps": 0.1, "budget": 10, "method": "pgd", "progress": False, "out": tmp_path}
    result = evaluate(network, images, DATA.y, **options)
    assert "huge-eps" not in result.warnings
    (message,) = [f.message for f in result.findings if f.code == "check-failed"]
    assert "The check huge-eps failed on images of its own: " in message
    assert (tmp_path / "evaluation.json").exists()


def test_the_checks_stop_after_their_share_of_the_time(monkeypatch):
    target = load(NETWORK)
    monkeypatch.setattr(checks, "_LEAST", 0.0)
    report = worst_case(target, ATTACK, DATA.x, DATA.y)
    (finding,) = checks.after(target, DATA.x, DATA.y, report, ATTACK, 0, 1e-9)
    assert finding.code == "checks-left-out"
    assert "more-steps-weaker, huge-eps, search-wins." in finding.message


def test_random_search_is_not_advised_to_itself():
    square = AttackConfig("square", eps=EPS, steps=5)
    assert "search-wins" not in codes_after(lambda x: 1000 * NETWORK(x), square)


def test_a_model_that_changes_after_the_attack_is_reported():
    sign = tf.Variable(1.0)
    target = Target("test/changed", lambda x: NETWORK(x) * sign, (8, 8, 1), 10)
    report = worst_case(target, ATTACK, DATA.x, DATA.y)
    assert list(checks.unstable(target, DATA.y, report)) == []
    sign.assign(-1.0)
    (finding,) = checks.unstable(target, DATA.y, report)
    assert finding.code == "unstable-images"


def test_every_code_has_a_section_in_the_documentation():
    text = Path("docs/checks.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### `([a-z0-9-]+)`$", text, re.MULTILINE)
    notes = {"sigmoid-removed", "softmax-removed"}  # named after the removed layer
    for path in Path("daa/targets").rglob("*.py"):
        notes |= set(re.findall(r"Note\(\s*\"([a-z-]+)\"", path.read_text(encoding="utf-8")))
    assert sorted(sections) == sorted({*checks.ADVICE, *notes})
    split = len(checks.ADVICE)
    assert sections == sorted(sections[:split]) + sorted(sections[split:])
