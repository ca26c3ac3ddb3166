"""What all results together say: cards, headline, what is unchecked."""

import numpy as np
import pytest

from daa.reports import cards as summary
from daa.reports import results as collection
from daa.reports.comparisons import budgeted
from daa.reports.results import Collected, collect
from daa.runs.config import RESULTS


@pytest.fixture(scope="module")
def budgets():
    return collect(RESULTS / "equal_budget")


def test_a_card_has_the_strongest_daa_and_the_pgd_it_is_compared_with(committed):
    card = summary.card(committed, collect(committed))
    assert [(n.name, n.record.run, n.text) for n in card.numbers] == [
        ("PGD", "pgd-xent", "88.24"),
        ("DAA-DGF", "dgf-xent", "86.40"),
    ]
    ((name, found),) = card.against
    assert (name, found.outcome, found.text) == ("DAA-DGF", "stronger", "stronger")
    assert found.points == pytest.approx(-1.84)
    assert card.outcomes == {"stronger": 4, "none": 0, "weaker": 0}
    assert card.part == ""


def test_no_difference_is_no_difference_however_low_the_number():
    folder = next(RESULTS.glob("table_fmnist-*"))
    ((_, found),) = summary.card(folder, collect(folder)).against
    assert found.points < 0 and found.p > 0.05
    assert (found.outcome, found.text) == ("none", "no difference found")


def test_a_card_of_several_radii_is_of_the_targets_own():
    folder = next(RESULTS.glob("table_cifar10-*"))
    card = summary.card(folder, collect(folder))
    assert card.part == "eps 8/255"
    assert {round(255 * n.record.attack.eps) for n in card.numbers} == {8}
    assert card.outcomes == {"stronger": 0, "none": 4, "weaker": 4}  # of both radii


def test_a_card_of_several_seeds_is_of_the_first_and_has_the_adaptive_attack(budgets):
    card = summary.card(RESULTS / "equal_budget", budgets)
    assert [n.name for n in card.numbers] == ["PGD", "DAA-DGF", "Adaptive DAA"]
    assert {n.record.seed for n in card.numbers} == {0}
    assert card.part == "seed 0"
    assert [name for name, _ in card.against] == ["DAA-DGF", "Adaptive DAA"]
    later = sorted(budgets.records, key=lambda record: record.seed != 1)
    card = summary.card(RESULTS / "equal_budget", Collected("t", tuple(later)))
    assert {n.record.seed for n in card.numbers} == {1}


def test_a_card_without_daa_has_pgd_alone():
    folder = RESULTS / "surrogate_mnist"
    card = summary.card(folder, collect(folder))
    assert [(n.name, n.text) for n in card.numbers] == [("PGD", "89.95")]
    assert card.against == () and card.comparisons == 0


def test_the_headline_is_the_mean_over_the_seeds(budgets):
    found = summary.headline(RESULTS / "equal_budget", budgets)
    of = {
        method: [100 * r.worst for r in budgets.records if r.attack.method == method]
        for method in ("adaptive", "pgd", "dgf")
    }
    assert found.adaptive == pytest.approx(np.mean(of["adaptive"]))
    assert found.pgd == pytest.approx(np.mean(of["pgd"]))
    assert (found.next_name, found.next_best) == (
        "DAA-DGF (cross-entropy)",
        pytest.approx(np.mean(of["dgf"])),
    )
    assert (found.stronger, found.seeds) == (3, 3)
    assert found.p == max(one.p_holm for one in budgeted(budgets.records))


def test_an_experiment_without_a_budget_is_no_headline(committed):
    assert summary.headline(committed, collect(committed)) is None


def test_an_adaptive_run_is_compared_with_pgd_of_its_seed_and_images(budgets):
    pairs = budgeted(budgets.records)
    assert [(one.daa.seed, one.pgd.seed) for one in pairs] == [(0, 0), (1, 1), (2, 2)]
    assert all(one.p_holm >= one.p for one in pairs)
    other = [r.model_copy(update={"images": 5}) for r in budgets.records if r.seed == 0]
    adaptive = [r for r in budgets.records if r.attack.method == "adaptive"]
    assert [one.daa.seed for one in budgeted([*adaptive, *other])] == [0]
    assert budgeted([*adaptive, *other])[0].daa.images == 5


def test_what_the_paper_has_and_no_result_is_named():
    found = [collect(folder) for folder in collection.folders()]
    missing = summary.unchecked(found)
    assert "table1" in missing["madry_mnist/secret"]
    assert "robust_mnist" not in str(missing)
    record = found[0].records[0]
    done = record.model_copy(update={"config": "table1", "target": "madry_mnist/secret"})
    missing = summary.unchecked([*found, Collected("t", (done,))])
    assert "table1" not in missing["madry_mnist/secret"]
