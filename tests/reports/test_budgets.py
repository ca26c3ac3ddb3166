"""Adaptive DAA and the strongest other attack after equal numbers of gradients."""

import pytest

from daa.attacks.methods import AttackConfig
from daa.reports import budgets, figures, stats, tables
from daa.reports.results import ResultSet, load
from daa.runs.config import RESULTS

BASE = load(RESULTS / "robust_mnist").records[0]
SHORT = AttackConfig("pgd", steps=20, budget=150.0)
LONG = AttackConfig("pgd", steps=100, budget=150.0)
ADAPTIVE = AttackConfig("adaptive", budget=150.0)


def run(attack, units, seed=0, gradients=(20.0, 60.0, 140.0)):
    """A record over 100 images; `units` are the images that each unit breaks, from unit 0 on."""
    broken = tuple(image for images in units for image in images)
    numbers = tuple(number for number, images in enumerate(units) for _ in images)
    correct = [1 - sum(n <= unit for n in numbers) / 100 for unit in range(len(gradients) + 1)]
    values = {"attack": attack, "seed": seed, "images": 100, "gradients_after": gradients}
    values["gradients_per_image"] = gradients[-1]
    values |= {"clean_accuracy": correct[0], "robust_accuracy": tuple(correct[1:])}
    return BASE.model_copy(update=values | {"broken": broken, "broken_in": numbers})


RUNS = (
    run(ADAPTIVE, ([0], range(1, 9), [], range(20, 30))),
    run(ADAPTIVE, ([0], range(1, 9), [], range(20, 30)), seed=1),
    run(SHORT, ([0], [1, 2], [3], [4])),
    run(LONG, ([0], range(5, 15)), gradients=(100.0,)),
    run(LONG, ([0], range(5, 13)), seed=1, gradients=(100.0,)),
)


def test_each_level_has_the_strongest_other_attack_and_a_paired_test():
    rows = budgets.levels(ResultSet(RUNS))
    assert [row.gradients for row in rows] == [25, 50, 100, 150]
    assert [row.name for row in rows] == [
        *["PGD (restarts of 20 steps), cross-entropy"] * 2,
        *["PGD (restarts of 100 steps), cross-entropy"] * 2,
    ]
    assert [row.adaptive for row in rows] == pytest.approx([91, 91, 91, 81])
    assert [row.other for row in rows] == pytest.approx([97, 97, 90, 90])
    assert [row.spent for row in rows] == [20, 20, 100, 100]
    counts = [[f"{p.only_daa} : {p.only_pgd}" for p in row.pairs] for row in rows]
    assert counts == [["6 : 0"]] * 2 + [["4 : 6", "4 : 4"], ["14 : 6", "14 : 4"]]
    p = [stats.mcnemar(*map(int, count.split(" : "))) for row in counts for count in row]
    assert [pair.p_holm for row in rows for pair in row.pairs] == pytest.approx(stats.holm(p))
    assert {row.stronger for row in rows} == {"neither"}
    last = ["6 : 0", f"{rows[0].pairs[0].p_holm:.2g}", "neither"]
    assert tables.levels(ResultSet(RUNS)).cells[0][7:] == last
    assert "strongest other attack" in tables.markdown(ResultSet(RUNS))


def test_a_level_before_the_end_of_the_first_restart_is_left_out():
    rows = budgets.levels(ResultSet((*RUNS[:2], *RUNS[3:])))
    assert [row.gradients for row in rows] == [100, 150]
    late = run(LONG, ([0], range(5, 15)), gradients=(52.0,))
    rows = budgets.levels(ResultSet((*RUNS[:2], late)))
    assert [(row.gradients, row.other) for row in rows] == [(50, 89), (100, 89), (150, 89)]


def test_the_stronger_attack_is_counted_by_seed():
    many = run(LONG, ([0], range(30, 90)), gradients=(100.0,))
    rows = budgets.levels(ResultSet((*RUNS[:2], many, RUNS[4])))
    assert rows[-1].stronger == "the other (1 of 2)"
    swapped = (run(ADAPTIVE, ([0], range(30, 60), [], [])), run(SHORT, ([0], [], [], [])))
    assert {row.stronger for row in budgets.levels(ResultSet(swapped))} == {"Adaptive DAA (1 of 1)"}


def test_old_records_are_tested_at_their_end_only():
    old = [record.model_copy(update={"broken_in": None}) for record in RUNS]
    rows = budgets.levels(ResultSet((*old,)))
    assert [len(row.pairs) for row in rows] == [0, 0, 0, 2]
    assert [row.other for row in rows] == pytest.approx([97, 97, 90, 90])
    assert tables.levels(ResultSet((*old,))).cells[0][7:] == ["", "", ""]


def test_experiments_without_both_sides_have_no_levels():
    assert not budgets.levels(ResultSet(RUNS[2:]))
    assert not budgets.levels(ResultSet(RUNS[:2]))
    assert not budgets.levels(ResultSet((*RUNS, BASE)))
    short = [r.model_copy(update={"attack": ADAPTIVE.replace(budget=100.0)}) for r in RUNS[:2]]
    weak = [r.model_copy(update={"attack": SHORT.replace(budget=60.0)}) for r in RUNS[2:3]]
    assert [row.gradients for row in budgets.levels(ResultSet((*RUNS[:2], *weak)))] == [25, 50]
    rows = budgets.levels(ResultSet((*short, *RUNS[2:])))
    assert [row.gradients for row in rows] == [25, 50, 100]


def test_the_figure_has_the_setting_with_most_seeds():
    plot = figures.budget(ResultSet(RUNS))
    assert [line.label for line in plot.lines] == ["Adaptive DAA", "PGD, 100 steps"]
    plot = figures.budget(ResultSet((*RUNS[:1], *RUNS[2:4])))
    assert [line.label for line in plot.lines][1] == "PGD, 100 steps"
