"""The command as a user calls it."""

import re

import paper
import pytest

from daa.errors import InputError
from daa.targets import fetch
from daa.targets.fetch import NoDownload


@pytest.fixture
def command(tmp_path, generated, monkeypatch):
    def offline(parcel, *_):
        raise NoDownload(f"{parcel.name}: expected a download, got no connection")

    monkeypatch.setattr(fetch, "fetch", offline)
    (tmp_path / "models").mkdir()
    folders = ["--data-dir", str(generated), "--model-dir", str(tmp_path / "models")]
    return [*folders, "--out", str(tmp_path / "out")]


def test_nothing_is_there(command, tmp_path, capsys):
    assert paper.main([*command, "--only", "fmnist,cifar10"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("missing: weights of ") == 3
    assert "no weights of fmnist/authors" in shown
    assert "0.0 hours are left on this device" in shown
    rows = (tmp_path / "out" / "report.csv").read_text().splitlines()
    assert len(rows) == 1 + 22 + 1 + 20 + 2 + 8
    assert all("not run" in row for row in rows[1:])


@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_the_plan_comes_before_the_time_is_over(command, tmp_path, capsys):
    more = ["--surrogates", "--only", "fmnist", "--images", "8", "--restarts", "2", "--hours", "0"]
    assert paper.main([*command, *more]) == 0
    shown = capsys.readouterr().out
    assert "a step of 100 images takes" in shown
    assert re.search(r"\| table_fmnist +\| fmnist/surrogate +\| +8 \| +0 of 20 \|", shown)
    assert "the time is over; the same command goes on from here" in shown
    assert "stood in" not in shown  # as nothing was measured


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "x"], "only: expected some of mnist"),
        (["--hours", "nan"], "hours: expected 0 or more, got nan"),
        (["--hours", "-1"], "hours: expected 0 or more, got -1.0"),
        (["--model-dir", "typo"], "models folder: expected a folder, got 'typo'"),
        (["--address", "a"], "--address: expected it with --engine ray alone, got 'a'"),
        (["--rehearse", "--hours", "1"], r"--rehearse: .* alone, got \['hours', 'model_dir'\]"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(more, message, command, tmp_path):
    with pytest.raises(InputError, match=message):
        paper.main([*command, *more])
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_not_overwritten(command, tmp_path):
    page = tmp_path / "out" / "index.html"
    page.parent.mkdir()
    page.write_text("<title>mine</title>")
    with pytest.raises(InputError, match=r"index.html: expected a report of this command or no"):
        paper.main([*command, "--only", "fmnist"])
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert page.read_text() == "<title>mine</title>"
    page.unlink()
    for _ in range(2):  # its own report is
        assert paper.main([*command, "--only", "fmnist"]) == 0
