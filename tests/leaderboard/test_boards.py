"""MadryLab's leaderboards and the living board: ranks, entries, the command, the page."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from toys import images, linear_target

from daa import Dataset, InputError, targets
from daa.cli import submit
from daa.leaderboard import arrays, boards, submission
from daa.leaderboard.arrays import Challenge
from daa.reports.page import Board, Entry
from daa.reports.results import ResultSet, load
from daa.targets import checkpoints, files

MADRY = Board("Title", "", (Entry(None, "A", 88.004), Entry(None, "B", 89.0)))
OWN = "locuslab/own_mnist"
WORDS = {"name": "My attack", "by": "A. Name", "method": "20 restarts"}
OPTIONS = [text for key, word in WORDS.items() for text in (f"--{key}", word)]


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (88.5, [(1, "A"), (2, "mine"), (3, "B")]),
        (88.0041, [(1, "A"), (1, "mine"), (3, "B")]),  # two decimals decide
    ],
)
def test_own_entries_are_ranked_among_the_others(accuracy, expected):
    ranked = MADRY.ranked([Entry(None, "mine", accuracy, own=True)])
    assert [(line.rank, line.name) for line in ranked.entries] == expected
    assert ranked.markdown.splitlines()[::3] == [
        "| rank | attack   | accuracy |",
        f"| {expected[1][0]:>4} | **mine** | {accuracy:>6.2f} % |",
    ]


def entry(name="PGD, 50 restarts", accuracy=0.88, **changes):
    values = {"name": name, "by": "this project", "method": "100 steps of 0.01", "url": None}
    values |= {"target": OWN, "images": 10_000, "eps": 0.3, "accuracy": accuracy}
    values |= {"weights_sha256": "a" * 64, "data_sha256": "b" * 64, "date": "2026-11-25"}
    values["array_sha256"] = hashlib.sha256(name.encode()).hexdigest()
    return boards.make(**{**values, **changes})


def lines(folder):
    """Entries of the living board with their ranks, for the networks that have some."""
    return {b.target: b.ranked().entries for b in boards.load_living(folder) if b.entries}


def test_an_entry_is_read_as_it_was_written_and_stays(tmp_path):
    path, new = boards.insert(entry(), tmp_path)
    assert new
    assert path == tmp_path / "locuslab-own_mnist" / "pgd-50-restarts.json"
    assert lines(tmp_path)[OWN] == [Entry(1, "PGD, 50 restarts", 88.0, "this project")]
    assert boards.verified(OWN, tmp_path) == [entry()]
    before = path.read_bytes()
    assert boards.insert(entry(date="2030-01-01"), tmp_path) == (path, False)
    assert path.read_bytes() == before


def test_equal_accuracies_share_a_rank_and_the_older_entry_comes_first(tmp_path):
    for made in [
        entry("c", 0.9),
        entry("newer", 0.88, date="2026-11-25"),
        entry("older", 0.88, date="2026-11-24"),
        entry("best", 0.87),
        entry("elsewhere", 0.1, target="fmnist/surrogate", eps=0.2),
    ]:
        boards.insert(made, tmp_path / "board")
    result = lines(tmp_path / "board")
    ranks = [(line.rank, line.name) for line in result[OWN]]
    assert ranks == [(1, "best"), (2, "older"), (2, "newer"), (4, "c")]
    assert [line.name for line in result["fmnist/surrogate"]] == ["elsewhere"]
    text = boards.living_markdown(tmp_path / "board")
    assert text.index("best") < text.index("older") < text.index("newer") < text.index("| c ")
    assert text.count("  88.00 % |") == 2
    assert "(board/locuslab-own_mnist/best.json)" in text
    assert "## fmnist/surrogate, eps 0.2" in text
    assert text.count("No entry yet.") == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Other", "array_sha256": entry().array_sha256}, "already on the board as 'PGD, "),
        ({"name": "PGD 50 Restarts", "array_sha256": "c" * 64}, "on the board for another array"),
        ({"accuracy": 0.87}, r"accuracy: expected 0\.88, the accuracy verified before, got 0\.87"),
    ],
)
def test_duplicates_are_refused(tmp_path, changes, message):
    path, _ = boards.insert(entry(), tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        boards.insert(entry(**changes), tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 1.2}, "accuracy: .* less than or equal to 1, got 1.2"),
        ({"name": "<b>me</b>"}, "name: .* match pattern .* got '<b>me</b>'"),
        ({"name": "(+)"}, r"name: .* match pattern .* got '\(\+\)'"),
        ({"name": "x" * 121}, "name: .* 120 characters"),
        ({"url": "javascript:alert(1)"}, "url: .* match pattern"),
        ({"images": 500}, "images: .* 10000, got 500"),
        ({"more": 1}, "more: "),
        ({"target": "fmnist/surrogate"}, "target: expected 'locuslab/own_mnist', got 'fmnist/sur"),
        (None, "expected an entry of the board, got"),
    ],
)
def test_a_wrong_file_on_the_board_is_refused(change, message, tmp_path):
    path, _ = boards.insert(entry(), tmp_path)
    text = path.read_text()
    path.write_text(json.dumps({**json.loads(text), **change}) if change else text[:50])
    with pytest.raises(InputError, match=rf"pgd-50-restarts\.json: {message}"):
        boards.load_living(tmp_path)


def test_the_committed_board_is_current():
    for target in boards.TARGETS:
        weights = checkpoints.sha256(targets.own_weights(target))
        for line in boards.verified(target):
            assert line.weights_sha256 == weights, line.name
            assert line.eps == targets.row(target).eps
            assert line.path(boards.FOLDER).exists()
    assert boards.FOLDER.with_suffix(".md").read_text() == boards.living_markdown()


@pytest.fixture
def challenge(monkeypatch):
    """Ten thousand small images and a linear network under the name of a network of the board."""
    target, _ = linear_target(classes=10)
    target = replace(target, name=OWN, weights_sha256="a" * 64)
    x, y = images(10_000, classes=10)
    made = Challenge(target, Dataset("mnist/test", np.rint(255 * x) / 255, y, "b" * 64), 0.3)
    monkeypatch.setattr(submission, "load_challenge", lambda *_, **__: made)
    return made


@pytest.fixture
def board(challenge, tmp_path):
    """Ranks an array of shifted images, or enters it with some words; returns the text."""

    def board(words=None, shift=0.1):
        shifted = np.clip(challenge.data.x + np.float32(shift), 0, 1).reshape(10_000, 16)
        path = tmp_path / "attack.npy"
        np.save(path, shifted)
        return boards.board(path, OWN, words=words or {}, folder=tmp_path / "b")

    return board


def test_an_array_is_ranked_on_the_board_of_the_option_and_entered(board, challenge, tmp_path):
    boards.insert(entry("Theirs", 0.0), tmp_path / "b")
    path = tmp_path / "b" / "locuslab-own_mnist" / "my-attack.json"
    text = board()
    assert "; rank 2 of 2 if entered" in text
    assert "Theirs" in text and "Adaptive DAA" not in text
    assert not path.exists()
    assert "rank 2 of 2\nentered: " in board(WORDS)
    made = json.loads(path.read_text())
    verified = arrays.verify(challenge, tmp_path / "attack.npy")
    assert made["accuracy"] == pytest.approx(verified.accuracy)
    assert made["array_sha256"] == files.sha256(tmp_path / "attack.npy")
    assert made["weights_sha256"] == "a" * 64
    assert "My attack" in (tmp_path / "b.md").read_text()
    assert "already on the board" in board(WORDS)
    text = board()
    assert "; rank 2 of 2, entered as 'My attack'" in text
    assert "A. Name" in text
    with pytest.raises(InputError, match="for another array; choose another name"):
        board(WORDS, shift=0.2)


def test_nothing_is_entered_on_a_damaged_board(board, tmp_path):
    (tmp_path / "b" / "fmnist-surrogate").mkdir(parents=True)
    (tmp_path / "b" / "fmnist-surrogate" / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json: schema: is missing"):
        board(WORDS)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["fmnist-surrogate"]


def test_an_array_outside_the_ball_is_not_entered(board, tmp_path):
    with pytest.raises(InputError, match=r"expected \|adv - x\| <= 0\.3"):
        board(WORDS, shift=0.4)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.npy"], "board: give an array together with its target"),
        (["--target", OWN], "board: give an array together with its target"),
        (OPTIONS, "board: a name needs an array to enter"),
        (["a.npy", "--target", OWN, *OPTIONS[:4]], "board: method: expected a text, got None"),
        (["a.npy", "--target", OWN, *OPTIONS], "a.npy: expected an .npy file, got None"),
        (["a.npy", "--target", "madry_mnist/secret", *OPTIONS], "board: target: expected one of"),
    ],
)
def test_missing_arguments_are_named(arguments, message, challenge, refused):
    assert message in refused("submit", "board", *arguments)


def test_without_an_array_all_boards_are_shown(capsys, tmp_path):
    submit.main(["board", "--board", str(tmp_path)])
    out = capsys.readouterr().out
    assert "|    1 | Guided Local Attack" in out
    assert "EWR-PGD" in out and "README.md, read 2026-10." in out
    assert "# The living board" in out


def test_an_array_for_madrylabs_network_is_ranked_on_its_board(challenge, tmp_path):
    path = tmp_path / "a.npy"
    arrays.save(path, challenge.clean_images())
    accuracy = 100 * arrays.verify(challenge, path).accuracy
    text = boards.board(path, "madry_mnist/secret", words={})
    line = next(line for line in text.splitlines() if "(verified here)" in line)
    assert line.startswith("|    1 | **") and line.endswith(f"  {accuracy:.2f} % |")
    assert "|    2 | Guided Local Attack" in text and "EWR-PGD" in text
    assert text.count("(verified here)") == 1  # not on the board of the other network


def test_only_complete_runs_on_the_boards_network_are_ranked(folder, change):
    change(folder, target="madry_mnist/secret", weights="surrogate")
    assert boards.own_entries([load(folder)], "madry_mnist/secret") == []
    change(folder, weights="original", images=9_999)
    change(folder / "dgf-xent.json", images=10_000, robust_accuracy=[0.8801] * 10)
    change(folder / "pgd-xent.json", images=10_000, weights="third-party")
    loaded = load(folder)
    mnist, cifar10 = boards.on_page([loaded])
    (own,) = [entry for entry in mnist.entries if entry.own]
    assert own == Entry(2, "DAA-DGF (this project)", pytest.approx(88.01), own=True)
    vacant = Entry(None, "this project: no run on madry_cifar10/secret", math.nan, own=True)
    assert [entry for entry in cifar10.entries if entry.own] == [vacant]
    assert boards.on_page([ResultSet(loaded.records, folder=folder)]) == [mnist]


def test_the_living_board_is_shown_if_it_has_entries(folder):
    loaded = load(folder)
    before = boards.on_page([loaded])
    boards.insert(entry("A strong attack", 0.8123), folder.parent / "board")
    living, *others = boards.on_page([loaded])
    assert living.entries == [Entry(1, "A strong attack", pytest.approx(81.23), "this project")]
    assert others == before
    assert boards.on_page([ResultSet(loaded.records, folder=folder)]) == []
