import csv
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from daa import targets
from daa.attacks.attack import Attack
from daa.paper import claims, reproduce
from daa.runs import run

ALL_UNITS = [(method, restart) for restart in range(3) for method in ("pgd", "blob")]


@pytest.fixture
def units(monkeypatch):
    """(method, restart) of each unit, in the order in which they begin."""
    begun, call = [], Attack.__call__

    def count(self, *args, **kwargs):
        begun.append((self.config.method, kwargs["restart"]))
        return call(self, *args, **kwargs)

    monkeypatch.setattr(Attack, "__call__", count)
    return begun


def go(options, **kwargs) -> bool:
    return reproduce.reproduce(options, log=lambda text: None, **kwargs)


def records(folder: Path) -> dict[str, dict]:
    """The records of a folder without their times."""
    return {
        path.stem: {**json.loads(path.read_text()), "seconds": 0}
        for path in folder.glob("*-xent.json")
    }


def restarts(out: Path) -> dict[str, int]:
    rows = [row for row in csv.DictReader((out / "report.csv").open()) if row["kind"] == "worst"]
    return {f"{row['config']} {row['run']}": int(row["restarts"]) for row in rows}


def test_rounds_make_each_unit_once_and_the_records_of_each_config(options, units, tmp_path):
    messages = []
    assert reproduce.reproduce(options, log=messages.append)
    assert units == ALL_UNITS
    target = targets.load_target("tiny/cnn")
    data = targets.load_dataset("tiny/cnn", "test", None, 40)
    for name, count in (("first", 3), ("second", 2)):
        experiment = claims.load(name).model_copy(update={"images": 40})
        folder = tmp_path / "alone" / name
        list(run.run(experiment, target, data, folder=folder, about={"config": name}))
        assert records(options.out / name) == records(folder)
        assert f"{count} restarts" in (options.out / name / "table.md").read_text()
    assert [*restarts(options.out).values()] == [3, 3, 2, 2]
    assert any("round 3, first" in text for text in messages)
    assert "10 of 10 restarts are finished" in messages[-1]
    assert messages[-1].splitlines()[1] in (options.out / "report.md").read_text()


def test_finished_records_stay_as_they_are(options, units):
    go(replace(options, only=("first",)))
    paths = sorted((options.out / "first").glob("*.json"))
    written = {path: path.stat().st_mtime_ns for path in paths}
    units.clear()
    # A config that comes later takes its units from the shared states.
    assert go(options)
    assert units == []
    assert {path: path.stat().st_mtime_ns for path in paths} == written
    first, second = (records(options.out / name)["blob-xent"] for name in ("first", "second"))
    assert second["robust_accuracy"] == first["robust_accuracy"][:2]
    # Committed folders have no states. A table that a kill prevented is written again.
    shutil.rmtree(options.out / "states")
    table = options.out / "first" / "table.md"
    text = table.read_text()
    table.unlink()
    assert go(options)
    assert (units, table.read_text()) == ([], text)


def test_an_interrupted_run_has_a_current_report_and_goes_on(options, units, monkeypatch):
    monkeypatch.setattr(reproduce, "REPORT_EVERY", 0)
    call = Attack.__call__

    def interrupt(self, *args, **kwargs):
        if len(units) == 1:
            raise KeyboardInterrupt
        return call(self, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Attack, "__call__", interrupt)
        go(options)
    reported = restarts(options.out)
    assert (reported["first pgd-xent"], reported["first blob-xent"]) == (1, 0)
    assert go(options)
    assert units == ALL_UNITS


def test_the_time_limit_ends_the_run_after_a_unit(options, units, monkeypatch):
    messages = []
    assert not reproduce.reproduce(options, hours=0, log=messages.append)
    assert (units, messages[-1][:25]) == ([], "stopped at the time limit")
    clock = SimpleNamespace(monotonic=lambda: len(units), perf_counter=time.perf_counter)
    for module in (run, reproduce):
        monkeypatch.setattr(module, "time", clock)
    assert not go(options, hours=2 / 3600)
    assert units == ALL_UNITS[:2]
    assert go(options)
    assert units == ALL_UNITS


def job(config: str, network: SimpleNamespace, restarts: int = 2) -> reproduce.Job:
    experiment = claims.load("first").model_copy(update={"restarts": restarts})
    task = SimpleNamespace(entry=SimpleNamespace(config=config), experiment=experiment, missing="")
    ids = {row.name: f"{network.target.name} {row.name}" for row in experiment.rows}
    return reproduce.Job(task, network, Path(), ids, dict.fromkeys(ids, 0))


def network(name: str, images: int = 40, ms: float = 1.0) -> SimpleNamespace:
    target, check = SimpleNamespace(name=name), SimpleNamespace(ms_per_image=ms)
    return SimpleNamespace(target=target, data=range(images), check=check)


def test_shared_units_are_counted_once(options):
    a = network("a", ms=3600)
    jobs = [job("first", a, restarts=3), job("second", a)]
    assert reproduce.steps_left(jobs) == {"first": 2 * 3 * 2 * 40}
    assert reproduce.steps_left(jobs, 1) == {"first": 2 * 2 * 40}
    jobs[1].restarts["pgd-xent"] = 1
    assert reproduce.steps_left(jobs) == {"first": 5 * 2 * 40}
    text = reproduce.schedule([job.task for job in jobs], jobs)
    assert "0.4 hours are left on this device" in text
    rows = [line.replace(" ", "").split("|") for line in text.splitlines()[3:5]]
    assert [row[4:6] for row in rows] == [["0of6", "0.4"], ["1of4", "0.0"]]


@pytest.mark.parametrize(
    ("ms", "order"), [(1.5, ["few", "many", "silent"]), (3.0, ["many", "few", "silent"])]
)
def test_cheap_networks_come_first_and_those_without_printed_numbers_last(ms, order, options):
    few, many, silent = network("few", 20, ms), network("many"), network("silent", 1)
    jobs = [job("first", many), job("unprinted", silent), job("second", few)]
    rounds = list(reproduce._rounds(jobs))
    assert [turn for turn, _ in rounds] == [1, 1, 1, 2, 2, 2]
    assert [job.network.target.name for _, job in rounds[:3]] == order
