"""A Ray cluster that loses a worker gives the results of one process."""

import os
import signal
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import survive

from daa import targets
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Result
from daa.cli import reproduce
from daa.errors import InputError
from daa.runs import ray as engines
from daa.runs import records
from daa.runs.ray import on_ray

CONFIG = AttackConfig("blob", eps=0.15, step_size=0.03, steps=20, steps_per_shuffle=5)
UNIT = Unit(CONFIG, 0, 0)


class _Task:
    def __init__(self, arguments):
        self.arguments = arguments


class FakeRay:
    """A cluster with two cores that runs a unit when its result is asked for."""

    def __init__(self):
        self.shut_down = False
        self.exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=OSError)

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2}}]

    def put(self, value):
        return value

    def remote(self, **_):
        return lambda function: SimpleNamespace(remote=lambda *arguments: _Task(arguments))

    def wait(self, tasks, num_returns):
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task):
        unit = task.arguments[3]
        return Result(np.zeros(1), np.array([unit.restart]), 1.0, "fake")

    def shutdown(self):
        self.shut_down = True


@pytest.fixture
def fake(monkeypatch):
    fake = FakeRay()
    monkeypatch.setattr(engines, "_connect", lambda address: fake)
    return fake


def engine():
    load = partial(targets.load_target, "tiny/cnn", model_dir=None)
    return on_ray(load, None, np.zeros(1), np.zeros(1))


def test_twice_as_many_units_as_places_are_handed_out_ahead(fake):
    asked = []

    def units():
        for restart in range(7):
            asked.append(restart)
            yield Unit(CONFIG, 0, restart)

    found = []
    for _, result in engine()(units()):
        found.append(int(result.margin[0]))
        # Two places: those that run, as many that wait, and those whose results came.
        assert len(asked) == min(len(found) + 3, 7)
    assert found == list(range(7))
    assert fake.shut_down


def test_a_plan_that_waits_gets_its_result_before_it_is_asked_again(fake):
    results = deque()

    def units():
        for restart in range(3):
            yield Unit(CONFIG, 0, restart)
            while len(results) <= restart:
                yield None

    for _, result in engine()(units()):
        results.append(int(result.margin[0]))
    assert list(results) == [0, 1, 2]


def test_a_head_that_dies_is_one_line_and_the_driver_leaves(fake, monkeypatch):
    def dead(*_, **__):
        raise fake.exceptions.RayError("the head is gone")

    monkeypatch.setattr(fake, "wait", dead)
    monkeypatch.setattr(fake, "shutdown", dead)
    message = "ray: expected a cluster that goes on, got OSError; what is finished is kept, the sam"
    with pytest.raises(InputError, match=message):
        list(engine()(iter([UNIT])))


def test_a_worker_reads_its_target_once(monkeypatch):
    calls = []

    def load(name, model_dir):
        calls.append(name)
        return targets.load_target(name, model_dir=model_dir)

    monkeypatch.setattr(engines, "_prepare", lambda threads: None)
    engines._target.cache_clear()
    data = targets.load_dataset("tiny/cnn").first(10)
    sha256 = targets.load_target("tiny/cnn").weights_sha256
    for restart in range(2):
        source = (load, ("tiny/cnn",), (("model_dir", None),), sha256)
        unit = Unit(CONFIG, 0, restart)
        found = engines._work(source, data.x, data.y, unit, None, threads=1)
        assert found.device.startswith("CPU")
    assert calls == ["tiny/cnn"]
    with pytest.raises(InputError, match="tiny/cnn: expected weights with sha256 another on eve"):
        engines._work((*source[:3], "another"), data.x, data.y, UNIT, None, threads=1)


@pytest.mark.slow
def test_ray_that_loses_a_worker_gives_the_records_of_one_process(tmp_path):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    config = tmp_path / "survivor.yaml"
    config.write_text(survive.CONFIG, encoding="utf-8")
    command = [str(config), "--images", "100", "--out"]
    reproduce.main([*command, str(tmp_path / "local")])
    victims: list[int] = []
    done = threading.Event()
    killer = threading.Thread(target=kill_one_worker, args=[victims, done])
    killer.start()
    try:
        reproduce.main([*command, str(tmp_path / "ray"), "--engine", "ray"])
    finally:
        done.set()
        killer.join()
    assert len(victims) == 1
    survive.compare(tmp_path / "local" / "survivor", tmp_path / "ray" / "survivor")
    found = [records.load(path) for path in (tmp_path / "ray" / "survivor").glob("*.json")]
    assert all(record.seconds > 0 for record in found)


def kill_one_worker(victims, done):
    """SIGKILL to the first process of this test's cluster that is inside a unit.

    Ray names a worker after its function; other clusters on this machine are left alone.
    """
    while not victims and not done.is_set():
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
def test_an_error_of_a_worker_is_the_users():
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    data = targets.load_dataset("tiny/cnn").first(10)
    load = targets.loader("tiny/cnn")
    found = on_ray(load, "another", data.x, data.y)(iter([UNIT]))
    with pytest.raises(InputError, match="tiny/cnn: expected weights with sha256 another on eve"):
        list(found)


@pytest.mark.slow
def test_more_cores_than_a_machine_has_are_refused():
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    found = on_ray(targets.loader("tiny/cnn"), None, np.zeros(1), np.zeros(1), cpus_per_unit=9**9)
    with pytest.raises(InputError, match="cpus per unit: expected at most"):
        list(found(iter([UNIT])))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port", "127.0.0.1:99999"]
)
def test_no_cluster_at_the_address_is_said_at_once(address):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    found = on_ray(targets.loader("tiny/cnn"), None, np.zeros(1), np.zeros(1), address=address)
    with pytest.raises(InputError, match=f"address: expected a Ray cluster at {address}, got "):
        list(found(iter([UNIT])))
