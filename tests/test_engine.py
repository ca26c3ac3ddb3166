"""Units of work give the same results in this process and on a Ray cluster that loses a worker."""

import itertools
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import reproduce
import survive

import digits
from daa import AttackConfig, InputError, device, engine, results, worst_case

CONFIG = AttackConfig("blob", eps=0.15, step_size=0.03, steps=20, steps_per_shuffle=5)


def test_the_units_of_a_run_are_its_restarts():
    target, data = digits.load_target("cnn"), digits.load_dataset("test").first(60)
    units = [engine.Unit(CONFIG, 3, restart) for restart in range(3)]
    found = list(engine.local(target, data.x, data.y, units))
    report = worst_case(target, CONFIG, data.x, data.y, restarts=3, seed=3)
    np.testing.assert_array_equal(
        np.stack([margin > 0 for _, margin, *_ in found]), report.correct_per_restart
    )
    lowest = np.min([margin for _, margin, *_ in found], axis=0)
    np.testing.assert_array_equal(lowest, report.margin)
    assert all(seconds > 0 and name == device.name() for *_, seconds, name in found)


def test_units_run_only_when_they_are_asked_for():
    target, data = digits.load_target("cnn"), digits.load_dataset("test").first(10)
    endless = (engine.Unit(CONFIG, 0, restart) for restart in itertools.count())
    found = engine.local(target, data.x, data.y, endless)
    assert len(list(itertools.islice(found, 2))) == 2


@pytest.mark.slow
def test_ray_that_loses_a_worker_gives_the_records_of_one_process(tmp_path):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    config = tmp_path / "survivor.yaml"
    config.write_text(survive.CONFIG, encoding="utf-8")
    command = [str(config), "--images", "100", "--out"]
    reproduce.main([*command, str(tmp_path / "local")])
    victims: list[int] = []
    killer = threading.Thread(target=kill_one_worker, args=[victims])
    killer.start()
    reproduce.main([*command, str(tmp_path / "ray"), "--engine", "ray"])
    killer.join()
    assert len(victims) == 1
    survive.compare(tmp_path / "local" / "survivor", tmp_path / "ray" / "survivor")
    records = [results.load(path) for path in (tmp_path / "ray" / "survivor").glob("*.json")]
    assert all(record["seconds"] > 0 for record in records)


def kill_one_worker(victims, seconds=60):
    """SIGKILL to the first process of this test's cluster that is inside a unit.

    Ray names a worker after its function; other clusters on this machine are left alone.
    """
    end = time.monotonic() + seconds
    while not victims and time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            pid = int(path.parent.name)
            try:
                if b"ray::_work" in path.read_bytes() and os.getpid() in ancestors(pid):
                    os.kill(pid, signal.SIGKILL)
                    victims.append(pid)
                    break
            except OSError:
                continue
        time.sleep(0.02)


def ancestors(pid):
    found = []
    while pid > 1:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        pid = int(status.partition("PPid:")[2].split()[0])
        found.append(pid)
    return found


@pytest.mark.slow
def test_other_weights_on_a_worker_are_refused():
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    data = digits.load_dataset("test").first(10)
    load = partial(digits.load_target, "cnn", model_dir=None)
    found = engine.on_ray(load, "another", data.x, data.y, [engine.Unit(CONFIG, 0, 0)])
    with pytest.raises(InputError, match="digits/cnn: expected weights with sha256 another on eve"):
        list(found)


def test_more_cores_than_a_machine_has_are_refused():
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    load = partial(digits.load_target, "cnn", model_dir=None)
    data = digits.load_dataset("test").first(10)
    units = [engine.Unit(CONFIG, 0, 0)]
    found = engine.on_ray(load, None, data.x, data.y, units, cpus_per_unit=10**6)
    with pytest.raises(InputError, match="--cpus-per-unit: expected at most"):
        list(found)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_no_cluster_at_the_address_is_said_at_once(address):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    load = partial(digits.load_target, "cnn", model_dir=None)
    data = digits.load_dataset("test").first(10)
    found = engine.on_ray(load, None, data.x, data.y, [engine.Unit(CONFIG, 0, 0)], None, address)
    with pytest.raises(InputError, match=f"--address: expected a Ray cluster at {address}, got "):
        list(found)
