"""Rounds over all cells: their order, shared units, time limits and kills."""

from types import SimpleNamespace

import numpy as np
import pytest

from daa.attacks.attack import Attack
from daa.errors import InputError
from daa.paper import rounds
from daa.paper.networks import Network
from daa.runs import run

DIGITS = "tiny/cnn"


@pytest.fixture
def work(task):
    """Two configs with the same units; the second has fewer restarts."""
    return [task("one", 3), task("two", 2)]


@pytest.fixture
def calls(monkeypatch):
    """(method, restart) of each unit, in the order in which they begin."""
    seen, call = [], Attack.__call__

    def counted(self, *args, **given):
        seen.append((self.config.method, given["restart"]))
        return call(self, *args, **given)

    monkeypatch.setattr(Attack, "__call__", counted)
    return seen


def cells(work, options):
    network = Network(DIGITS, 40, 40, options, (20, "float32"))
    return rounds.cells(work, {DIGITS: network})


def go(work, options, **given):
    return rounds.go(cells(work, options), [DIGITS], **given)


def test_each_round_is_one_restart_of_every_cell_and_no_unit_runs_twice(work, options, calls):
    turns = []
    assert go(work, options, on_network=lambda *told: turns.append(told))
    assert calls == [(method, k) for k in range(3) for method in ("pgd", "blob")]
    assert turns == [(1, DIGITS), (2, DIGITS), (3, DIGITS)]


def test_records_are_those_of_each_config_run_alone(work, options, records_in, tmp_path):
    go(work, options)
    for one in work:
        setup = rounds.Cell(one, 0, Network(DIGITS, 40, 40, options, (20, "float32")))
        alone = setup.setup(one.experiment.restarts)
        object.__setattr__(alone, "folder", tmp_path / "alone" / one.experiment.name)
        run.reproduce(alone, say=lambda text: None)
        expected = records_in(alone.folder)
        assert records_in(one.folder(options.out)) == expected
        assert (one.folder(options.out) / "table.md").exists()


def test_a_config_that_comes_later_takes_the_units_that_are_there(work, options, calls, records_in):
    first, second = work
    go([first], options)
    calls.clear()
    assert go(work, options)
    assert calls == []
    found = records_in(second.folder(options.out))["blob-xent"]
    longer = records_in(first.folder(options.out))["blob-xent"]
    assert found["restarts"] == 2
    assert found["robust_accuracy"] == longer["robust_accuracy"][:2]
    assert len(found["broken"]) == round(40 * (1 - found["robust_accuracy"][-1]))
    # Without the states each config runs for itself.
    for path in options.out.rglob("*.npz"):
        path.unlink()
    for path in second.folder(options.out).glob("*.json"):
        path.unlink()
    assert go(work, options)
    assert len(calls) == 4
    assert records_in(second.folder(options.out))["blob-xent"] == found


def test_finished_cells_are_left_alone_while_others_run(work, task, options, calls):
    first = work[0]
    go([first], options)
    records = sorted(first.folder(options.out).glob("*.json"))
    written = {path: path.stat().st_mtime_ns for path in records}
    calls.clear()
    assert go([first, task("other", 3, steps=2)], options)
    assert len(calls) == 2 * 3
    assert {path: path.stat().st_mtime_ns for path in records} == written


def test_the_time_ends_it_after_a_unit_and_it_goes_on(work, options, calls, monkeypatch):
    # A clock that advances with the units.
    clock = SimpleNamespace(monotonic=lambda: len(calls))
    for module in (run, rounds):
        monkeypatch.setattr(module, "time", clock)
    assert not go(work, options, end=3)
    done = list(calls)
    assert len(done) == 3
    assert not go(work, options, end=0)
    assert calls == done
    assert go(work, options)
    assert calls == [(method, k) for k in range(3) for method in ("pgd", "blob")]


def test_a_kill_loses_no_finished_unit(work, options, monkeypatch, calls, records_in):
    counted = Attack.__call__

    def killed(self, *args, **given):
        if len(calls) == 3:
            raise KeyboardInterrupt
        return counted(self, *args, **given)

    monkeypatch.setattr(Attack, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        go(work, options)
    monkeypatch.setattr(Attack, "__call__", counted)
    assert go(work, options)
    assert calls == [(method, k) for k in range(3) for method in ("pgd", "blob")]


def test_other_results_in_the_folder_are_refused_before_the_first_unit(work, task, options, calls):
    go(work[:1], options)
    calls.clear()
    other = task("one", 3)
    other = other.__class__(
        other.entry, other.experiment.model_copy(update={"seed": 1}), other.config
    )
    with pytest.raises(InputError, match=r"pgd-xent.json: seed: expected 1 .* got 0; choose"):
        go([other], options)
    assert calls == []


def test_what_is_left_counts_shared_units_once(work, options):
    found = cells(work, options)
    assert rounds.image_steps(found) == {"one": 2 * 3 * 4 * 40}
    assert rounds.image_steps(found, 1) == {"one": 2 * 4 * 40}
    found[0].done = 1
    assert rounds.image_steps(found) == {"one": 5 * 4 * 40}


def test_the_first_units_of_a_report(options, task):
    found = cells([task("one", 3)], options)
    rounds.go(found, [DIGITS])
    for cell in found:
        report = run.planned(cell.setup(3), cell.number).state().report
        part = rounds.first_units(report, 2)
        assert len(part.history) == 2
        np.testing.assert_array_equal(part.robust_accuracy, report.robust_accuracy[:2])
        assert ((part.margin > 0).mean()) == part.robust_accuracy[-1]
        assert (part.margin >= report.margin).all()
