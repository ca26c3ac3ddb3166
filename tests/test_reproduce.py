import json
import subprocess
import sys

import numpy as np
import pytest
import reproduce
from PIL import Image

from daa import Attack, InputError, progress, results

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


def test_quickstart_end_to_end(tmp_path):
    """The command of `make quickstart`, in a process of its own, on all its methods and losses."""
    command = [sys.executable, reproduce.__file__, "configs/quickstart.yaml", "--force"]
    done = subprocess.run(
        [*command, "--images", "100", "--restarts", "2", "--out", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    names = ("Rand+FGSM", "PGD", "Momentum PGD", "DAA-BLOB", "DAA-DGF")
    for name in names:
        assert done.stdout.count(f"| {name} ") >= 2
    assert "clean accuracy" in done.stdout
    assert "worst case" in done.stderr  # the progress bar
    assert "Traceback" not in done.stderr
    folder = tmp_path / "quickstart"
    assert len(list(folder.glob("*.json"))) == 10
    assert Image.open(folder / "restarts.png").size[0] > 500


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


def test_an_interrupted_run_goes_on_after_its_last_restart(config, tmp_path, monkeypatch):
    whole = run(config, tmp_path / "whole", "--restarts", "3")
    call, seen = Attack.__call__, []

    def killed(self, *args, **options):
        seen.append(options["restart"])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path, "--restarts", "3")
    kept = tmp_path / "out" / "tiny" / "pgd-xent.npz"
    with np.load(kept) as arrays:
        np.savez(kept, **{**arrays, "seconds": np.array(1000.0)})
    parts = run(config, tmp_path, "--restarts", "3")
    assert seen == [0, 1, 2, 2, 0, 1, 2]  # the second row follows
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((folder / f"{name}.json").read_text()) for folder in (whole, parts))
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
        assert (b["seconds"] >= 1000) == (name == "pgd-xent")
        with np.load(whole / f"{name}.npz") as x, np.load(parts / f"{name}.npz") as y:
            np.testing.assert_array_equal(x["adv"], y["adv"])


def test_with_more_restarts_a_finished_run_goes_on(config, tmp_path, monkeypatch):
    whole = run(config, tmp_path / "whole", "--restarts", "3")
    monkeypatch.setattr(progress, "git_commit", lambda: "a")
    run(config, tmp_path, "--restarts", "1")
    monkeypatch.setattr(progress, "git_commit", lambda: "b")
    call, seen = Attack.__call__, []

    def counted(self, *args, **options):
        seen.append(options["restart"])
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", counted)
    folder = run(config, tmp_path, "--restarts", "3")
    assert seen == [1, 2, 1, 2]
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((path / f"{name}.json").read_text()) for path in (whole, folder))
        assert b["git_commit"] == "a and b"
        assert {**a, "seconds": 0, "git_commit": ""} == {**b, "seconds": 0, "git_commit": ""}
    with pytest.raises(InputError, match="restarts: expected 2 as asked for now, got 3"):
        run(config, tmp_path, "--restarts", "2")
    (folder / "pgd-xent.npz").unlink()
    with pytest.raises(InputError, match="restarts: expected 4 as asked for now, got 3"):
        run(config, tmp_path, "--restarts", "4")


def test_images_of_another_run_are_not_gone_on_with(config, tmp_path):
    folder = run(config, tmp_path)
    (folder / "pgd-xent.json").unlink()
    with pytest.raises(InputError, match=r"pgd-xent.npz: expected the restarts of the run asked"):
        run(config, tmp_path, "--seed", "1")
    (folder / "pgd-xent.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"pgd-xent.npz: expected an .npz file"):
        run(config, tmp_path)


def test_without_bfloat16_instructions_it_is_float32_and_said(config, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce.device, "fast_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="bfloat16: not in this device's instructions"):
        folder = run(config, tmp_path, "--precision", "bfloat16", "--restarts", "1")
    assert json.loads((folder / "pgd-xent.json").read_text())["attack"]["precision"] == "float32"
    experiment = reproduce.config.load(config)
    with pytest.warns(UserWarning, match="float32 it is"):
        here = reproduce.in_precision(experiment, "bfloat16", here=True)
    assert {row.attack.precision for row in here.rows} == {"float32"}
    elsewhere = reproduce.in_precision(experiment, "bfloat16", here=False)
    assert {row.attack.precision for row in elsewhere.rows} == {"bfloat16"}
    monkeypatch.setattr(reproduce.device, "fast_bfloat16", lambda: True)
    folder = run(config, tmp_path / "half", "--precision", "bfloat16", "--restarts", "1")
    assert json.loads((folder / "pgd-xent.json").read_text())["attack"]["precision"] == "bfloat16"
    assert "PGD (bfloat16)" in (folder / "table.md").read_text()


def test_another_target_has_a_folder_and_a_title_of_its_own(config, tmp_path):
    config.write_text(CONFIG.replace("digits/cnn", "madry_mnist/secret"), encoding="utf-8")
    run(config, tmp_path, "--target", "digits/cnn")
    folder = tmp_path / "out" / "tiny-digits-cnn"
    table = (folder / "table.md").read_text()
    assert "Tiny; on digits/cnn, not on the paper's weights" in table
    assert json.loads((folder / "pgd-xent.json").read_text())["instead_of"] == "madry_mnist/secret"
    assert "| paper |" in table
    assert "difference" not in table  # the paper's value is another network's


def test_examples_are_kept_for_the_figure(config, tmp_path):
    config.write_text(CONFIG + "examples: [blob-xent, pgd-xent]\n", encoding="utf-8")
    folder = run(config, tmp_path, "--restarts", "1")
    content = json.loads((folder / "examples.json").read_text())
    first, second = (
        set(json.loads((folder / f"{name}.json").read_text())["broken"]) for name in content["rows"]
    )
    assert set(content["images"]) <= second - first
    assert (folder / "examples.png").exists() == bool(content["images"])


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


def test_a_record_says_when_the_code_was_not_that_of_its_commit(tmp_path):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True)
        return done.stdout.decode().strip()

    def commit() -> str | None:
        results.git_commit.cache_clear()
        return results.git_commit(tmp_path)

    assert commit() is None
    git("init")
    (tmp_path / "code.py").write_text("a = 1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "x")
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("a = 2\n", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
