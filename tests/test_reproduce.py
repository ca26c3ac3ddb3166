import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import reproduce
from PIL import Image

from daa import InputError

CONFIG = """
name: tiny
title: Tiny
target: digits/cnn
attack: {eps: 0.15, step_size: 0.03, steps: 10, batch_size: 50, steps_per_shuffle: 5}
rows:
  - {method: pgd, loss: xent, paper: 60.0}
  - {method: blob, loss: xent}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(config, tmp_path, *more):
    command = [str(config), "--images", "100", "--restarts", "2", "--out", str(tmp_path / "out")]
    reproduce.main([*command, *more])
    return tmp_path / "out" / "tiny"


def test_one_command_gives_records_table_and_figure(config, tmp_path, capsys):
    folder = run(config, tmp_path)
    record = json.loads((folder / "pgd-xent.json").read_text())
    assert record["images"] == 100
    assert record["restarts"] == len(record["robust_accuracy"]) == 2
    assert record["weights"] == "own"
    assert record["gradients_per_image"] == 20
    assert len(record["broken"]) == round(100 * (1 - record["robust_accuracy"][-1]))
    table = (folder / "table.md").read_text()
    assert table in capsys.readouterr().out
    difference = 100 * record["robust_accuracy"][-1] - 60
    assert f"{difference:+.2f}" in table
    assert Image.open(folder / "restarts.png").size[0] > 500
    assert not list(folder.glob("*.partial"))


def test_a_finished_run_is_kept_and_another_config_refused(config, tmp_path, capsys):
    folder = run(config, tmp_path)
    before = (folder / "pgd-xent.json").read_bytes()
    run(config, tmp_path)
    assert "pgd-xent: kept" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"pgd-xent.json: seed: expected 1 .* got 0; choose"):
        run(config, tmp_path, "--seed", "1")
    assert (folder / "pgd-xent.json").read_bytes() == before
    run(config, tmp_path, "--seed", "1", "--force")
    assert (folder / "pgd-xent.json").read_bytes() != before


def test_a_killed_run_leaves_whole_records_only(config, tmp_path):
    """SIGKILL at some moment of each run; what lies there afterwards is whole, and a rerun ends."""
    script = Path(reproduce.__file__)
    command = [sys.executable, script, config, "--images", "100", "--out", tmp_path / "out"]
    for seconds in (6, 7, 8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
        process.kill()
        process.wait()
        for path in (tmp_path / "out").rglob("*.json"):
            json.loads(path.read_text())
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert len(list((tmp_path / "out" / "tiny").glob("*.json"))) == 2


def test_a_truncated_record_is_named(config, tmp_path):
    folder = run(config, tmp_path)
    path = folder / "blob-xent.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"blob-xent.json: expected a result record"):
        run(config, tmp_path)


def test_more_images_than_there_are(config, tmp_path):
    with pytest.raises(InputError, match="images: expected 1 to 500, got 501"):
        run(config, tmp_path, "--images", "501")


def test_a_mistake_ends_in_one_line_and_status_2(tmp_path, capsys):
    import cli

    assert cli.run(lambda: reproduce.main([str(tmp_path / "none.yaml")])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "none.yaml: expected a readable YAML file" in error
