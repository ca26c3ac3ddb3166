"""One update of adversarial training, against the same update by hand.

The network is one product, so that each update has a closed form in NumPy.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from daa import Bounds, Dataset
from daa.targets import Model
from daa.training import trainer, training
from daa.training.recipe import TrainConfig
from madry_cifar10.model import initialize, network, training_network, variables_of

CLASSES, SHAPE = 3, (2, 2, 1)
PLAIN = TrainConfig(
    "test/linear",
    eps=0.1,
    step_size=0.03,
    steps=4,
    epochs=1,
    batch_size=8,
    optimizer="momentum",
    learning_rate=0.5,
    schedule="constant",
)
BOUNDS = Bounds(-1, 3)


def data(n=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, *SHAPE)).astype(np.float32), rng.integers(0, CLASSES, n)


def weights(seed=1):
    rng = np.random.default_rng(seed)
    arrays = {"kernel": rng.standard_normal((4, CLASSES)), "bias": rng.standard_normal(CLASSES)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def linear(v):
    return lambda x: tf.reshape(x, [-1, 4]) @ v["kernel"] + v["bias"]


def make(total=1, **changes):
    variables = {name: tf.Variable(value) for name, value in weights().items()}
    config = dataclasses.replace(PLAIN, **changes)
    return trainer.Trainer(linear, variables, config, total, bounds=BOUNDS)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def by_hand(w, x, y, noise, config, part=1.0):
    """The adversarial images of one update, the loss, and the gradients of the weights."""
    rows, eps, step = x.reshape(len(x), 4).astype(float), part * config.eps, part * config.step_size
    lower, upper = np.maximum(rows - eps, 0), np.minimum(rows + eps, 1)
    adv = np.clip(rows + eps * noise.reshape(rows.shape), lower, upper)
    truth = np.eye(CLASSES)[y]

    def error(adv):
        return softmax((-1 + 4 * adv) @ w["kernel"] + w["bias"]) - truth

    for _ in range(config.steps):
        adv = np.clip(adv + step * np.sign(error(adv) @ w["kernel"].T), lower, upper)
    loss = -np.log((error(adv) + truth)[np.arange(len(y)), y]).mean()
    kernel = (-1 + 4 * adv).T @ error(adv) / len(y) + config.weight_decay * w["kernel"]
    return adv, loss, {"kernel": kernel, "bias": error(adv).mean(axis=0)}


@pytest.mark.parametrize("changes", [{}, {"weight_decay": 0.3}, {"steps": 1, "eps": 0.3}])
def test_an_update_minimises_the_loss_at_images_that_maximise_it(changes):
    trained, (x, y), before = make(**changes), data(), weights()
    noise = 2 * np.random.default_rng(5).random(x.shape, dtype=np.float32) - 1
    loss = trained._update(x, y, noise)
    _, expected, gradients = by_hand(before, x, y, noise, trained.config)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for name, after in trained.arrays().items():
        np.testing.assert_allclose(after, before[name] - 0.5 * gradients[name], atol=1e-5)


def test_the_radius_rises_with_the_updates():
    """The second of eight updates, of which half are the ramp, has a quarter of the radius."""
    trained, (x, y) = make(total=8, ramp=0.5), data()
    noise = 2 * np.random.default_rng(5).random(x.shape, dtype=np.float32) - 1
    for part in (0.0, 0.25, 0.5, 0.75, 1.0, 1.0):
        w = trained.arrays()
        _, expected, _ = by_hand(w, x, y, noise, trained.config, part)
        assert float(trained._update(x, y, noise)) == pytest.approx(expected, rel=1e-4), part


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1, 1]),
        ("steps", [1, 1, 0.1, 0.01]),
        ("cosine", [0.1 * 1, None, None, None]),
    ],
)
def test_an_update_has_the_rate_of_its_schedule(schedule, rates):
    trained, (x, y) = make(total=4, schedule=schedule), data()
    for k, rate in enumerate(rates):
        trained._update(x, y, np.zeros(x.shape, "f4"))
        if rate is None:
            done = max(0.0, (k / 4 - 0.2) / 0.8)
            rate = min(1.25 * k + 0.1, 1) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done)))
        assert float(trained.optimizer.learning_rate.numpy()) == pytest.approx(0.5 * rate, rel=1e-5)


def epochs(trained, n=30, **changes):
    """What an update is given in some epochs: images, labels, noise."""
    seen = []
    trained._update = lambda *given: seen.append(given) or 1.0
    x, y = data(n)
    x[:, 0, 0, 0] = np.arange(n) / 100
    for number in changes.get("numbers", (0,)):
        trained.epoch(number, x, y, lambda loss: None)
    return seen


def test_each_epoch_has_an_order_and_noise_of_its_own():
    seen = epochs(make(), numbers=(0, 1, 0))
    assert len(seen) == 9  # three whole minibatches each
    orders = [np.concatenate([x[:, 0, 0, 0] for x, _, _ in seen[k : k + 3]]) for k in (0, 3, 6)]
    assert len(set(orders[0].tolist())) == 24
    assert (np.diff(orders[0]) < 0).any()
    assert (orders[0] != orders[1]).any()
    np.testing.assert_array_equal(orders[0], orders[2])
    noises = [seen[k][2] for k in (0, 3, 6)]
    assert (noises[0] != noises[1]).any()
    np.testing.assert_array_equal(noises[0], noises[2])
    assert noises[0].min() < -0.8
    assert noises[0].max() > 0.8
    other = epochs(make(seed=1))
    assert (other[0][2] != noises[0]).any()


def test_images_are_augmented_where_the_config_says_so():
    assert all((x[:, 0, 0, 0] > 0).sum() >= 7 for x, _, _ in epochs(make()))
    assert any((x == 0).mean() > 0.4 for x, _, _ in epochs(make(augment=True)))


def test_the_state_is_all_that_updates_depend_on():
    (x, y), noise = data(), np.zeros((8, *SHAPE), np.float32)
    one, other = make(total=4, optimizer="adam"), make(total=4, optimizer="adam")
    for _ in range(2):
        one._update(x, y, noise)
    other.restore(one.state())
    for trained in (one, other):
        trained._update(x, y, noise)
    for name, value in one.arrays().items():
        np.testing.assert_array_equal(value, other.arrays()[name])


FILTERS = (4, 4, 8, 16)


@pytest.fixture(scope="module")
def normalised():
    """Two updates of a small network with batch normalisation, and its weights before them."""
    arrays = initialize(np.random.default_rng(0), variables_of(FILTERS))
    variables = {name: tf.Variable(value) for name, value in arrays.items()}
    config = dataclasses.replace(PLAIN, eps=8 / 255, step_size=2 / 255, steps=1, batch_size=4)
    seen = []

    def watched(v, on_moments):
        def note(scope, mean, variance):
            seen.append(scope)
            on_moments(scope, mean, variance)

        return training_network(v, note)

    trained = trainer.Trainer(
        network, variables, config, 2, bounds=Bounds(0, 255), training_network=watched
    )
    x = np.random.default_rng(1).random((4, 32, 32, 3)).astype(np.float32)
    trained._update(x, np.arange(4), np.zeros(x.shape, np.float32))
    return arrays, trained, seen


def test_stored_moments_follow_those_of_the_minibatch_and_are_not_trained(normalised):
    """The first activation sees the first convolution, so its moments can be computed alone."""
    before, trained, seen = normalised
    names = [name for name in before if "/moving_" in name]
    assert len(trained.trainable) == len(before) - len(names)
    assert set(seen) == {name.rpartition("/")[0] for name in names}
    after = trained.arrays()
    for kind, start in (("mean", 0.0), ("variance", 1.0)):
        moved = after[f"unit_1_0/shared_activation/BatchNorm/moving_{kind}"] - start
        assert (moved != 0).all()
    # With a decay of 0.9 a tenth of the minibatch's moments enters; the gradient moved the kernel
    # after that, so they are those of the kernel before.
    x = np.random.default_rng(1).random((4, 32, 32, 3)).astype(np.float32)
    clean = tf.nn.conv2d(
        tf.image.per_image_standardization(255 * x), before["input/init_conv/DW"], 1, "SAME"
    )
    mean, variance = tf.nn.moments(clean, [0, 1, 2])
    scope = "unit_1_0/shared_activation/BatchNorm"
    spread = float(tf.reduce_max(tf.abs(mean)))
    np.testing.assert_allclose(after[f"{scope}/moving_mean"], 0.1 * mean, atol=0.02 * spread)
    expected = 0.9 + 0.1 * variance
    np.testing.assert_allclose(after[f"{scope}/moving_variance"], expected, rtol=0.02)


MODEL = Model(
    linear,
    {"kernel": (4, CLASSES), "bias": (CLASSES,)},
    SHAPE,
    CLASSES,
    bounds=BOUNDS,
    initialize=lambda rng: {
        "kernel": rng.standard_normal((4, CLASSES)).astype(np.float32),
        "bias": np.zeros(CLASSES, np.float32),
    },
)


def sets(n=20):
    x, y = data(n)
    return Dataset("d", x[:12], y[:12], ""), Dataset("d, held out", x[12:], y[12:], "")


def fitted(tmp_path, monkeypatch, accuracies, **changes):
    """The weights that `fit` returns when epochs end in these PGD accuracies, and all of them."""
    config = dataclasses.replace(PLAIN, epochs=len(accuracies), batch_size=4, **changes)
    trained = training.make_trainer(config, MODEL, 12)
    assert trained.total == 3 * len(accuracies)
    found, given, weights = iter(accuracies), [], []

    def judged(attack, held):
        given.append(held)
        weights.append(trained.arrays())
        return 1.0, next(found)

    monkeypatch.setattr(training, "accuracies", judged)
    seen, held = sets()
    best = training.fit(trained, MODEL, seen, held, tmp_path)
    assert all(data is held for data in given)
    return best, weights


@pytest.mark.parametrize(("accuracies", "best"), [([0.2, 0.6, 0.4], 1), ([0.5, 0.1, 0.5], 2)])
def test_the_best_epoch_is_kept_and_of_equal_ones_the_last(tmp_path, monkeypatch, accuracies, best):
    found, weights = fitted(tmp_path, monkeypatch, accuracies)
    np.testing.assert_array_equal(found["kernel"], weights[best]["kernel"])
    assert all((weights[k]["kernel"] != found["kernel"]).any() for k in {0, 1, 2} - {best})
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["pgd"] for line in log] == accuracies


def test_a_training_is_judged_by_20_steps_that_can_cross_the_ball():
    """Steps of 2.5 eps over their number, as Madry et al. 2018 have it."""
    attack = training.attack_on(make(), MODEL, make().variables).config
    assert (attack.method, attack.eps, attack.steps) == ("pgd", 0.1, 20)
    assert attack.step_size == pytest.approx(2.5 * 0.1 / 20)


def test_the_first_weights_come_from_the_seed_and_the_mode_from_the_model():
    one, other = (
        training.make_trainer(dataclasses.replace(PLAIN, seed=seed), MODEL, 12).arrays()
        for seed in (0, 1)
    )
    assert (one["kernel"] != other["kernel"]).any()
    mode = dataclasses.replace(MODEL, training_network=lambda v, on_moments: linear(v))
    assert training.make_trainer(PLAIN, mode, 12).training_network is mode.training_network


def test_images_held_out_are_the_last_ones_and_never_trained_on(tmp_path, monkeypatch):
    x, y = data(20)
    monkeypatch.setattr(training.targets, "model_of", lambda reference: MODEL)
    monkeypatch.setattr(
        training.targets, "load_dataset", lambda *_: Dataset("test/train", x, y, "hash")
    )
    given = {}

    def fit(trained, model, seen, held, folder, progress):
        given.update(seen=seen, held=held, total=trained.total)
        (folder / training.LOG).write_text("")
        (folder / training.STATE).write_text("")
        return trained.arrays()

    monkeypatch.setattr(training, "fit", fit)
    # These weights have learned nothing, for which they would be refused.
    monkeypatch.setattr(training, "judge", lambda *_: (1.0, 0.5))
    config = dataclasses.replace(PLAIN, holdout=5, epochs=7, batch_size=4)
    found = training.train(config, out=tmp_path / "w.npz")
    np.testing.assert_array_equal(given["seen"].x, x[:15])
    np.testing.assert_array_equal(given["held"].x, x[15:])
    np.testing.assert_array_equal(given["held"].y, y[15:])
    assert given["total"] == 7 * 3
    assert found.images == 20


def test_accuracies_count_ties_as_wrong_and_attack_the_images():
    class Attacked:
        target = training.Target("test/tie", lambda x: x[:, 0, :2, 0], (1, 2, 1), 2)

        def __call__(self, x, y):
            return np.where(x > 0.6, x, np.float32(0.5))

    x = np.array([[0.9, 0.1], [0.9, 0.7], [0.55, 0.5]], np.float32).reshape(3, 1, 2, 1)
    found = training.accuracies(Attacked(), Dataset("d", x, np.zeros(3, np.int64), ""))
    # The attack leaves 0.9 and 0.5, 0.9 and 0.7, and a tie.
    assert found == (1.0, pytest.approx(2 / 3))
