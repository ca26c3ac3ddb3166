import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daa.attacks.attack import Attack
from daa.attacks.methods import METHODS, Method
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Engine, run_unit
from daa.cli import reproduce
from daa.errors import InputError
from daa.runs import config as configs
from daa.runs import device, provenance, records, run
from daa.runs import prepare as setup
from daa.runs.prepare import Prepared as Setup

QUICK = ("pgd-xent", "blob-xent", "dgf-xent", "adaptive")
_SMALL = ["--images", "100", "--restarts", "2"]
CONFIG = """
name: tiny
title: Tiny
target: tiny/cnn
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


def go(config, tmp_path, *more):
    reproduce.main.__wrapped__([str(config), *_SMALL, "--out", str(tmp_path / "out"), *more])
    return tmp_path / "out" / "tiny"


def test_one_command_gives_records_table_and_figure(config, tmp_path, capsys):
    folder = go(config, tmp_path)
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
    """The command of `make quickstart`, in a process of its own, without any data at hand."""
    place = {"DAA_DATA": str(tmp_path), "DAA_MODELS": str(tmp_path)}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "daa",
            "quickstart",
            "--images",
            "100",
            "--force",
            "--out",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **place},
    )
    assert done.returncode == 0, done.stderr
    assert "worst case" in done.stderr  # the progress bar
    assert "Traceback" not in done.stderr
    folder = tmp_path / "quickstart"
    found = {run: records.load(folder / f"{run}.json") for run in QUICK}
    for record in found.values():
        assert f"{len(record.broken)} of 100" in done.stdout
        assert record.gradients_per_image <= 100
    sentence = (
        r"Adaptive DAA breaks (\d+) of 100 digits, (\d+) more than PGD with the same number of "
        r"gradients \(p = [\d.e-]+\)\."
    )
    *_, line, _, figure, page = done.stdout.splitlines()
    breaks, more = map(int, re.fullmatch(sentence, line).groups())
    assert breaks == len(found["adaptive"].broken)
    assert more == breaks - len(found["pgd-xent"].broken) > 0
    assert Image.open(figure.removeprefix("figure").strip()).size[0] > 200
    html = Path(page.removeprefix("page").strip()).read_text(encoding="utf-8")
    assert 'href="./adaptive.json"' in html
    lead = html.partition('<p class="lead">')[2].partition("</p>")[0]
    for name in ("pgd-xent", "adaptive"):
        assert f"<b>{100 * found[name].worst:.2f}&nbsp;%</b>" in lead
    assert html.count('<figure class="images">') == 1
    assert html.index('<figure class="images">') < html.index('id="experiments"')


def test_minutes_stop_after_the_unit_in_which_they_end(config, tmp_path, capsys, monkeypatch):
    whole = go(config, tmp_path / "whole", "--restarts", "3")
    capsys.readouterr()
    clock = iter([0, 30, 61])
    with monkeypatch.context() as patch:
        patch.setattr(run.time, "monotonic", lambda: next(clock))
        folder = go(config, tmp_path, "--restarts", "3", "--minutes", "1")
    out = capsys.readouterr().out
    assert "stopped, as 1 min are over: 0 of 2 runs are finished" in out
    assert "table.md" not in out
    assert not list(folder.glob("*.json"))
    with np.load(folder / "pgd-xent.npz") as kept:
        assert len(kept["unit_on_all"]) == 2
    clock = iter([0, 61])
    with monkeypatch.context() as patch:
        patch.setattr(run.time, "monotonic", lambda: next(clock))
        go(config, tmp_path, "--restarts", "3", "--minutes", "1")
    out = capsys.readouterr().out
    assert "1 of 2 runs are finished" in out
    assert re.search(r"DAA-BLOB .* missing \|", out)
    go(config, tmp_path, "--restarts", "3")
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((path / f"{name}.json").read_text()) for path in (whole, folder))
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_no_time_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="minutes: expected more than 0, got 0"):
        go(config, tmp_path, "--minutes", "0")


def test_quiet_leaves_the_result_alone(config, tmp_path, capsys):
    folder = go(config, tmp_path, "--quiet")
    out, err = capsys.readouterr()
    assert err == ""
    assert out.strip().startswith((folder / "table.md").read_text().strip())
    assert len(out.strip().splitlines()) == len((folder / "table.md").read_text().splitlines()) + 2


def test_a_finished_run_is_kept_and_another_config_refused(config, tmp_path, capsys):
    folder = go(config, tmp_path)
    before = (folder / "pgd-xent.json").read_bytes()
    go(config, tmp_path)
    assert "pgd-xent: kept" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"pgd-xent.json: seed: expected 1 .* got 0; choose"):
        go(config, tmp_path, "--seed", "1")
    assert (folder / "pgd-xent.json").read_bytes() == before
    go(config, tmp_path, "--seed", "1", "--force")
    assert (folder / "pgd-xent.json").read_bytes() != before


def test_an_interrupted_run_goes_on_after_its_last_restart(config, tmp_path, monkeypatch):
    whole = go(config, tmp_path / "whole", "--restarts", "3")
    call, seen = Attack.__call__, []

    def killed(self, *args, **options):
        seen.append(options["restart"])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        go(config, tmp_path, "--restarts", "3")
    kept = tmp_path / "out" / "tiny" / "pgd-xent.npz"
    with np.load(kept) as arrays:
        np.savez(kept, **{**arrays, "seconds": np.array(1000.0)})
    parts = go(config, tmp_path, "--restarts", "3")
    assert seen == [0, 1, 2, 2, 0, 1, 2]  # the second row follows
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((folder / f"{name}.json").read_text()) for folder in (whole, parts))
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
        assert (b["seconds"] >= 1000) == (name == "pgd-xent")
        with np.load(whole / f"{name}.npz") as x, np.load(parts / f"{name}.npz") as y:
            np.testing.assert_array_equal(x["adv"], y["adv"])


def test_with_more_restarts_a_finished_run_goes_on(config, tmp_path, monkeypatch):
    whole = go(config, tmp_path / "whole", "--restarts", "3")
    monkeypatch.setattr(provenance, "git_commit", lambda: "a")
    go(config, tmp_path, "--restarts", "1")
    monkeypatch.setattr(provenance, "git_commit", lambda: "b")
    call, seen = Attack.__call__, []

    def counted(self, *args, **options):
        seen.append(options["restart"])
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", counted)
    folder = go(config, tmp_path, "--restarts", "3")
    assert seen == [1, 2, 1, 2]
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((path / f"{name}.json").read_text()) for path in (whole, folder))
        assert b["git_commit"] == "a and b"
        assert {**a, "seconds": 0, "git_commit": ""} == {**b, "seconds": 0, "git_commit": ""}
    with pytest.raises(InputError, match="restarts: expected 2 as asked for now, got 3"):
        go(config, tmp_path, "--restarts", "2")
    (folder / "pgd-xent.npz").unlink()
    with pytest.raises(InputError, match="restarts: expected 4 as asked for now, got 3"):
        go(config, tmp_path, "--restarts", "4")


def test_a_state_of_more_restarts_than_asked_for_is_kept(config, tmp_path):
    """A run was killed after its third restart; then fewer are asked for."""
    folder = go(config, tmp_path, "--restarts", "3")
    whole = json.loads((folder / "pgd-xent.json").read_text())
    (folder / "pgd-xent.json").unlink()
    (folder / "blob-xent.json").unlink()
    before = (folder / "pgd-xent.npz").read_bytes()
    message = r"pgd-xent.npz: expected at most 2 restarts as asked for now, got 3 finished ones"
    with pytest.raises(InputError, match=message):
        go(config, tmp_path, "--restarts", "2")
    assert (folder / "pgd-xent.npz").read_bytes() == before
    go(config, tmp_path, "--restarts", "3")
    record = json.loads((folder / "pgd-xent.json").read_text())
    assert record["robust_accuracy"] == whole["robust_accuracy"]
    (folder / "pgd-xent.json").unlink()
    go(config, tmp_path, "--restarts", "2", "--force")
    assert json.loads((folder / "pgd-xent.json").read_text())["restarts"] == 2


def test_options_that_could_not_count_are_refused(config, tmp_path):
    with pytest.raises(InputError, match="target: expected FOLDER/NAME or a model, got ''"):
        go(config, tmp_path, "--target", "")
    with pytest.raises(InputError, match="--address: expected it with --engine ray alone, got 'a'"):
        go(config, tmp_path, "--address", "a")
    assert not (tmp_path / "out").exists()


def test_a_row_may_have_a_seed_of_its_own(config, tmp_path):
    text = CONFIG.replace("  - {method: blob, loss: xent}\n", "") + "seed: 4\nseeds: [4, 7]\n"
    config.write_text(text, encoding="utf-8")
    folder = go(config, tmp_path, "--restarts", "1")
    found = [json.loads((folder / f"pgd-xent-seed{k}.json").read_text()) for k in (4, 7)]
    assert [record["seed"] for record in found] == [4, 7]
    with np.load(folder / "pgd-xent-seed4.npz") as a, np.load(folder / "pgd-xent-seed7.npz") as b:
        assert (a["adv"] != b["adv"]).any()


def test_images_of_another_run_are_not_gone_on_with(config, tmp_path):
    folder = go(config, tmp_path)
    (folder / "pgd-xent.json").unlink()
    with pytest.raises(InputError, match=r"pgd-xent.npz: expected the state of the run asked"):
        go(config, tmp_path, "--seed", "1")
    (folder / "pgd-xent.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"pgd-xent.npz: expected an .npz file"):
        go(config, tmp_path)


def test_without_bfloat16_instructions_it_is_float32_and_said(config, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "fast_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="bfloat16: this device has no instructions for it"):
        folder = go(config, tmp_path, "--precision", "bfloat16", "--restarts", "1")
    assert json.loads((folder / "pgd-xent.json").read_text())["attack"]["precision"] == "float32"
    experiment = configs.load(config)
    with pytest.warns(UserWarning, match="float32 is used"):
        here = setup.in_precision(experiment, "bfloat16", here=True)
    assert {row.attack.precision for row in here.rows} == {"float32"}
    elsewhere = setup.in_precision(experiment, "bfloat16", here=False)
    assert {row.attack.precision for row in elsewhere.rows} == {"bfloat16"}
    monkeypatch.setattr(device, "fast_bfloat16", lambda: True)
    folder = go(config, tmp_path / "half", "--precision", "bfloat16", "--restarts", "1")
    assert json.loads((folder / "pgd-xent.json").read_text())["attack"]["precision"] == "bfloat16"
    assert "PGD (bfloat16)" in (folder / "table.md").read_text()


def test_another_target_has_a_folder_and_a_title_of_its_own(config, tmp_path):
    config.write_text(CONFIG.replace("tiny/cnn", "madry_mnist/secret"), encoding="utf-8")
    go(config, tmp_path, "--target", "tiny/cnn")
    folder = tmp_path / "out" / "tiny-tiny-cnn"
    table = (folder / "table.md").read_text()
    assert "Tiny; on tiny/cnn, not on the paper's weights" in table
    assert json.loads((folder / "pgd-xent.json").read_text())["instead_of"] == "madry_mnist/secret"
    assert "| paper |" in table
    assert "| difference |" not in table  # the paper's value is another network's


def test_examples_are_kept_for_the_figure(config, tmp_path):
    config.write_text(CONFIG + "examples: [blob-xent, pgd-xent]\n", encoding="utf-8")
    folder = go(config, tmp_path, "--restarts", "1")
    content = json.loads((folder / "examples.json").read_text())
    first, second = (
        set(json.loads((folder / f"{name}.json").read_text())["broken"]) for name in content["rows"]
    )
    assert set(content["images"]) <= second - first
    assert (folder / "examples.png").exists() == bool(content["images"])


def test_a_run_that_breaks_no_image_more_shows_none(config, tmp_path):
    text = config.read_text().replace("attack: {eps: 0.15, step_size: 0.03", "attack: {eps: 0.01")
    rows = text.replace("\nrows:", "\nexamples: [blob-xent, pgd-xent]\nrows:")
    config.write_text(rows, encoding="utf-8")
    folder = go(config, tmp_path)
    shown = json.loads((folder / "examples.json").read_text())
    assert shown["images"] == shown["labels"] == shown["natural"] == []
    assert not (folder / "examples.png").exists()


def test_a_truncated_record_is_named(config, tmp_path):
    folder = go(config, tmp_path)
    path = folder / "blob-xent.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"blob-xent.json: expected a result record"):
        go(config, tmp_path)


def test_more_images_than_there_are(config, tmp_path):
    with pytest.raises(InputError, match="images: expected 1 to 500, got 501"):
        go(config, tmp_path, "--images", "501")


def test_a_record_says_when_the_code_was_not_that_of_its_commit(tmp_path):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True)
        return done.stdout.decode().strip()

    def commit() -> str | None:
        provenance.git_commit.cache_clear()
        return provenance.git_commit(tmp_path)

    assert commit() is None
    git("init")
    (tmp_path / "code.py").write_text("a = 1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "x")
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("a = 2\n", encoding="utf-8")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"


def ahead(ready: Setup, pulled: list[str]) -> Engine:
    """An engine that takes up to four units before it runs the first, as Ray does."""

    def run(units):
        waiting = []
        while True:
            while len(waiting) < 4 and (unit := next(units, None)) is not None:
                waiting.append(unit)
                pulled.append(unit.config.method)
            if not waiting:
                return
            unit = waiting.pop(0)
            attack = Attack(ready.target, unit.config)
            yield unit, run_unit(attack, ready.data.x, ready.data.y, unit)

    return run


def test_all_rows_are_one_stream_of_units(config, tmp_path):
    """So no worker waits at the end of a row."""
    whole = go(config, tmp_path / "whole")
    ready = setup.prepare(config, tmp_path, images=100, restarts=2)
    pulled: list[str] = []
    first: list[list[str]] = []

    def engine(units):
        for result in ahead(ready, pulled)(units):
            first.append(list(pulled))
            yield result

    run.reproduce(ready, engine=engine)
    assert first[0] == ["pgd", "pgd", "blob", "blob"]
    for name in ("pgd-xent", "blob-xent"):
        a, b = (json.loads((f / f"{name}.json").read_text()) for f in (whole, ready.folder))
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_a_run_without_record_whose_units_are_all_kept_is_written_at_once(config, tmp_path):
    folder = go(config, tmp_path)
    wanted = {path: path.read_bytes() for path in sorted(folder.glob("*.json"))}
    for path in wanted:
        path.unlink()
    ready = setup.prepare(config, tmp_path / "out", images=100, restarts=2)
    pulled: list[str] = []
    run.reproduce(ready, engine=ahead(ready, pulled))
    assert not pulled
    assert {path: path.read_bytes() for path in sorted(folder.glob("*.json"))} == wanted
    # The second row is complete, the first one is not: their results come in any order.
    (folder / "pgd-xent.npz").unlink()
    for path in wanted:
        path.unlink()
    run.reproduce(ready, engine=ahead(ready, pulled))
    assert pulled == ["pgd", "pgd"]
    assert sorted(folder.glob("*.json")) == list(wanted)


def test_a_plan_that_reads_the_report_goes_on_by_replay(config, tmp_path, monkeypatch):
    def standing(config, seed, report):
        """Four units, each on the images that none of those before has broken."""
        images = None
        for k in range(4):
            report = yield Unit(config, seed, k, images=images)
            while len(report.history) <= k:
                report = yield None
            images = np.flatnonzero(report.correct_per_restart.all(axis=0))

    monkeypatch.setitem(METHODS, "standing", Method("Standing", plan=standing))
    config.write_text(CONFIG.replace("method: blob", "method: standing"), encoding="utf-8")
    whole = go(config, tmp_path / "whole", "--restarts", "1")
    call, seen = Attack.__call__, []

    def killed(self, *args, **options):
        seen.append((self.config.method, options["restart"]))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        go(config, tmp_path, "--restarts", "1")
    parts = go(config, tmp_path, "--restarts", "1")
    assert seen == [("pgd", 0), *[("standing", k) for k in (0, 1, 2, 2, 3)]]
    a, b = (json.loads((f / "standing-xent.json").read_text()) for f in (whole, parts))
    assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert len(a["robust_accuracy"]) == 4
    with np.load(whole / "standing-xent.npz") as x, np.load(parts / "standing-xent.npz") as y:
        assert x["unit_size"].tolist() == y["unit_size"].tolist()
        np.testing.assert_array_equal(x["adv"], y["adv"])
