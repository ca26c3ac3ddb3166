"""A Ray cluster computes the results of one process, also after the death of a worker."""

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
import tiny

from daa import targets
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Result
from daa.errors import InputError
from daa.runs import config
from daa.runs import ray as engines
from daa.runs.ray import on_ray
from daa.runs.run import run

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


def test_twice_as_many_units_as_slots_are_submitted(fake):
    asked = []

    def units():
        for restart in range(7):
            asked.append(restart)
            yield Unit(CONFIG, 0, restart)

    found = []
    for _, result in engine()(units()):
        found.append(int(result.margin[0]))
        # Two slots: the running units, as many that wait, and the finished ones.
        assert len(asked) == min(len(found) + 3, 7)
    assert found == list(range(7))
    assert fake.shut_down


def test_a_plan_that_waits_gets_its_result_first(fake):
    results = deque()

    def units():
        for restart in range(3):
            yield Unit(CONFIG, 0, restart)
            while len(results) <= restart:
                yield None

    for _, result in engine()(units()):
        results.append(int(result.margin[0]))
    assert list(results) == [0, 1, 2]


def test_a_dead_head_is_named(fake, monkeypatch):
    def dead(*_, **__):
        raise fake.exceptions.RayError("the head is gone")

    monkeypatch.setattr(fake, "wait", dead)
    monkeypatch.setattr(fake, "shutdown", dead)
    message = r"ray: the cluster failed \(OSError\): .*; finished units are saved, run the same"
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
    with pytest.raises(InputError, match="their sha256 must be another, got"):
        engines._work((*source[:3], "another"), data.x, data.y, UNIT, None, threads=1)


@pytest.mark.slow
def test_ray_that_loses_a_worker_gives_the_records_of_one_process(tmp_path):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    path = tmp_path / "survivor.yaml"
    path.write_text(survive.CONFIG, encoding="utf-8")
    experiment = config.load(path)
    target, data = tiny.load_target("cnn"), tiny.load_dataset("test").first(100)
    list(run(experiment, target, data, folder=tmp_path / "local"))
    victims: list[int] = []
    done = threading.Event()
    killer = threading.Thread(target=kill_one_worker, args=[victims, done])
    killer.start()
    cluster = on_ray(targets.loader("tiny/cnn"), target.weights_sha256, data.x, data.y)
    try:
        finished = list(run(experiment, target, data, folder=tmp_path / "ray", engine=cluster))
    finally:
        done.set()
        killer.join()
    assert len(victims) == 1
    survive.compare(tmp_path / "local", tmp_path / "ray")
    assert all(row.record.seconds > 0 for row in finished)


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
    with pytest.raises(InputError, match="their sha256 must be another, got"):
        list(found)


@pytest.mark.slow
def test_more_cores_than_a_machine_has_are_refused():
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    found = on_ray(targets.loader("tiny/cnn"), None, np.zeros(1), np.zeros(1), cpus_per_unit=9**9)
    with pytest.raises(InputError, match="cpus per unit: must be at most"):
        list(found(iter([UNIT])))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port", "127.0.0.1:99999"]
)
def test_a_missing_cluster_is_named_at_once(address):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    found = on_ray(targets.loader("tiny/cnn"), None, np.zeros(1), np.zeros(1), address=address)
    with pytest.raises(InputError, match=f"address: there is no Ray cluster at {address}: "):
        list(found(iter([UNIT])))
