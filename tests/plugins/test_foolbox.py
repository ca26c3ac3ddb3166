"""This project's attacks inside Foolbox."""

import numpy as np
import pytest
import tensorflow as tf

from daa import AttackConfig, InputError, worst_case

foolbox = pytest.importorskip("foolbox", reason="Foolbox is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EPS, FAST = 0.15, {"steps": 20, "steps_per_shuffle": 10, "batch_size": 20}


@pytest.fixture(scope="module")
def batch(network):
    """A model of Foolbox, images and labels."""
    target, data = network
    model = foolbox.TensorFlowModel(target, bounds=(0, 1), device="/CPU:0")
    return model, tf.constant(data.x), tf.constant(data.y)


def test_several_epsilons_and_restarts(plugin, network, batch):
    target, data = network
    epsilons = [0, 0.05, 0.1, EPS]
    once = plugin.DAADGF(**FAST)
    _, clipped, success = once(*batch, epsilons=epsilons)
    success = success.numpy()
    assert success.shape == (4, 50) and (np.diff(success.mean(axis=1)) >= 0).all()
    assert success[0].mean() < success[-1].mean()
    for adv, eps in zip(clipped, epsilons, strict=True):
        assert np.abs(adv.numpy() - data.x).max() <= eps + 1e-7
    thrice = once.repeat(3)
    assert (once.restarts, thrice.restarts, thrice.repeat(2).restarts) == (1, 3, 6)
    _, _, more = thrice(*batch, epsilons=epsilons)
    assert (more.numpy() >= success).all()
    config = AttackConfig("dgf", eps=EPS, step_size=EPS / 30, **FAST)
    report = worst_case(target, config, data.x, data.y, restarts=3)
    assert 1 - more.numpy()[-1].mean() == report.robust_accuracy[-1]


def test_the_adaptive_attack_repeats_with_other_seeds(plugin, batch):
    once, thrice = plugin.AdaptiveDAA(budget=20), plugin.AdaptiveDAA(budget=20).repeat(3)
    found = [a(*batch, epsilons=EPS)[2].numpy() for a in (once, thrice)]
    assert (found[1] >= found[0]).all()


def test_preprocessing_of_the_model_counts(plugin, network, batch):
    target, _ = network
    mean, std = np.float32(0.1), np.float32(0.5)
    plain = foolbox.TensorFlowModel(lambda x: target((x - mean) / std), bounds=(0, 1))
    inside = foolbox.TensorFlowModel(
        target, bounds=(0, 1), preprocessing={"mean": mean[None], "std": std[None], "axis": -1}
    )
    attack = plugin.DAABlob(**FAST)
    found = [attack(model, *batch[1:], epsilons=EPS)[0].numpy() for model in (plain, inside)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_class_to_be_reached(plugin, batch):
    model, x, y = batch
    criterion = foolbox.criteria.TargetedMisclassification((y + 1) % 10)
    attack = plugin.DAABlob(**{**FAST, "steps": 60})
    _, _, success = attack(model, x, criterion, epsilons=0.4)
    _, _, more = attack.repeat(3)(model, x, criterion, epsilons=0.4)
    assert 0.2 < success.numpy().mean() <= more.numpy().mean()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: p.DAA("nothing"), "method: expected one of fgsm, .*, got 'nothing'"),
        (lambda p: p.DAABlob().repeat(0), "times: expected at least 1, got 0"),
        (lambda p: p.DAABlob(nearest=3), "nearest: expected no such option for blob, got 3"),
    ],
)
def test_errors(plugin, batch, make, message):
    with pytest.raises(InputError, match=message):
        make(plugin)(*batch, epsilons=EPS)


def test_other_tensors_and_criteria_are_refused(plugin, batch):
    model, x, y = batch
    with pytest.raises(InputError, match="inputs: expected TensorFlow tensors, got NumPyTensor"):
        plugin.DAABlob().run(model, x.numpy(), y, epsilon=EPS)
    both = foolbox.criteria.Misclassification(y) & foolbox.criteria.Misclassification(y)
    with pytest.raises(InputError, match="criterion: expected Misclassification or Targeted"):
        plugin.DAABlob().run(model, x, both, epsilon=EPS)
