"""Adaptive DAA beside AutoAttack: what the file holds, and what its table says."""

import json
from types import SimpleNamespace

import pytest
from toys import labelled, network

from benchmarks.race import again, race
from daa import InputError
from daa.reports import races
from daa.reports.races import Course, Point, Race
from daa.target import Dataset


def course(*points, seed=0):
    """A course through (accuracy, gradients, seconds); processor time is twice as long."""
    made = [
        Point(attack=f"unit {k}", accuracy=a, gradients=g, seconds=s, cpu_seconds=2 * s)
        for k, (a, g, s) in enumerate(points)
    ]
    return Course(seed=seed, points=tuple(made))


def example(*adaptive, cores=2):
    return Race(
        target="folder/name",
        weights="own",
        weights_sha256=None,
        data="mnist/test",
        data_sha256=None,
        images=1000,
        eps=0.3,
        cores=cores,
        clean_accuracy=0.99,
        autoattack=course((0.88, 100, 10), (0.85, 5000, 100)),
        adaptive=adaptive,
        device="CPU",
        versions={},
        git_commit=None,
    )


FAST = course((0.9, 10, 1), (0.852, 25, 4), (0.85, 50, 8), (0.84, 150, 20))
SLOW = course((0.9, 10, 1), (0.853, 25, 4), (0.849, 50, 5), seed=1)


def test_the_verdict_takes_the_first_point_within_reach():
    text = races.verdict(example(FAST, SLOW))
    assert "85.00 % in every run" in text
    assert "20 to 25 times less processor time" in text
    assert "100 to 200 times fewer gradients" in text


def test_the_verdict_says_so_where_a_run_does_not_get_there():
    never = course((0.9, 10, 1), (0.8521, 150, 20), seed=2)
    assert "in 1 of 2 runs" in races.verdict(example(FAST, never))


def test_the_table_has_every_stage_and_how_far_each_run_got():
    never = course((0.9, 10, 1), seed=2)
    found = [(row[0], row[1], row[2]) for row in races.rows(example(FAST, never))]
    assert found == [
        ("AutoAttack: unit 0", "0", "88.00"),
        ("AutoAttack: unit 1", "0", "85.00"),
        ("Adaptive DAA at AutoAttack's + 0.2", "0", "85.20"),
        ("Adaptive DAA at AutoAttack's", "0", "85.00"),
        ("Adaptive DAA, end", "0", "84.00"),
        ("Adaptive DAA, end", "2", "90.00"),
    ]


def test_a_race_replaces_the_one_with_as_many_cores(tmp_path):
    races.add(tmp_path, example(FAST, cores=2))
    races.add(tmp_path, example(FAST, cores=1))
    path = races.add(tmp_path, example(SLOW, cores=2))
    assert [one.cores for one in races.load(tmp_path)] == [1, 2]
    assert races.load(tmp_path)[1].adaptive == (SLOW,)
    assert path.read_text().count("folder/name") == 2
    assert races.load(tmp_path / "elsewhere") == ()


@pytest.mark.parametrize(
    "content", ["[", "[" * 9999, "[]", '{"schema": 2, "races": []}', '{"schema": 1}']
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / races.NAME).write_text(content)
    with pytest.raises(InputError, match=races.NAME):
        races.load(tmp_path)


def test_both_attacks_run_on_the_same_images(tmp_path):
    target = network()
    data = Dataset("test/relu", *labelled(target, 60), "")
    asked = []

    def autoattack(target, x, y, *, eps, seed):
        asked.append((len(x), eps, seed))
        stage = SimpleNamespace(
            attack="square", accuracy=0.5, gradients=9.0, seconds=2.0, cpu_seconds=3.0
        )
        return SimpleNamespace(stages=[stage], robust_accuracy=0.4)

    found = race(target, data, 0.03, autoattack, budget=20.0, seeds=(3, 4))
    assert asked == [(60, 0.03, 3)]
    assert [one.seed for one in found.adaptive] == [3, 4]
    assert found.autoattack.last.accuracy == 0.4  # as this project judges the images
    for one in found.adaptive:
        assert 0 < one.last.gradients <= 20
        accuracies = [point.accuracy for point in one.points]
        assert accuracies == sorted(accuracies, reverse=True)
    races.add(tmp_path, found)
    assert json.loads((tmp_path / races.NAME).read_text())["races"][0]["images"] == 60


def test_a_run_of_autoattack_is_kept_for_a_new_race(tmp_path):
    target = network()
    data = Dataset("test/relu", *labelled(target, 60), "")
    stage = SimpleNamespace(attack="square", accuracy=0.5, gradients=9.0, seconds=2, cpu_seconds=3)
    result = SimpleNamespace(stages=[stage], robust_accuracy=0.4)
    first = race(target, data, 0.03, lambda *given, **more: result, budget=20.0, seeds=(3,))
    races.add(tmp_path, first.model_copy(update={"git_commit": "old"}))

    def anew(images=data, eps=0.03):
        return again(target, images, eps, tmp_path, budget=30.0, seeds=(3,))

    second = anew()
    assert second.autoattack == first.autoattack
    assert second.adaptive[0].last.gradients > 20
    assert second.autoattack_commit == "old"
    assert "in two processes" in races.about(second)
    with pytest.raises(
        InputError, match=r"autoattack.json: eps: expected 0.02 as asked .* got 0.0"
    ):
        anew(eps=0.02)
    with pytest.raises(InputError, match="images: expected 59 as asked for now, got 60"):
        anew(data.first(59))
    other = first.model_copy(update={"versions": {**first.versions, "numpy": "1"}})
    races.add(tmp_path, other)
    with pytest.raises(InputError, match=r"numpy: expected .* as it is now, got '1'"):
        anew()
    (tmp_path / races.NAME).unlink()
    with pytest.raises(InputError, match=r"expected a race on \d+ cores, got none"):
        anew()
