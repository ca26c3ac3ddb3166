"""One update of adversarial training, compared with the same update in NumPy.

The network is one matrix product, so each update has a closed form.
"""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import images

from daa import Bounds
from daa.targets import Model
from daa.training import trainer
from daa.training.recipe import TrainConfig
from daa.training.training import make_trainer

CLASSES, SHAPE = 3, (2, 2, 1)
PLAIN = TrainConfig(
    **{"target": "test/linear", "eps": 0.1, "step_size": 0.03, "steps": 4, "epochs": 1},
    **{"batch_size": 8, "optimizer": "momentum", "learning_rate": 0.5, "schedule": "constant"},
)


def data(n=8):
    return images(n, SHAPE)


def initial(rng):
    shapes = {"kernel": (4, CLASSES), "bias": (CLASSES,)}
    return {name: rng.standard_normal(shape).astype("f4") for name, shape in shapes.items()}


def linear(v):
    return lambda x: tf.reshape(x, [-1, 4]) @ v["kernel"] + v["bias"]


MODEL = Model(linear, {}, SHAPE, CLASSES, bounds=Bounds(-1, 3), initialize=initial)


def make(model=MODEL, n=8, **changes):
    """A training on n images."""
    return make_trainer(PLAIN.model_copy(update=changes), model, n)


def by_hand(w, x, y, noise, config, ramp=1.0):
    """Loss of one update at its adversarial images, and gradients of the weights."""
    rows, eps, step = x.reshape(len(x), 4).astype(float), ramp * config.eps, ramp * config.step_size
    lower, upper = np.maximum(rows - eps, 0), np.minimum(rows + eps, 1)
    adv = np.clip(rows + eps * noise.reshape(rows.shape), lower, upper)
    truth = np.eye(CLASSES)[y]

    def error(adv):
        z = (-1 + 4 * adv) @ w["kernel"] + w["bias"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) - truth

    for _ in range(config.steps):
        adv = np.clip(adv + step * np.sign(error(adv) @ w["kernel"].T), lower, upper)
    loss = -np.log((error(adv) + truth)[np.arange(len(y)), y]).mean()
    kernel = (-1 + 4 * adv).T @ error(adv) / len(y) + config.weight_decay * w["kernel"]
    return loss, {"kernel": kernel, "bias": error(adv).mean(axis=0)}


@pytest.fixture
def noise():
    return 2 * np.random.default_rng(5).random((8, *SHAPE), dtype=np.float32) - 1


@pytest.mark.parametrize("changes", [{}, {"weight_decay": 0.3}, {"steps": 1, "eps": 0.3}])
def test_an_update_minimizes_the_loss_at_images_that_maximize_it(changes, noise):
    trained, (x, y) = make(**changes), data()
    before = trained.arrays()
    loss = trained._update(x, y, noise)
    expected, gradients = by_hand(before, x, y, noise, trained.config)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for name, after in trained.arrays().items():
        np.testing.assert_allclose(after, before[name] - 0.5 * gradients[name], atol=1e-5)


def test_the_radius_rises_with_the_updates(noise):
    """The second of eight updates, of which half are the ramp, has a quarter of the radius."""
    trained, (x, y) = make(n=64, ramp=0.5), data()
    for ramp in (0.0, 0.25, 0.5, 0.75, 1.0, 1.0):
        expected, _ = by_hand(trained.arrays(), x, y, noise, trained.config, ramp)
        assert float(trained._update(x, y, noise)) == pytest.approx(expected, rel=1e-4), ramp


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("steps", [1, 1, 0.1, 0.01]),
        ("cosine", [0.1, *(0.01 + 0.495 * (1 + np.cos(np.pi * np.array([1, 6, 11]) / 16)))]),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule, factors):
    trained, (x, y) = make(n=32, schedule=schedule), data()
    for factor in factors:
        trained._update(x, y, np.zeros(x.shape, "f4"))
        rate = float(trained.optimizer.learning_rate.numpy())
        assert rate == pytest.approx(0.5 * factor, rel=1e-5)


def batches(trained, numbers=(0,), n=30):
    """Images, labels and noise of all updates of some epochs."""
    seen = []
    trained._update = lambda *batch: seen.append(batch) or 1.0
    x, y = data(n)
    x[:, 0, 0, 0] = np.arange(n) / 100
    for number in numbers:
        trained.epoch(number, x, y, lambda loss: None)
    return seen


def test_each_epoch_has_a_new_order_and_new_noise_from_its_seed():
    seen = batches(make(), numbers=(0, 1, 0))
    assert len(seen) == 9  # three full minibatches per epoch
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
    assert (batches(make(seed=1))[0][2] != noises[0]).any()


def test_images_are_augmented_only_if_the_config_asks_for_it():
    assert all((x[:, 0, 0, 0] > 0).sum() >= 7 for x, _, _ in batches(make()))
    assert any((x == 0).mean() > 0.4 for x, _, _ in batches(make(augment=True)))


def test_crops_and_mirrors_preserve_the_pixels():
    x = np.random.default_rng(0).random((100, 6, 6, 1)).astype(np.float32)
    out = trainer.augment(x, np.random.default_rng(1), pad=1)
    assert out.shape == x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for image, original in zip(out, padded, strict=True):
        crops = [original[r : r + 6, c : c + 6] for r in range(3) for c in range(3)]
        assert any((image == a).all() or (image == a[:, ::-1]).all() for a in crops)


def test_moving_moments_follow_the_minibatch_and_are_not_trained():
    """With a decay of 0.9, the moments of the minibatch enter once with a weight of 0.1."""

    def training_network(v, on_moments):
        def logits(x):
            on_moments("norm", tf.constant([1.0, 2.0, 3.0]), tf.constant([5.0, 5.0, 5.0]))
            return linear(v)(x) + 1000 * tf.constant([1.0, 0.0, 0.0])

        return logits

    moments = {"norm/moving_mean": np.zeros(3, "f4"), "norm/moving_variance": np.ones(3, "f4")}
    start = {"initialize": lambda rng: initial(rng) | moments}
    trained = make(replace(MODEL, training_network=training_network, **start))
    (x, _), y = data(), np.zeros(8, np.int64)
    assert float(trained._update(x, y, np.zeros(x.shape, "f4"))) == 0
    after = trained.arrays()
    np.testing.assert_allclose(after["norm/moving_mean"], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(after["norm/moving_variance"], [1.4, 1.4, 1.4], rtol=1e-6)
    assert len(trained.trainable) == 2
