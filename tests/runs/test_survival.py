"""Runs that are killed, interrupted, locked out, or find no room."""

import contextlib
import itertools
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import survive

from daa.attacks.attack import Attack
from daa.cli import reproduce
from daa.errors import InputError
from daa.runs import records, state

SCRIPT = Path(reproduce.__file__)
PATIENCE = 900  # seconds; far more than any of these processes needs
FOREVER = survive.CONFIG.replace("restarts: 4", "restarts: 1000")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "survivor.yaml"
    path.write_text(FOREVER, encoding="utf-8")
    return path


def start(config, out, images=50, **options):
    command = [sys.executable, SCRIPT, config, "--images", str(images), "--out", out]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options
    )


def wait_for(path, process):
    """Waits as long as it takes, but not for a process that has ended."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def end_of(process):
    """The status of a process and what it wrote, for which a busy machine may need minutes."""
    try:
        _, error = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, error


@pytest.mark.slow
def test_killed_runs_end_in_the_records_of_an_undisturbed_one(tmp_path):
    assert survive.survive(tmp_path, kills=3, rng=random.Random(1)) == 3


def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(config, tmp_path):
    # A shell without job control lets what it puts in the background ignore interrupts.
    process = start(
        config,
        tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for(tmp_path / "survivor" / "pgd-xent.npz", process)
    process.send_signal(signal.SIGINT)
    status, error = end_of(process)
    assert status == 130
    assert "Traceback" not in error
    assert error.splitlines()[-1].startswith("interrupted; what is finished is kept, the same comm")
    assert survive.restarts(tmp_path)["pgd-xent"] >= 1
    assert not list(tmp_path.rglob("*.partial"))


def test_a_second_process_is_refused_and_the_first_one_undisturbed(config, tmp_path):
    first = start(config, tmp_path)
    try:
        wait_for(tmp_path / "survivor" / "pgd-xent.npz", first)
        status, error = end_of(start(config, tmp_path))
        assert status == 2
        assert re.fullmatch(
            rf".*survivor: expected no other process at work here, got process {first.pid} on "
            r"\S+, for \d+ min\n",
            error,
        )
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    with state.sole(tmp_path / "survivor"):  # the lock of a killed process is free
        pass


def test_a_full_disk_is_named_and_what_was_there_stays(config, tmp_path):
    """A limit on the size of files stands for the disk.

    Records would fit, and so does the code that TensorFlow generates; the images do not.
    """

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**15, 2**15))

    process = start(config, tmp_path, images=250, preexec_fn=limit)
    status, error = end_of(process)
    assert status == 2
    assert "Traceback" not in error
    last = error.splitlines()[-1]
    assert re.search(r"pgd-xent.npz: expected to write [\d,]+ bytes, got File too large", last)
    assert [path.name for path in (tmp_path / "survivor").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_attack(
    config, tmp_path, monkeypatch
):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    monkeypatch.setattr(Attack, "__call__", lambda *_, **__: pytest.fail("it attacks"))
    with pytest.raises(InputError, match=r"out/survivor: expected to write there, got Not a dir"):
        reproduce.main.__wrapped__([str(config), "--out", str(tmp_path / "out")])


def test_other_records_outlive_a_run_that_stops(tmp_path, monkeypatch):
    config = tmp_path / "survivor.yaml"
    config.write_text(survive.CONFIG.replace("restarts: 4", "restarts: 1"), encoding="utf-8")
    call = Attack.__call__

    def broken(self, *args, **options):
        if self.config.method == "blob":
            raise InputError("tiny/cnn: blob, xent: image 3: expected a finite gradient")
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", broken)
    with pytest.raises(InputError, match="image 3: expected a finite gradient"):
        reproduce.main.__wrapped__([str(config), "--images", "50", "--out", str(tmp_path)])
    names = sorted(path.stem for path in (tmp_path / "survivor").glob("*.json"))
    assert names == ["momentum-cw", "pgd-xent"]


def test_two_machines_whose_lock_does_not_reach_each_other_lose_nothing(tmp_path, monkeypatch):
    """A second run in the same folder, from beginning to end, in the middle of the first one."""
    config = tmp_path / "survivor.yaml"
    config.write_text(survive.CONFIG.replace("restarts: 4", "restarts: 2"), encoding="utf-8")
    command = [str(config), "--images", "50", "--out"]
    reproduce.main([*command, str(tmp_path / "alone")])
    monkeypatch.setattr(state, "sole", lambda _: contextlib.nullcontext())
    call, calls = Attack.__call__, []

    def interrupted(self, *args, **options):
        calls.append(self.config.method)
        if len(calls) == 4:
            reproduce.main([*command, str(tmp_path / "both")])
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", interrupted)
    reproduce.main([*command, str(tmp_path / "both")])
    assert len(calls) > 8
    survive.compare(tmp_path / "alone" / "survivor", tmp_path / "both" / "survivor")


def test_a_clock_that_jumps_back_changes_no_result(tmp_path, monkeypatch):
    config = tmp_path / "survivor.yaml"
    config.write_text(survive.CONFIG.replace("restarts: 4", "restarts: 1"), encoding="utf-8")
    command = [str(config), "--images", "50", "--out"]
    reproduce.main([*command, str(tmp_path / "steady")])
    clock = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    reproduce.main([*command, str(tmp_path / "jumps")])
    survive.compare(tmp_path / "steady" / "survivor", tmp_path / "jumps" / "survivor")
    assert all(records.load(p).seconds >= 0 for p in (tmp_path / "jumps").glob("*/*.json"))
