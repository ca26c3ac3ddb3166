"""The living board: entries, ranks, duplicates, the command."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from toys import linear_target

from daa import targets
from daa.cli import submit
from daa.errors import InputError
from daa.leaderboard import living, submission
from daa.leaderboard.submission import Setting
from daa.target import Dataset
from daa.targets import checkpoints, files

OWN = "locuslab/own_mnist"
WORDS = ["--name", "My attack", "--by", "A. Name", "--method", "20 restarts"]


def entry(name="PGD, 50 restarts", accuracy=0.88, **changes):
    values = {
        "name": name,
        "by": "this project",
        "method": "100 steps of 0.01",
        "url": None,
        "target": OWN,
        "weights_sha256": "a" * 64,
        "data_sha256": "b" * 64,
        "images": 10_000,
        "eps": 0.3,
        "accuracy": accuracy,
        "array_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "date": "2026-11-25",
    }
    return living.make(**{**values, **changes})


def test_an_entry_is_read_as_it_was_written(tmp_path):
    path, new = living.insert(entry(), tmp_path)
    assert new
    assert path == tmp_path / "locuslab-own_mnist" / "pgd-50-restarts.json"
    ((place,),) = [places for places in living.load(tmp_path).values() if places]
    assert place == (1, entry())


def test_equal_accuracies_share_a_rank_and_the_older_entry_stands_first(tmp_path):
    made = [
        entry("c", 0.9),
        entry("newer", 0.88, date="2026-11-25"),
        entry("older", 0.88, date="2026-11-24"),
        entry("best", 0.87),
        entry("elsewhere", 0.1, target="fmnist/surrogate", eps=0.2),
    ]
    for one in made:
        living.insert(one, tmp_path)
    board = living.load(tmp_path)
    places = [(place.rank, place.entry.name) for place in board[OWN]]
    assert places == [(1, "best"), (2, "older"), (2, "newer"), (4, "c")]
    assert [place.entry.name for place in board["fmnist/surrogate"]] == ["elsewhere"]
    text = living.markdown(board)
    assert text.index("best") < text.index("older") < text.index("newer") < text.index("| c ")
    assert text.count("  88.00 % |") == 2
    assert "(board/locuslab-own_mnist/best.json)" in text
    assert "## fmnist/surrogate, eps 0.2" in text
    assert text.count("No entry yet.") == 2


def test_a_duplicate_is_refused_or_the_same_entry(tmp_path):
    path, _ = living.insert(entry(), tmp_path)
    before = path.read_bytes()
    assert living.insert(entry(date="2030-01-01"), tmp_path) == (path, False)
    assert path.read_bytes() == before
    for other, message in [
        (entry("Other", array_sha256=entry().array_sha256), "got that of 'PGD, 50 restarts'"),
        (
            entry("PGD 50 Restarts", array_sha256="c" * 64),
            "name that is not on the board, got 'PGD",
        ),
        (entry(accuracy=0.87), r"accuracy: expected 0\.88, as verified before, got 0\.87"),
    ]:
        with pytest.raises(InputError, match=message):
            living.insert(other, tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 1.2}, "accuracy: expected to be less than or equal to 1, got 1.2"),
        ({"name": "<b>me</b>"}, "name: expected to match pattern .* got '<b>me</b>'"),
        ({"name": "(+)"}, r"name: expected a name with a letter of a to z or .* got '\(\+\)'"),
        ({"url": "javascript:alert(1)"}, "url: expected to match pattern"),
        ({"images": 500}, "images: expected to be 10000, got 500"),
        ({"target": "madry_mnist/secret"}, "target: expected one of .* got 'madry_mnist/secret'"),
        ({"more": 1}, "more: expected a known key"),
        ({"target": "fmnist/surrogate"}, "target: expected 'locuslab/own_mnist', got 'fmnist/sur"),
    ],
)
def test_a_file_that_is_no_entry_is_refused(change, message, tmp_path):
    path, _ = living.insert(entry(), tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=rf"pgd-50-restarts\.json: {message}"):
        living.load(tmp_path)


def test_half_a_file_is_refused(tmp_path):
    path, _ = living.insert(entry(), tmp_path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match="expected an entry of the board, got"):
        living.load(tmp_path)


def test_committed_entries_are_of_the_committed_weights_and_the_text_is_current():
    board = living.load()
    for target, places in board.items():
        weights = checkpoints.sha256(targets.own_weights(target))
        for place in places:
            assert place.entry.weights_sha256 == weights, place.entry.name
            assert place.entry.eps == targets.row(target).eps
            assert living.place(place.entry).exists()
    assert living.FOLDER.with_suffix(".md").read_text() == living.markdown(board)


@pytest.fixture
def setting(monkeypatch):
    """Ten thousand small images and a linear network under the name of a network of the board."""
    target, _ = linear_target(classes=10)
    target = replace(target, name=OWN, weights_sha256="a" * 64)
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 256, (10_000, 4, 4, 1)) / 255).astype(np.float32)
    about = Setting(target, Dataset("mnist/test", x, rng.integers(0, 10, 10_000), "b" * 64), 0.3)
    monkeypatch.setattr(submission, "setting", lambda *_, **__: about)
    return about


def array(tmp_path, about, name="attack.npy", shift=0.1):
    path = tmp_path / name
    np.save(path, np.clip(about.data.x + np.float32(shift), 0, 1).reshape(10_000, 16))
    return path


def test_the_command_ranks_and_enters_an_array(setting, tmp_path, capsys):
    path, folder = array(tmp_path, setting), tmp_path / "board"
    command = ["board", str(path), "--target", OWN, "--board", str(folder)]
    submit.main(command)
    assert "once it is entered" in capsys.readouterr().out
    assert not folder.exists()
    submit.main([*command, *WORDS])
    out = capsys.readouterr().out
    assert "rank 1 of 1" in out
    made = json.loads((folder / "locuslab-own_mnist" / "my-attack.json").read_text())
    _, (check,) = setting.check([path])
    assert made["accuracy"] == pytest.approx(check.accuracy)
    assert made["array_sha256"] == files.sha256(path)
    assert made["weights_sha256"] == "a" * 64
    assert "My attack" in (tmp_path / "board.md").read_text()
    submit.main([*command, *WORDS])
    assert "it stands there already" in capsys.readouterr().out
    submit.main(command)
    out = capsys.readouterr().out
    assert "; rank 1 of 1, entered as 'My attack'" in out
    assert "A. Name" in out
    array(tmp_path, setting, shift=0.2)
    with pytest.raises(InputError, match="for another array; choose another name"):
        submit.main.__wrapped__([*command, *WORDS])


def test_an_array_is_ranked_among_the_entries_of_the_board_that_is_named(setting, tmp_path, capsys):
    folder = tmp_path / "mine"
    living.insert(entry("Theirs", 0.0), folder)
    path = array(tmp_path, setting)
    submit.main(["board", str(path), "--target", OWN, "--board", str(folder)])
    out = capsys.readouterr().out
    assert "; rank 2 of 2, once it is entered" in out
    assert "Theirs" in out
    assert "this project" in out and "Adaptive DAA" not in out


def test_an_array_outside_the_ball_is_not_entered(setting, tmp_path):
    path, folder = array(tmp_path, setting, shift=0.4), tmp_path / "board"
    with pytest.raises(InputError, match=r"expected \|adv - x\| <= 0\.3"):
        submit.main.__wrapped__(
            ["board", str(path), "--target", OWN, "--board", str(folder), *WORDS]
        )
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.npy"], "board: expected an array together with its target, got one of them"),
        (WORDS, "board: expected an array with a name, got 'none'"),
        (["a.npy", "--target", OWN, *WORDS[:4]], "board: method: expected a text, got None"),
        (["a.npy", "--target", OWN, *WORDS], "a.npy: expected an .npy file, got none"),
        (["a.npy", "--target", "madry_mnist/secret", *WORDS], "board: target: expected one of"),
    ],
)
def test_what_the_board_needs_is_said(arguments, message, setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        submit.main.__wrapped__(["board", *arguments])


def test_without_an_array_all_boards_are_shown(capsys, tmp_path):
    submit.main(["board", "--board", str(tmp_path)])
    out = capsys.readouterr().out
    assert "Guided Local Attack" in out
    assert "# The living board" in out
