"""Processes that are killed, interrupted or locked out, or find a full disk."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
import survive
from processes import ROOT, python

from daa.runs import records, state

resource = pytest.importorskip("resource", reason="Windows has no such limits and signals")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "survivor.yaml"
    path.write_text(survive.CONFIG.replace("restarts: 4", "restarts: 10000"), encoding="utf-8")
    return path


@pytest.mark.slow
def test_killed_runs_end_in_the_records_of_an_undisturbed_one(tmp_path):
    assert survive.survive(tmp_path, kills=3, rng=random.Random(1)) == 3


def test_a_second_process_is_locked_out_and_an_interrupt_saves_the_finished_units(config, tmp_path):
    process = survive.start(config, tmp_path, "--images", "50")
    try:
        while not (tmp_path / "survivor" / "pgd-xent.npz").exists():
            assert process.is_alive(), survive.errors(tmp_path)
            time.sleep(0.05)
        second = survive.start(config, tmp_path, "--images", "50")
        second.join()
        assert second.exitcode == 2
        message = rf"survivor: is in use by process {process.pid} on \S+; wait"
        assert re.search(message, survive.errors(tmp_path))
        assert process.is_alive()
        os.kill(process.pid, signal.SIGINT)
        process.join()
    finally:
        process.kill()
    assert process.exitcode == 130
    assert "Traceback" not in survive.errors(tmp_path)
    assert survive.restarts(tmp_path)["pgd-xent"] >= 1
    assert not list(tmp_path.rglob("*.partial"))
    with state.sole(tmp_path / "survivor"):
        pass


def test_a_full_disk_is_named_and_older_files_stay(config, tmp_path):
    process = survive.start(config, tmp_path, "--images", "250", largest_file=2**15)
    process.join()
    assert process.exitcode == 2
    error = survive.errors(tmp_path)
    assert "Traceback" not in error
    assert re.search(r"pgd-xent\.npz: .*File too large", error.splitlines()[-1])
    names = sorted(path.name for path in (tmp_path / "survivor").iterdir())
    assert names == [".lock", "experiment.json"]


def test_quickstart_end_to_end(tmp_path):
    """The first command of a user, without any data."""
    folders = {"DAA_DATA": str(tmp_path), "DAA_MODELS": str(tmp_path)}
    options = ("--images", "100", "--force", "--out", tmp_path)
    completed = python(ROOT / "scripts" / "quickstart.py", *options, cwd=tmp_path, env=folders)
    assert completed.returncode == 0, completed.stderr
    assert "4/4 adaptive unit" in completed.stderr  # the progress bar
    assert "Traceback" not in completed.stderr
    folder = tmp_path / "quickstart"
    broken = {}
    for run in ("pgd-xent", "blob-xent", "dgf-xent", "adaptive"):
        record = records.load(folder / f"{run}.json")
        broken[run] = len(record.broken)
        assert f"{broken[run]} of 100" in completed.stdout
        assert record.gradients_per_image <= 100
    gain = broken["adaptive"] - broken["pgd-xent"]
    sentence = f"Adaptive DAA breaks {broken['adaptive']} of 100 digits, {gain} more"
    assert gain > 0 and sentence in completed.stdout
    page = Path(re.findall(r"page\s+(\S+\.html)", completed.stdout)[-1])
    assert "<svg" in page.read_text(encoding="utf-8")
