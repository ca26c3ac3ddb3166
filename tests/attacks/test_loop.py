from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf
from toys import config, images, linear_target

from daa import Attack, InputError, Target, worst_case
from daa.attacks.attack import keep_best
from daa.attacks.plans import Outcome, Report, Unit, on_robust
from daa.attacks.worst_case import margins, run_unit


class Recorder:
    """Replaces the compiled graph: notes its inputs, moves the images by `move`, even too far."""

    def __init__(self, move: float = 0.0, remember: float = 0.0) -> None:
        self.move, self.remember, self.calls = move, remember, []

    def __call__(self, images, memory, numbers, noise):
        steps = {name: int(numbers[name]) for name in ("begin", "end")}
        self.calls.append({**images, **steps, "memory": memory})
        kept = {name: tf.constant(value + self.remember) for name, value in memory.items()}
        moved = np.clip(images["adv"], *images["limits"]) + np.float32(self.move)
        return tf.constant(moved), kept, tf.constant(images["real"])  # only these are finite


def recorded(settings, x, y, recorder=None, **options):
    """The calls of the graph, and the result."""
    target, _ = linear_target()
    attack = Attack(target, settings)
    attack.inner_loop = recorder or Recorder()
    found = attack(x, y, **options)
    return attack.inner_loop.calls, found


def numbered(n=40):
    """Images that say their own number in the first pixel."""
    x, y = images(n)
    x[:, 0, 0, 0] = np.arange(n) / 100
    return x, y


def orders(calls):
    """The numbers of the images in each round, by the step at which the round begins."""
    found: dict[int, list[int]] = {}
    for call in calls:
        numbers = np.rint(100 * call["adv"][call["real"], 0, 0, 0]).astype(int)
        found.setdefault(call["begin"], []).extend(numbers.tolist())
    return found


PLAIN = config("blob", random_start=False)  # 20 steps, 5 between shuffles, minibatches of 16


def test_each_round_shuffles_all_particles_anew():
    x, y = numbered()
    calls, _ = recorded(PLAIN, x, y)
    rounds = orders(calls)
    assert list(rounds) == [0, 5, 10, 15]
    assert all(sorted(order) == list(range(40)) for order in rounds.values())
    assert len({tuple(order) for order in [range(40), *rounds.values()]}) == 5
    assert [(call["begin"], call["end"]) for call in calls] == [
        (k, k + 5) for k in (0, 5, 10, 15) for _ in range(3)
    ]
    assert [int(call["real"].sum()) for call in calls] == [16, 16, 8] * 4
    assert all(len(call["adv"]) == 16 for call in calls)
    calls, _ = recorded(config("pgd", random_start=False), x, y)
    assert orders(calls) == {0: list(range(40))}
    assert [(call["begin"], call["end"]) for call in calls] == [(0, 20)] * 3


NEVER = {"c": 5.0, "shuffle": "never", "steps_per_shuffle": None}


@pytest.mark.parametrize(("method", "options"), [("blob", NEVER), ("dgf", NEVER), ("momentum", {})])
def test_without_shuffles_images_depend_on_their_minibatch_only(method, options, target):
    x, y = images(11)
    attack = Attack(target, config(method, random_start=False, batch_size=3, **options))
    parts = [attack(x[k : k + 3], y[k : k + 3]) for k in (0, 3, 6, 9)]
    found = attack(x, y, seed=1)  # with padding in the last minibatch
    np.testing.assert_allclose(found, np.concatenate(parts), atol=1e-6)
    assert (attack(x[::-1], y[::-1])[::-1] != found).any() == (method != "momentum")


def test_shuffles_and_starts_come_from_seed_and_restart():
    x, y = numbered()

    def shuffle(**options):
        return tuple(orders(recorded(PLAIN, x, y, **options)[0])[0])

    def start(**options):
        return recorded(config("pgd"), x, y, **options)[1]

    for found in (shuffle, start):
        first = found(seed=1, restart=2)
        np.testing.assert_array_equal(found(seed=1, restart=2), first)
        for other in ({"seed": 1, "restart": 3}, {"seed": 2, "restart": 2}, {"seed": 1}):
            assert (np.array(found(**other)) != np.array(first)).any(), other


def test_what_is_remembered_comes_back_to_its_image():
    """Each round adds 1 to what is remembered of an image, wherever the image stood."""
    x, y = numbered()
    settings = config("blob", random_start=False, momentum=0.5)
    calls, _ = recorded(settings, x, y, Recorder(remember=1.0))
    for call in calls:
        np.testing.assert_array_equal(call["memory"]["velocity"][call["real"]], call["begin"] / 5)


def test_arrays_of_the_caller_stay_as_they_are(target, x, y):
    before = x.copy()
    first = x.copy()
    Attack(target, config("pgd"))(x, y, first=first)
    np.testing.assert_array_equal(first, before)
    report = worst_case(target, config("pgd"), x, y)
    kept = report.adv.copy()
    assert (kept != before).any()
    worst_case(target, config("pgd"), x, y, restarts=3, so_far=report)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(report.adv, kept)


def test_a_result_outside_ball_or_range_is_refused(x, y):
    with pytest.raises(InputError, match=r"adv: image 0, pixel \(0, 0, 0\): expected \|adv - x\|"):
        recorded(config("pgd", random_start=False), x, y, Recorder(move=0.101))
    x = 0.5 + x / 2
    with pytest.raises(InputError, match="expected 0 <= adv <= 1"):
        recorded(config("pgd", random_start=False), x, y, Recorder(move=0.099))
    free = config("pgd", random_start=False, clip_range=False)
    _, adv = recorded(free, x, y, Recorder(move=0.099))
    assert adv.max() > 1


def test_shuffles_do_not_change_a_schedule_of_step_lengths():
    target, _ = linear_target(classes=2)
    x, y = images(classes=2)
    options = {"step": "geometric", "first_step": 0.05, "last_step": 0.01, "step_size": None}
    plain = Attack(target, config("pgd", "cw", **options))(x, y)
    coupled = Attack(target, config("blob", "cw", c=0.0, **options))(x, y)
    np.testing.assert_allclose(coupled, plain, atol=1e-6)


def test_progress_counts_every_step_of_every_image_once(x, y):
    for settings in (PLAIN, config("pgd")):
        steps = []
        recorded(settings, x, y, on_steps=steps.append)
        assert sum(steps) == 40 * 20


def test_ranks_of_near_classes_reach_the_aim():
    target, _ = linear_target(classes=4)
    x, y = images(classes=4)
    ranks = np.arange(40) % 3
    settings = config("multitargeted", random_start=False)
    found = Attack(target, settings)(x, y, ranks=ranks)
    for rank in range(3):
        alone = Attack(target, settings)(x, y, restart=rank)
        np.testing.assert_array_equal(found[ranks == rank], alone[ranks == rank])
    assert (found != Attack(target, settings)(x, y)).any()


def broken(image: np.ndarray) -> Target:
    """A network whose gradient is not finite at images with this first pixel."""

    def network(x):
        rows = tf.reshape(x, [-1, 16])
        bad = tf.abs(rows[:, :1] - image) < 0.004
        zero = rows[:, 1:2] - tf.stop_gradient(rows[:, 1:2])  # TensorFlow 2.16 optimizes 0 * x
        root = tf.sqrt(tf.where(bad, zero, rows[:, 1:2] + 1.0))
        return tf.concat([rows[:, 2:3] + root, rows[:, 3:5]], axis=1)

    return Target("test/broken", network, (4, 4, 1), 3)


@pytest.mark.parametrize("method", ["pgd", "blob"])
@pytest.mark.parametrize("number", [13, 37])
def test_a_gradient_that_is_not_finite_is_named_with_its_image(method, number):
    """The particles of blob spread it, so the first step decides whose it was."""
    x, y = numbered()
    settings = config(method, "cw", random_start=False, step_size=1e-4)
    message = f"test/broken: {method}, cw: image {number}: expected a finite gradient, got one with"
    with pytest.raises(InputError, match=message):
        Attack(broken(number / 100), settings)(x, y)


def test_the_strongest_version_inside_ball_and_range_is_taken():
    """`beyond` is stronger only outside of the range."""
    sums = tf.constant([[-1.0, 1.0]] * 16)
    target = Target("test/sum", lambda x: tf.reshape(x, [-1, 16]) @ sums, (4, 4, 1), 2)
    x, y = np.ones((3, 4, 4, 1), np.float32), np.zeros(3, int)
    beyond = x + np.float32(0.09)
    beyond[:, :2] = 0.95
    settings = config("pgd", "cw", steps=1, step_size=1e-6)
    versions = np.stack([x, beyond])
    versions[:, 1] = versions[::-1, 1]
    found = Attack(target, settings)(x, y, first=versions)
    np.testing.assert_allclose(found, x, atol=1e-5)


def test_of_equal_margins_the_first_image_is_the_best():
    first, second, logits = tf.zeros([1, 2, 2, 1]), tf.ones([1, 2, 2, 1]), tf.constant([[1.0, 0]])
    memory = {"best": -first, "best_margin": tf.constant([np.inf])}
    for adv in (first, second):
        memory = keep_best(adv, logits, tf.constant([0]), memory)
    np.testing.assert_array_equal(memory["best"], first)
    memory = keep_best(second, logits - [0.5, 0.0], tf.constant([0]), memory)
    np.testing.assert_array_equal(memory["best"], second)
    assert memory["best_margin"].numpy() == [0.5]


BLOCKS = [{"momentum": 0.5}, {"scale": 3.0}, {"keep": "best"}, {"loss": "cw"}]
SHARING = [
    config("pgd", step="geometric", step_size=None),
    *(config("pgd", **options) for options in ({}, *BLOCKS)),
    *(config("blob", **options) for options in ({}, {"formula": "paper"}, {"c": 3.0, "eps": 0.2})),
    *(config("fgsm", "cw"), config("odi", "cw", steps=1)),
]


def test_attacks_that_share_a_target_do_not_share_the_wrong_graph(x, y):
    shared, _ = linear_target()
    for settings in SHARING:
        alone, _ = linear_target()
        expected = Attack(alone, settings)(x, y)
        np.testing.assert_array_equal(Attack(shared, settings)(x, y), expected, str(settings))
    plain, compiled = (Attack(shared, config("pgd"), jit=jit).inner_loop for jit in (False, True))
    assert plain is not compiled
    assert plain is Attack(shared, config("pgd", eps=0.2), jit=False).inner_loop


UNIT = Unit(
    config("pgd"),
    seed=4,
    restart=5,
    images=np.array([3, 1]),
    first=np.full((2, 4, 4, 1), 0.1, np.float32),
    target_labels=np.array([1, 2]),
    ranks=np.array([0, 1]),
)


def test_a_unit_says_all_that_its_attack_gets(target, x, y):
    attack = Mock(target=target, return_value=0 * x[[3, 1]])
    found = run_unit(attack, x, y, UNIT)
    np.testing.assert_equal(attack.call_args.args, (x[[3, 1]], y[[3, 1]]))
    for name in ("seed", "restart", "first", "target_labels", "ranks"):
        assert attack.call_args.kwargs[name] is getattr(UNIT, name), name
    np.testing.assert_array_equal(found.margin, margins(target, 0 * x[[3, 1]], y[[3, 1]]))


def floats(*values):
    return np.array(values, np.float32)


REPORT = Report(
    np.zeros((4, 1, 1, 1), np.float32),
    margin=floats(-1, 0, 2, 0),
    natural=floats(1, 1, 2, 0),
    history=(
        Outcome(None, floats(1, 0, 3, 1), 10.0),
        Outcome(np.array([2, 0]), floats(2, -1), 5.0),
        Outcome(None, floats(5, 5, 5, 5), 1.0),
    ),
)


def test_a_report_counts_ties_as_wrong_and_what_was_left_out_as_right():
    right = [[True, False, True, True], [False, True, True, True], [True] * 4]
    np.testing.assert_array_equal(REPORT.correct_per_restart, right)
    assert REPORT.accuracy_per_restart.tolist() == [0.75, 0.75, 1.0]
    assert REPORT.clean_accuracy == 0.75
    assert REPORT.robust_accuracy.tolist() == [0.5, 0.25, 0.25]
    assert REPORT.broken_in.tolist() == [2, 1, 4, 0]


def test_a_report_counts_gradients_for_each_image_and_after_each_unit():
    assert REPORT.gradients.tolist() == [16, 11, 16, 11]
    assert REPORT.gradients_after.tolist() == [10, 12.5, 13.5]
    assert Unit(config("pgd"), 0, 0, overhead=0.5).gradients == 20.5


def test_restarts_on_the_standing_images_wait_and_end_when_none_is_left():
    labels = np.array([5, 6, 7, 8])
    plan = on_robust(config("pgd"), 7, 9, REPORT, labels)
    unit = next(plan)
    assert (unit.seed, unit.restart, unit.images.tolist()) == (7, 0, [2])
    assert unit.target_labels.tolist() == [7]
    assert unit.gradients == 20.5
    assert plan.send(REPORT) is None  # no result is in yet
    rest = Report(REPORT.adv, floats(-1, 3, 2, 0), REPORT.natural, (*REPORT.history, UNIT))
    following = plan.send(rest)
    assert (following.restart, following.images.tolist()) == (1, [1, 2])
    broken = Report(REPORT.adv, floats(-1, 0, 0, 0), REPORT.natural, (*rest.history, UNIT))
    with pytest.raises(StopIteration):
        plan.send(broken)
