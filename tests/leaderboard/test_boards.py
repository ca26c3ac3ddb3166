from daa.leaderboard import boards
from daa.leaderboard.boards import Board, Entry

BOARD = Board("a/b", "Title", "here", (("A", 88.0), ("B", 89.0)))


def test_both_boards_are_read_with_the_lowest_accuracy_first():
    found = boards.load()
    assert [board.target for board in found] == ["madry_mnist/secret", "madry_cifar10/secret"]
    for board in found:
        accuracies = [accuracy for _, accuracy in board.entries]
        assert accuracies == sorted(accuracies)
        assert "MadryLab" in board.source


def test_own_entries_are_ranked_among_the_others():
    own = [Entry("a/b", "mine", 88.5), Entry("other/b", "not here", 1.0)]
    assert [tuple(line) for line in BOARD.ranked(own)] == [
        (1, "A", 88.0, False),
        (2, "mine", 88.5, True),
        (3, "B", 89.0, False),
    ]


def test_two_decimals_decide():
    ranks = [(line.rank, line.name) for line in BOARD.ranked([Entry("a/b", "mine", 88.004)])]
    assert ranks == [(1, "A"), (1, "mine"), (3, "B")]


def test_own_entries_stand_in_bold():
    text = boards.markdown([BOARD], [Entry("a/b", "mine", 88.5)])
    assert text.splitlines() == [
        "Title",
        "",
        "| rank | attack   | accuracy |",
        "| ---: | ---      |     ---: |",
        "|    1 | A        |  88.00 % |",
        "|    2 | **mine** |  88.50 % |",
        "|    3 | B        |  89.00 % |",
        "",
        "Source: here.",
    ]
