"""AutoAttack on a target, and this project's Auto-PGD and Square beside AutoAttack's."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tiny
from toys import images, linear_target

from daa import AttackConfig, InputError, targets, worst_case
from daa.attacks import ball_l2
from daa.attacks.losses import xent
from daa.target import input_gradient, predict

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("pyautoattack", reason="pyautoattack is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:there are .* points with zero gradient")
EPS = 0.15


def digits_network(images):
    return tiny.load_target("cnn"), tiny.load_dataset("test").first(images)


def test_the_bridge_gives_logits_and_gradients(plugin):
    target, data = digits_network(30)
    network = plugin.Network(target)
    x = torch.tensor(np.moveaxis(data.x, -1, 1), requires_grad=True)
    logits = network(x)
    np.testing.assert_allclose(logits.detach(), predict(target, data.x), rtol=1e-5, atol=1e-5)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(data.y), reduction="sum")
    for _ in range(2):  # a gradient may be asked for twice
        (grad,) = torch.autograd.grad(loss, x, retain_graph=True)
        expected = np.moveaxis(input_gradient(target, data.x, data.y, xent), -1, 1)
        np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-5)
    assert network.gradients == 30 * (0.5 + 2 * 0.5)
    with torch.no_grad():
        network(x)
    assert network.gradients == 30 * 2


def test_it_finds_the_optimum_of_a_linear_model(plugin):
    target, w = linear_target(classes=5, shape=(4, 3, 2))
    x, _ = images(40, (4, 3, 2), 5)
    y = predict(target, x).argmax(axis=1)
    eps = 0.05
    # The margin to each other class falls by at most eps |w_y - w_k|_1, less at the ends of [0, 1].
    lower, upper = np.maximum(x - eps, 0), np.minimum(x + eps, 1)
    robust = np.ones(40, bool)
    for i, label in enumerate(y):
        for k in set(range(5)) - {label}:
            v = (w[:, label] - w[:, k]).reshape(x.shape[1:])
            robust[i] &= np.sum(np.where(v > 0, lower[i], upper[i]) * v) > 0
    result = plugin.attack(target, x, y, eps=eps, version="custom", attacks=("apgd-t",))
    np.testing.assert_array_equal(result.correct, robust)
    assert 0 < result.robust_accuracy < 1
    assert np.abs(result.adv.astype(float) - x).max() <= eps
    np.testing.assert_array_equal(predict(target, result.adv).argmax(axis=1) == y, robust)
    np.testing.assert_array_equal(result.adv[robust], x[robust])


@pytest.mark.slow
def test_the_standard_version_and_what_it_says(plugin):
    target, data = digits_network(30)
    result = plugin.attack(target, data.x, data.y, eps=EPS)
    attacks = [stage.attack for stage in result.stages]
    assert attacks == ["apgd-ce", "apgd-t", "fab-t", "square"]
    accuracies = [stage.accuracy for stage in result.stages]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[-1] == result.robust_accuracy == result.correct.mean()
    spent = [stage.gradients for stage in result.stages]
    # Auto-PGD makes 101 gradients on the images that are right; checks are a few forward passes.
    assert 90 < spent[0] < 110 and spent == sorted(spent) and spent[-1] <= result.gradients
    assert result.stages[-1].seconds <= result.seconds


def test_its_warnings_are_kept_not_printed(plugin, capfd):
    target, data = digits_network(20)
    target = replace(target, network=lambda x, old=target.network: tf.nn.softmax(old(x)))
    result = plugin.attack(target, data.x, data.y, eps=EPS, version="custom", attacks=("apgd-ce",))
    assert any("output is a probability distribution" in line for line in result.warnings)
    assert "probability" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"eps": 0}, "eps: expected 0 < eps <= 1, .* got 0"),
        ({"version": "custom"}, "attacks: expected names for version='custom' only, got None"),
        ({"attacks": ("square",)}, "attacks: expected names for version='custom' only"),
        ({"seed": -1}, "seed: expected a whole number >= 0, got -1"),
    ],
)
def test_options_that_cannot_work(plugin, options, message):
    target, data = digits_network(5)
    with pytest.raises(InputError, match=message):
        plugin.attack(target, data.x, data.y, **{"eps": EPS, **options})
    with pytest.raises(InputError, match="at least 4 classes for apgd-t, got 3"):
        plugin.attack(linear_target(classes=3)[0], *images(5), eps=0.1)


def theirs(plugin, target, data, make):
    """Robust accuracy of one of AutoAttack's attacks for five seeds."""
    network, found = plugin.Network(target), []
    torch.set_num_threads(1)
    with torch.no_grad():
        for seed in range(5):
            attack = make(network, seed)
            x = torch.tensor(np.moveaxis(data.x, -1, 1)).contiguous()
            adv = np.moveaxis(attack.perturb(x, torch.tensor(data.y)).numpy(), 1, -1)
            found.append((predict(target, adv).argmax(axis=1) == data.y).mean())
    return np.array(found)


def ours(target, data, method, restarts=1, **options):
    attack = target, AttackConfig(method, **{"eps": EPS, **options}), data.x, data.y
    reports = [worst_case(*attack, seed=seed, restarts=restarts) for seed in range(5)]
    return np.array([report.robust_accuracy[-1] for report in reports])


def agree(theirs, ours, images=200):
    """The means are the same within three standard errors and the worth of one image."""
    noise = 3 * np.sqrt((theirs.var(ddof=1) + ours.var(ddof=1)) / 5)
    assert abs(theirs.mean() - ours.mean()) <= noise + 1 / images, (theirs, ours)


# In its first checkpoint, the package compares the first loss with 0 instead of the loss at the
# start. After 100 steps that does not matter.
# Radii in the digits' unit; the two networks of this project that are trained in the L2 ball.
BALLS = {"tiny/cnn linf": EPS, "tiny/cnn l2": 0.6}
BALLS |= {"locuslab/own_mnist_l2 l2": 2.0, "madry_cifar10/own_l2 l2": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("ball", BALLS)
@pytest.mark.parametrize(
    ("name", "theirs_", "ours_"),
    [
        ("APGDAttack", {"n_iter": 100, "loss": "ce"}, {"loss": "xent", "steps": 100}),
        ("APGDAttack", {"n_iter": 100, "loss": "dlr"}, {"loss": "dlr", "steps": 100}),
        ("APGDAttack_targeted", {"n_iter": 30}, {"steps": 30, "restarts": 9}),
    ],
)
def test_auto_pgd_agrees(plugin, monkeypatch, name, theirs_, ours_, ball):
    from pyautoattack import autopgd_base

    reference, norm = ball.split()
    if "own" in reference and "DAA_DATA" not in os.environ:
        pytest.skip("DAA_DATA is not set")
    target, data = targets.load_target(reference), targets.load_dataset(reference, images=200)
    settings = {"eps": BALLS[ball], "norm": {"linf": "Linf", "l2": "L2"}[norm], **theirs_}

    def make(network, seed):
        return getattr(autopgd_base, name)(network, seed=seed, device="cpu", **settings)

    method = "apgd" if name == "APGDAttack" else "apgd_t"
    found = theirs(plugin, target, data, make)
    options = {"eps": BALLS[ball], "norm": norm, **ours_}
    if norm == "l2":  # the package clips last, so its images do not reach the radius
        assert ours(target, data, method, **options).mean() <= found.mean() + 1 / 200
        monkeypatch.setattr(ball_l2, "project", clipped_last)
        target = targets.load_target(reference)  # another graph
    agree(found, ours(target, data, method, **options))


def clipped_last(adv, x, eps, low, high):
    norms = tf.norm(tf.reshape(adv - x, [x.shape[0], -1]), axis=1)
    share = tf.minimum(1.0, tf.math.divide_no_nan(eps, tf.reshape(norms, [-1, 1, 1, 1])))
    return tf.clip_by_value(x + share * (adv - x), low, high)


@pytest.mark.slow
def test_square_agrees(plugin):
    from pyautoattack.square import SquareAttack

    # The package never moves the last row and column. Here they don't reach the network.
    target, data = digits_network(200)
    network = target.network
    target = replace(target, image_shape=(9, 9, 1), network=lambda x: network(x[:, :8, :8]))
    data = replace(data, x=np.pad(data.x, ((0, 0), (0, 1), (0, 1), (0, 0))))

    # AutoAttack leaves the schedule of the sizes at that of 10,000 queries; ours is rescaled.
    def make(network, seed):
        options = {"p_init": 0.8, "resc_schedule": True, "device": "cpu", "seed": seed}
        return SquareAttack(network, n_queries=1000, eps=EPS, **options)

    agree(theirs(plugin, target, data, make), ours(target, data, "square", steps=1000))
