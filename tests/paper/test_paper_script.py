import re

import pytest

from daa.cli import paper
from daa.errors import InputError
from daa.paper import networks


@pytest.fixture
def command(tmp_path, datasets, downloads, monkeypatch) -> list[str]:
    """Arguments with random images and no weights; no steps are timed."""
    monkeypatch.setattr(networks, "seconds_per_step", lambda *_: 0.001)
    (tmp_path / "models").mkdir()
    folders = ["--data-dir", str(datasets), "--model-dir", str(tmp_path / "models")]
    return [*folders, "--out", str(tmp_path / "out")]


@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_the_schedule_comes_before_the_time_limit(command, capsys):
    more = ["--surrogates", "--only", "fmnist", "--images", "8", "--restarts", "2", "--hours", "0"]
    assert paper.main([*command, *more]) == 0
    printed = capsys.readouterr().out
    assert "a step of 100 images takes" in printed
    assert re.search(r"\| table_fmnist +\| fmnist/surrogate +\| +8 \| +0 of 20 \|", printed)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "x"], "only: expected some of mnist"),
        (["--hours", "nan"], "hours: expected 0 or more, got nan"),
        (["--hours", "-1"], "hours: expected 0 or more, got -1.0"),
        (["--model-dir", "typo"], "models folder: expected a folder, got 'typo'"),
        (["--data-dir", "typo"], "data folder: expected a folder, got 'typo'"),
        (["--address", "a"], "--address a: only --engine ray uses an address"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(more, message, command, tmp_path):
    with pytest.raises(InputError, match=message):
        paper.main.__wrapped__([*command, *more])
    assert not (tmp_path / "out").exists()


def test_other_files_are_not_overwritten(command, tmp_path, capsys):
    page = tmp_path / "out" / "index.html"
    page.parent.mkdir()
    page.write_text("<title>mine</title>")
    with pytest.raises(InputError, match=r"index.html: expected no file, or one that this project"):
        paper.main.__wrapped__([*command, "--only", "fmnist"])
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    page.unlink()
    for _ in range(2):  # its report is overwritten
        assert paper.main([*command, "--only", "fmnist"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("missing: weights of fmnist/authors") == 2
    assert "0.0 hours are left on this device" in printed
