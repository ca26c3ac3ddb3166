"""A Ray cluster computes the results of one process, also after the death of a worker."""

import contextlib
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import psutil
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


@pytest.fixture
def fake(monkeypatch):
    """A cluster with two cores that runs a unit when its result is asked for."""
    fake = Mock(put=len, exceptions=SimpleNamespace(RayTaskError=KeyError, RayError=OSError))
    fake.nodes.return_value = [{"Alive": True, "Resources": {"CPU": 2}}]
    task = SimpleNamespace(remote=lambda *arguments: arguments)
    fake.remote = Mock(return_value=lambda function: task)
    fake.wait = lambda tasks, num_returns: (tasks[:num_returns], tasks[num_returns:])
    fake.get = lambda task: Result(np.zeros(1), np.array([task[3].restart]), 1.0, "fake")
    monkeypatch.setattr(engines, "_connect", lambda address: fake)
    return fake


def engine(**options):
    load = partial(targets.load_target, "tiny/cnn", model_dir=None)
    return on_ray(load, None, np.zeros(1), np.zeros(1), **options)


@pytest.mark.parametrize(
    ("resources", "each"),
    [({"CPU": 2}, {"num_cpus": 1}), ({"GPU": 2, "CPU": 64}, {"num_gpus": 1, "num_cpus": 1})],
)
def test_twice_as_many_units_as_slots_are_submitted(fake, resources, each):
    dead = {"Alive": False, "Resources": {"CPU": 9, "GPU": 9}}
    fake.nodes.return_value = [dead, {"Alive": True, "Resources": resources}]
    asked = []
    units = (asked.append(restart) or Unit(CONFIG, 0, restart) for restart in range(7))
    for done, (_, result) in enumerate(engine()(units)):
        assert result.margin[0] == done
        # Two slots: the running units, as many that wait, and the finished ones.
        assert len(asked) == min(done + 4, 7)
    assert done == 6
    fake.remote.assert_called_once_with(max_retries=3, **each)
    fake.shutdown.assert_called_once()


def test_a_plan_that_waits_gets_its_result_first(fake):
    results = []

    def units():
        for restart in range(3):
            yield Unit(CONFIG, 0, restart)
            while len(results) <= restart:
                yield None

    for _, result in engine()(units()):
        results.append(result.margin[0])
    assert results == [0, 1, 2]


@pytest.mark.parametrize("call", ["wait", "get"])
def test_a_dead_head_or_worker_is_named(fake, call):
    dead = Mock(side_effect=fake.exceptions.RayError("dead"))
    fake.configure_mock(**{call: dead, "shutdown": dead})
    message = r"ray: the cluster failed \(OSError\): .*, or 4 workers died during a unit; finish"
    with pytest.raises(InputError, match=message):
        list(engine()(iter([UNIT])))


def test_an_error_of_a_worker_is_raised_here(fake):
    error = fake.exceptions.RayTaskError()
    error.cause = InputError("weights differ")
    fake.get = Mock(side_effect=error)
    with pytest.raises(InputError, match="weights differ"):
        list(engine()(iter([UNIT])))


def test_a_unit_needs_a_machine_with_enough_cores(fake):
    with pytest.raises(InputError, match=r"cpus per unit: must be at most 2, .* got 3"):
        list(engine(cpus_per_unit=3)(iter([UNIT])))
    fake.nodes.return_value = []
    with pytest.raises(InputError, match="must be at most 0, the cores of the largest machine"):
        list(engine()(iter([UNIT])))


def test_a_worker_reads_its_target_once(monkeypatch):
    monkeypatch.setattr(engines, "_prepare", lambda threads: None)
    load, data = Mock(side_effect=targets.load_target), targets.load_dataset("tiny/cnn").first(10)
    sha256 = targets.load_target("tiny/cnn").weights_sha256
    for restart in range(2):
        source = (load, ("tiny/cnn",), (("model_dir", None),), sha256)
        unit = Unit(CONFIG, 0, restart)
        result = engines._work(source, data.x, data.y, unit, None, threads=1)
        assert result.device.startswith("CPU")
    load.assert_called_once_with("tiny/cnn", model_dir=None)
    with pytest.raises(InputError, match="their sha256 must be another, got"):
        engines._work((*source[:3], "another"), data.x, data.y, UNIT, None, threads=1)


@pytest.mark.slow
def test_ray_that_loses_a_worker_gives_the_records_of_one_process(tmp_path):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    path = tmp_path / "survivor.yaml"
    path.write_text(survive.CONFIG, encoding="utf-8")
    experiment = config.load(path)
    experiment = experiment.model_copy(update={"rows": experiment.rows[::2]})
    target, data = tiny.load_target("cnn"), tiny.load_dataset("test").first(100)
    list(run(experiment, target, data, folder=tmp_path / "local"))
    victims = []
    cluster = on_ray(targets.loader("tiny/cnn"), target.weights_sha256, data.x, data.y)

    def engine(units):
        """Kills a worker after the first result, while the next units are computed."""
        for result in cluster(units):
            for process in psutil.Process().children(recursive=True):
                # Ray names a worker after the function.
                with contextlib.suppress(psutil.Error):
                    if not victims and "ray::_work" in " ".join(process.cmdline()):
                        process.kill()
                        victims.append(process.pid)
            yield result

    rows = list(run(experiment, target, data, folder=tmp_path / "ray", engine=engine))
    assert len(victims) == 1
    survive.compare(tmp_path / "local", tmp_path / "ray")
    assert all(row.record.seconds > 0 for row in rows)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:port", "127.0.0.1:99999"])
def test_a_missing_cluster_is_named_at_once(address):
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    with pytest.raises(InputError, match=f"address: there is no Ray cluster at {address}: "):
        list(engine(address=address)(iter([UNIT])))
