"""This project's attacks inside ART."""

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest

from daa import InputError

pytest.importorskip("art", reason="adversarial-robustness-toolbox is not installed")
EPS, FAST = 0.15, {"steps": 20, "steps_per_shuffle": 10, "batch_size": 20}


def classifier_of(target, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.estimators.classification import TensorFlowV2Classifier

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    usual = {"model": lambda x, training=False: target(x), "clip_values": (0, 1)}
    shape = {"nb_classes": 10, "input_shape": target.image_shape}
    return TensorFlowV2Classifier(loss_object=loss, **shape, **{**usual, **options})


def test_preprocessing_of_the_classifier_counts(plugin, network):
    target, data = network
    plain = classifier_of(replace(target, network=lambda x: target.network((x - 0.1) / 0.5)))
    inside = classifier_of(target, preprocessing=(0.1, 0.5))
    attacks = [plugin.DAA(one, eps=EPS, options=FAST) for one in (plain, inside)]
    np.testing.assert_allclose(*[a.generate(data.x, data.y) for a in attacks], atol=1e-5)


def test_labels_may_be_numbers_one_hot_or_the_classifier_s_own(plugin, network):
    target, data = network
    classifier = classifier_of(target)
    attack = plugin.DAA(classifier, eps=EPS, options=FAST)
    numbers = attack.generate(data.x, data.y)
    np.testing.assert_array_equal(attack.generate(data.x, np.eye(10)[data.y]), numbers)
    own = classifier.predict(data.x).argmax(axis=1)
    np.testing.assert_array_equal(attack.generate(data.x), attack.generate(data.x, own))


def test_it_is_one_of_the_attacks_of_autoattack(plugin, network):
    pytest.importorskip("multiprocess", reason="ART's AutoAttack needs multiprocess")
    from art.attacks.evasion import AutoAttack, FastGradientMethod

    target, data = network
    classifier = classifier_of(target)
    attacks = [
        FastGradientMethod(classifier, eps=EPS),
        plugin.DAA(classifier, eps=EPS, eps_step=0.02, restarts=2, options=FAST),
        plugin.DAA(classifier, "adaptive", eps=EPS, options={"budget": 20}),
    ]
    auto = AutoAttack(classifier, eps=EPS, attacks=attacks)
    adv = auto.generate(data.x, data.y)
    standing = [
        (classifier.predict(images).argmax(axis=1) == data.y).mean()
        for images in (data.x, attacks[0].generate(data.x, data.y), adv)
    ]
    assert standing[0] > standing[1] > standing[2]
    assert set(auto.best_attacks) >= {0, 1}  # DAA breaks images that FGSM does not
    assert np.abs(adv - data.x).max() <= EPS + 1e-6


def test_a_class_to_be_reached(plugin, network):
    target, data = network
    options = {**FAST, "steps": 60}
    attack = plugin.DAA(classifier_of(target), eps=0.4, targeted=True, options=options)
    goal = (data.y + 1) % 10
    reached = attack.estimator.predict(attack.generate(data.x, goal)).argmax(axis=1) == goal
    assert reached.mean() > 0.2
    with pytest.raises(InputError, match="y: expected the classes to be reached, got None"):
        attack.generate(data.x)


def test_parameters_change_as_in_art(plugin, network):
    target, _ = network
    attack = plugin.DAA(classifier_of(target), eps=EPS)
    attack.set_params(eps=0.1, method="dgf", targeted=True)
    assert (attack.eps, attack.method, attack.targeted) == (0.1, "dgf", True)
    assert "method=dgf" in repr(attack)
    with pytest.raises(InputError, match="method: expected one of"):
        attack.set_params(method="nothing")
    with pytest.raises(InputError, match="clip_values: expected the range of the pixels"):
        plugin.DAA(classifier_of(target, clip_values=None))
