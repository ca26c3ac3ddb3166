from collections import Counter

from daa import targets
from daa.leaderboard import boards
from daa.paper import claims


def test_every_number_of_both_versions_occurs_once():
    found = claims.claims()
    assert len(set(found)) == len(found)
    kinds = Counter(claim.kind for claim in found)
    # Tables 1, 3 and 5, Table 4, the public network, and two values of the secret CIFAR10 network.
    assert kinds["worst"] == 10 + 10 + 3 + 20 + 1 + 2
    assert (kinds["top-5"], kinds["merged"], kinds["single"], kinds["examples"]) == (3, 1, 4, 1)
    assert (kinds["t"], kinds["p"], kinds["p paired"]) == (4, 4, 4)
    values = {(claim.config, claim.run, claim.kind): claim.text for claim in found}
    assert values["table1", "blob-xent", "worst"] == "88.79"
    assert values["table1", "pgd-xent", "single"] == "92.5"
    assert values["merged_mnist", None, "merged"] == "88.56"
    assert values["table_cifar10", "rand_fgsm-xent-eps16", "worst"] == "38.80"
    assert values["table_imagenet", "dgf-xent", "top-5"] == "35.32"
    assert values["table_fmnist", "dgf-xent", "p paired"] == "3e-27"
    secret = [c.text for c in found if c.config == "headline_cifar10" and c.kind == "worst"]
    assert secret == ["44.71", "44.73"]


def test_orders_follow_from_the_printed_values():
    orders = {(c.config, c.run): (c.text, c.value) for c in claims.claims() if c.kind == "order"}
    assert len(orders) == 4 + 4 + 8
    assert orders["table1", "dgf-cw"] == ("below PGD", -0.32)  # 89.25 and 89.57
    assert orders["table_cifar10", "blob-cw-eps8"] == ("above PGD", 0.03)  # 46.30 and 46.27
    assert orders["table_cifar10", "dgf-cw-eps16"] == ("equal to PGD", 0)  # both 16.06
    rankings = {c.config: c.text for c in claims.claims() if c.kind in claims.RANKINGS}
    assert rankings == {
        "figure2": "DAA lowest",
        "provable_mnist": "state of the art",
        "figure3": "DAA below PGD",
    }


def test_substitutes_have_the_image_shape_of_the_original():
    images: dict[str, set[int]] = {}
    for entry in claims.entries():
        target = claims.load(entry.config).target
        if entry.board:
            assert boards.value(target, entry.board) > 0
        if entry.substitute:
            # All tasks of a network share its images.
            images.setdefault(entry.substitute.target, set()).add(entry.substitute.images)
            model = targets.row(entry.substitute.target).model
            assert model.image_shape == targets.row(target).model.image_shape
    assert all(len(numbers) == 1 for numbers in images.values())
