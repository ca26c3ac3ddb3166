import pytest

from daa import InputError
from daa.reports import autoattack
from daa.reports.autoattack import Course, Point
from daa.runs.config import RESULTS

FOLDER = RESULTS / "equal_budget"
RACES = autoattack.load(FOLDER)


def course(*points):
    """A course through (accuracy, gradients, seconds); processor time is twice the time."""
    made = [
        Point(attack=f"unit {k}", accuracy=a, gradients=g, seconds=s, cpu_seconds=2 * s)
        for k, (a, g, s) in enumerate(points)
    ]
    return Course(seed=0, points=tuple(made))


def test_both_attacks_are_charged_until_they_first_reach_a_level():
    fast = course((0.9, 10, 1), (0.852, 25, 4), (0.85, 50, 8), (0.84, 150, 20))
    slow = course((0.9, 10, 1), (0.853, 25, 4), (0.849, 50, 5))
    never = course((0.9, 10, 1), (0.8521, 40, 20))
    early = course((0.851, 500, 10), (0.85, 5000, 100))
    attacks = {"autoattack": early, "adaptive": (fast, slow, never)}
    final, *_ = autoattack.LEVELS
    assert autoattack.levels(RACES[0].model_copy(update=attacks)) == [
        [final, "85.00", "200.0", "16.0, 10.0, -", "12, 20, -", "100, 100, -"],
        ["+ 0.2", "85.20", "20.0", "8.0, 10.0, -", "2, 2, -", "20, 10, -"],
        ["+ 0.5", "85.50", "20.0", "8.0, 8.0, 40.0", "2, 2, 0", "20, 20, 12"],
        ["+ 1.0", "86.00", "20.0", "8.0, 8.0, 40.0", "2, 2, 0", "20, 20, 12"],
    ]


def test_a_committed_table_is_that_of_its_races():
    assert autoattack.markdown(RACES) == (FOLDER / "autoattack.md").read_text()
    two = RACES[0].model_copy(update={"autoattack_commit": "unknown"})
    assert autoattack.about(two).endswith("one attack after the other in two processes.")


@pytest.mark.parametrize("content", ["[", "[]", '{"schema": 2, "races": []}', '{"schema": 1}'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / autoattack.NAME).write_text(content)
    with pytest.raises(InputError, match=autoattack.NAME):
        autoattack.load(tmp_path)
