"""Processes that are killed, interrupted or locked out, or find a full disk."""

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import survive

from daa.runs import records, state

resource = pytest.importorskip("resource", reason="Windows has no such limits and signals")
PATIENCE = 900  # seconds; far more than any of these processes needs
QUICK = ("pgd-xent", "blob-xent", "dgf-xent", "adaptive")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "survivor.yaml"
    path.write_text(survive.CONFIG.replace("restarts: 4", "restarts: 1000"), encoding="utf-8")
    return path


def start(config, out, images=50, **options):
    command = [sys.executable, survive.SCRIPT, config, "--images", str(images), "--out", out]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=survive.ENVIRONMENT, **pipes, **options)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def end_of(process):
    """The exit code and the error output of a process."""
    try:
        _, error = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, error


@pytest.mark.slow
def test_killed_runs_end_in_the_records_of_an_undisturbed_one(tmp_path):
    assert survive.survive(tmp_path, kills=3, rng=random.Random(1)) == 3


def test_a_second_process_is_locked_out_and_an_interrupt_saves_the_finished_units(config, tmp_path):
    # A shell without job control makes background processes ignore interrupts.
    process = start(
        config,
        tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_for(tmp_path / "survivor" / "pgd-xent.npz", process)
        status, error = end_of(start(config, tmp_path))
        assert status == 2
        assert re.search(rf"survivor: is in use by process {process.pid} on \S+; wait", error)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
    finally:
        if process.poll() is None:
            status, error = end_of(process)
    assert status == 130
    assert "Traceback" not in error
    assert survive.restarts(tmp_path)["pgd-xent"] >= 1
    assert not list(tmp_path.rglob("*.partial"))
    with state.sole(tmp_path / "survivor"):  # the lock is free
        pass


def test_a_full_disk_is_named_and_older_files_stay(config, tmp_path):
    """A limit on the size of files, into which records fit, but no images."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**15, 2**15))

    status, error = end_of(start(config, tmp_path, images=250, preexec_fn=limit))
    assert status == 2
    assert "Traceback" not in error
    assert re.search(r"pgd-xent\.npz: .*File too large", error.splitlines()[-1])
    names = sorted(path.name for path in (tmp_path / "survivor").iterdir())
    assert names == [".lock", "experiment.json"]


def test_quickstart_end_to_end(tmp_path):
    """The first command of a user, without any data."""
    script = survive.SCRIPT.with_name("quickstart.py")
    folders = {"DAA_DATA": str(tmp_path), "DAA_MODELS": str(tmp_path)}
    completed = subprocess.run(
        [sys.executable, script, "--images", "100", "--force", "--out", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**survive.ENVIRONMENT, **folders},
    )
    assert completed.returncode == 0, completed.stderr
    assert "4/4 adaptive unit" in completed.stderr  # the progress bar
    assert "Traceback" not in completed.stderr
    folder = tmp_path / "quickstart"
    by_name = {run: records.load(folder / f"{run}.json") for run in QUICK}
    for record in by_name.values():
        assert f"{len(record.broken)} of 100" in completed.stdout
        assert record.gradients_per_image <= 100
    gain = len(by_name["adaptive"].broken) - len(by_name["pgd-xent"].broken)
    assert gain > 0
    sentence = rf"Adaptive DAA breaks {len(by_name['adaptive'].broken)} of 100 digits, {gain} more"
    assert re.search(sentence, completed.stdout)
    page = Path(re.findall(r"page\s+(\S+\.html)", completed.stdout)[-1])
    assert "<img" in page.read_text(encoding="utf-8") or "<svg" in page.read_text(encoding="utf-8")
    with np.load(folder / "adaptive.npz") as arrays:
        assert arrays["adv"].shape == (100, *arrays["adv"].shape[1:])
