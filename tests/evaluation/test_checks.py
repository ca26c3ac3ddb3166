"""Every mistake that gives wrong numbers without a word, planted and named by its code."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from daa import Bounds, InputError, Target, targets
from daa.evaluation import checks
from daa.evaluation.evaluate import evaluate
from daa.target import Note, check_images
from daa.targets import Published
from daa.targets import user_models as models

REFERENCE = "tiny/cnn"
DATA = targets.load_dataset(REFERENCE).first(120)
NETWORK = targets.load_target(REFERENCE).network
EPS = targets.row(REFERENCE).eps


def own(network, **options):
    return Target("own", network, (8, 8, 1), 10, **options)


def evaluated(network, data=DATA, budget=30.0, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate(network, data, eps=EPS, budget=budget, progress=False, **options)


def found(network, data=DATA, **options):
    """Codes of all checks."""
    return set(evaluated(network, data, **options).warnings)


def found_before(network, data=DATA, bounds=None, published=None):
    """Codes of the checks before the attack, and of what was done to the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = models.load(network, image_shape=(8, 8, 1), bounds=bounds)
    told = published and Published(published, "a paper")
    findings = checks.before(target, *check_images(target, data.x, data.y), told)
    return {finding.code for finding in (*target.notes, *findings)}


def with_labels(y, data=DATA):
    return type(data)(data.name, data.x, np.asarray(y), data.sha256)


def test_a_sound_evaluation_has_no_warnings():
    assert found(NETWORK, budget=100.0) == set()


def test_scaled_logits():
    assert {"scaled-logits", "vanishing-gradients"} <= found_before(lambda x: 1000 * NETWORK(x))


def test_pgd_on_scaled_logits_does_nothing_and_random_search_says_so():
    wrong = evaluated(lambda x: 1000 * NETWORK(x), method="pgd", budget=20)
    assert {"scaled-logits", "vanishing-gradients", "search-wins"} <= set(wrong.warnings)
    assert wrong.robust_accuracy > evaluated(NETWORK).robust_accuracy + 0.05


def opaque_softmax(z):
    """A softmax that no graph shows as one."""
    e = tf.exp(z - tf.reduce_max(z, axis=1, keepdims=True))
    return e / tf.reduce_sum(e, axis=1, keepdims=True)


def test_softmax_of_scaled_logits():
    codes = found_before(lambda x: tf.nn.softmax(1000 * NETWORK(x)))
    assert {"softmax-removed", "scaled-logits", "vanishing-gradients"} <= codes
    codes = found(lambda x: opaque_softmax(1000 * NETWORK(x)))
    assert {"softmax-logarithm", "vanishing-gradients"} <= codes


def test_noise_inside_the_model():
    codes = found_before(lambda x: NETWORK(x + tf.random.normal(tf.shape(x), stddev=0.1)))
    assert "random-outputs" in codes


def test_noise_of_python():
    noise = np.random.default_rng(0)

    def network(x):
        return NETWORK(x) + tf.constant(noise.normal(size=10).astype(np.float32))

    assert "random-outputs" in found_before(network)


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        (keras.layers.Dropout(0.3), "random-outputs"),
        (keras.layers.BatchNormalization(), "batch-dependent"),
    ],
)
def test_training_mode(layer, code):
    layer.build((None, 8, 8, 1))
    assert code in found_before(lambda x: NETWORK(layer(x, training=True)))


def test_a_model_of_0_to_255_without_bounds():
    def network(x):
        return NETWORK(x / 255)

    assert {"bounds", "near-chance"} <= found_before(network)
    assert "bounds" not in found_before(network, bounds=Bounds(0, 255))


def test_labels_shifted_by_one():
    keep = DATA.y < 9
    data = type(DATA)("digits", DATA.x[keep], DATA.y[keep] + 1, DATA.sha256)
    assert "labels-shifted" in found_before(NETWORK, data)


def test_labels_in_another_order():
    order = np.random.default_rng(0).permutation(10)
    assert "labels-permuted" in found_before(NETWORK, with_labels(order[DATA.y]))


def test_labels_of_other_images():
    assert "near-chance" in found_before(NETWORK, with_labels(np.roll(DATA.y, 1)))


def test_a_wrong_number_of_classes():
    more = found_before(lambda x: tf.pad(NETWORK(x), [[0, 0], [0, 2]], constant_values=-100.0))
    assert "classes" in more
    with pytest.raises(InputError, match=r"y: image \d+: expected a class from 0 to 4, got"):
        found_before(lambda x: NETWORK(x)[:, :5])
    wrong = Target("own", NETWORK, (8, 8, 1), 12)
    with pytest.raises(InputError, match=r"own: expected float32 logits \[N, 12\] .*, 10\)"):
        checks.before(wrong, DATA.x, DATA.y)


def test_a_clean_accuracy_far_from_the_published_one():
    assert "clean-accuracy" in found_before(NETWORK, published=0.6)
    assert "clean-accuracy" not in found_before(NETWORK, published=0.97)


def test_a_gradient_that_is_wrong():
    """Only the logits' values are right; each gradient points the other way."""

    @tf.custom_gradient
    def turned(x):
        return x, lambda upstream: -upstream

    codes = found(lambda x: NETWORK(turned(x)))
    assert {"huge-eps", "search-wins"} <= codes


def test_a_gradient_that_vanishes():
    def network(x):
        return NETWORK(x + tf.stop_gradient(tf.round(x * 4) / 4 - x) + 0 * x * tf.stop_gradient(x))

    @tf.custom_gradient
    def flat(x):
        return tf.round(x * 8) / 8, lambda upstream: tf.zeros_like(upstream)

    codes = found(lambda x: NETWORK(flat(x)))
    assert {"vanishing-gradients", "huge-eps"} <= codes
    assert "vanishing-gradients" not in found_before(network)


def test_outputs_that_tie():
    assert "tied-outputs" in found_before(lambda x: tf.minimum(NETWORK(x), 2))


def test_images_outside_the_range_and_of_another_unit():
    x = DATA.x.copy()
    x[3, 0, 0, 0] = 1.2
    assert {"images-outside-range"} <= set(
        evaluate(NETWORK, x, DATA.y, eps=EPS, budget=10, progress=False).warnings
    )
    rescaled = evaluate(NETWORK, 255 * DATA.x, DATA.y, eps=EPS, budget=10, progress=False)
    assert "images-rescaled" in rescaled.warnings
    narrow = evaluate(NETWORK, DATA.x / 255, DATA.y, eps=EPS, budget=10, progress=False)
    assert "images-narrow-range" in narrow.warnings


def test_logits_that_are_no_numbers():
    with pytest.raises(InputError, match="image 0: expected finite logits, got nan or inf"):
        found_before(lambda x: NETWORK(x) * np.nan)


def test_every_code_has_its_section_and_every_section_its_code():
    text = Path("docs/checks.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### `([a-z0-9-]+)`$", text, re.MULTILINE)
    sources = [*Path("daa/targets").rglob("*.py"), *Path("daa/evaluation").glob("*.py")]
    notes = set()
    for path in sources:
        notes |= set(re.findall(r"Note\(\s*\"([a-z-]+)\"", path.read_text(encoding="utf-8")))
    assert sorted(sections) == sorted({*checks.ADVICE, *notes})
    assert sections == sorted(sections[: len(checks.ADVICE)]) + sorted(
        sections[len(checks.ADVICE) :]
    )
    assert Note("softmax-removed", "").code in notes
