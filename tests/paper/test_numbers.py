"""What the paper prints, against what this project knows of it."""

from collections import Counter

import pytest

from daa import targets
from daa.errors import InputError
from daa.leaderboard import boards
from daa.paper import claims as numbers


def test_every_number_of_both_versions_is_there_once():
    found = numbers.printed()
    assert len(set(found)) == len(found)
    kinds = Counter(number.kind for number in found)
    # Table 1, Table 3/2, Table 4/3 and Table 5, the public and both values of the secret CIFAR10
    # network.
    assert kinds["worst"] == 10 + 10 + 20 + 3 + 1 + 2
    assert (kinds["top-5"], kinds["merged"], kinds["single"], kinds["examples"]) == (3, 1, 4, 1)
    assert (kinds["t"], kinds["p"], kinds["p paired"]) == (4, 4, 4)
    values = {(number.config, number.run, number.kind): number.text for number in found}
    assert values["table1", "blob-xent", "worst"] == "88.79"
    assert values["table1", "pgd-xent", "single"] == "92.5"
    assert values["merged_mnist", None, "merged"] == "88.56"
    assert values["table_cifar10", "rand_fgsm-xent-eps16", "worst"] == "38.80"
    assert values["table_imagenet", "dgf-xent", "top-5"] == "35.32"
    assert values["table_fmnist", "blob-xent", "t"] == "119.24"
    assert values["table_fmnist", "dgf-xent", "p paired"] == "3e-27"
    secret = [n.text for n in found if n.config == "headline_cifar10" and n.kind == "worst"]
    assert secret == ["44.71", "44.73"]


def test_orders_follow_from_the_printed_values():
    orders = {(n.config, n.run): n.text for n in numbers.printed() if n.kind == "order"}
    assert len(orders) == 4 + 4 + 8
    assert orders["table1", "dgf-cw"] == "below PGD"  # 89.25 and 89.57
    assert orders["table_cifar10", "blob-cw-eps8"] == "above PGD"  # 46.30 and 46.27
    assert orders["table_cifar10", "dgf-cw-eps16"] == "equal to PGD"  # 16.06 both
    everywhere = [n.config for n in numbers.printed() if n.kind == "lowest"]
    assert everywhere == ["figure2", "provable_mnist", "figure3"]


def test_every_entry_can_be_run():
    images: dict[str, set[int]] = {}
    for entry in numbers.entries():
        experiment = numbers.load(entry.config)
        if entry.board:
            assert boards.value(experiment.target, entry.board) > 0
        if entry.stand_in:
            # A network is loaded once, with one number of images for all that it stands in for.
            images.setdefault(entry.stand_in.target, set()).add(entry.stand_in.images)
            model = targets.model_of(entry.stand_in.target)
            assert model.image_shape == targets.model_of(experiment.target).image_shape
    assert all(len(found) == 1 for found in images.values())


def test_an_entry_that_a_board_lacks_is_named():
    target = numbers.load("table1").target
    with pytest.raises(InputError, match="expected an entry 'x', got 'none'"):
        boards.value(target, "x")
    with pytest.raises(InputError, match="expected a board of tiny/cnn, got none"):
        boards.value("tiny/cnn", "x")
