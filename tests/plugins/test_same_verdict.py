"""The same robust accuracy through Python, Foolbox and ART."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

import daa

BUDGET, RADII = 20, {"linf": 48.0, "l2": 255.0}  # in pixel values
METHODS = ["adaptive", "pgd", "blob", "pgd l2"]
NETWORK = tiny.load_target("cnn").network


def model(x, training=False):
    """Probabilities for pixels from 0 to 255."""
    return tf.nn.softmax(NETWORK(x / 255))


@pytest.fixture(scope="module")
def images():
    data = tiny.load_dataset("test").first(80)
    return np.rint(255 * data.x).astype(np.uint8), data.y


@pytest.fixture(scope="module")
def reports(images):
    """Evaluations through Python."""
    shared, evaluations = {"budget": BUDGET, "bounds": (0, 255), "progress": False}, {}
    for name in METHODS:
        method, norm = parts(name)
        options = {"eps": RADII[norm] / 255, "norm": norm, **shared}
        evaluations[name] = daa.evaluate(model, *images, method=method, **options)
    return evaluations


def parts(name):
    """Method and norm."""
    return (*name.split(), "linf")[:2]


def options_of(method):
    return {"budget": float(BUDGET)} if method == "adaptive" else {"steps": BUDGET}


def test_the_attacks_differ_and_find_something(reports):
    found = [reports[method].robust_accuracy for method in METHODS]
    assert 0 < max(found) < reports["pgd"].clean_accuracy - 0.1
    assert [note.code for note in reports["pgd"].notes] == ["softmax-removed"]


def by_foolbox(method, norm, x, y):
    foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed")
    from daa.plugins.foolbox import DAA

    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 255), device="/CPU:0")
    attack = DAA(method, rel_stepsize=0.1, norm=norm, **options_of(method))
    adv, _, success = attack(wrapped, tf.constant(x), tf.constant(y), epsilons=RADII[norm])
    return adv.numpy(), ~success.numpy()


def by_art(method, norm, x, y):
    pytest.importorskip("art", reason="adversarial-robustness-toolbox is not installed")
    from test_art import classifier_of

    from daa.plugins.art import DAA

    classifier = classifier_of(tiny.load_target("cnn"), model=model, clip_values=(0, 255))
    options = {"eps": RADII[norm], "eps_step": RADII[norm] / 10, "options": options_of(method)}
    attack = DAA(classifier, method, norm={"linf": np.inf, "l2": 2}[norm], **options)
    adv = attack.generate(x, y)
    return adv, classifier.predict(adv).argmax(axis=1) == y


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("library", [by_foolbox, by_art])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_library_gives_the_same_images(library, name, images, reports):
    adv, right = library(*parts(name), images[0].astype(np.float32), images[1])
    assert right.mean() == pytest.approx(reports[name].robust_accuracy)
    np.testing.assert_allclose(adv / 255, reports[name].adv, atol=1e-6)
