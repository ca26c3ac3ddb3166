"""The leaderboards of the results page."""

import pytest

from daa.leaderboard import boards, on_page
from daa.reports.page import Entry
from daa.reports.results import load


def test_only_complete_runs_on_the_boards_network_are_ranked(folder, change):
    for path in folder.glob("*-*.json"):
        change(path, target="madry_mnist/secret", weights="surrogate")
    assert on_page.own([load(folder)]) == []
    for path in folder.glob("*-*.json"):
        change(path, weights="original", images=9_999)
    change(folder / "dgf-xent.json", images=10_000, robust_accuracy=[0.8801] * 10)
    change(folder / "pgd-xent.json", images=10_000, weights="third-party")
    mnist, cifar10 = on_page.make([load(folder)], True)
    (own,) = [entry for entry in mnist.entries if entry.own]
    assert own == Entry(2, "DAA-DGF (this project)", pytest.approx(88.01), own=True)
    vacant = Entry(None, "this project: no run on madry_cifar10/secret", None, own=True)
    assert [entry for entry in cifar10.entries if entry.own] == [vacant]
    assert on_page.make([load(folder)], False) == [mnist]


def test_the_living_board_is_shown_if_it_has_entries(folder):
    before, record = on_page.make([load(folder)], True), load(folder).records[0]
    entry = boards.make(
        **{"name": "A strong attack", "by": "A. Name", "method": "100 steps", "url": None},
        **{"target": "locuslab/own_mnist", "images": 10_000, "eps": 0.3, "accuracy": 0.8123},
        **{name: getattr(record, name) for name in ("weights_sha256", "data_sha256")},
        array_sha256="0" * 64,
    )
    boards.insert(entry, folder.parent / "board")
    living, *others = on_page.make([load(folder)], True)
    assert living.entries == [Entry(1, "A strong attack", pytest.approx(81.23), "A. Name")]
    assert others == before and on_page.make([load(folder)], False) == []
