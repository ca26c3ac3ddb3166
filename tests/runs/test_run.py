"""The scheduler: records, resuming, extension by restarts, shared states, limits."""

import contextlib
import itertools
import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import survive
import tensorflow as tf
import tiny
import toys

from daa import AttackConfig, Dataset, InputError, Target
from daa.attacks.attack import Attack
from daa.attacks.methods import METHODS, Method
from daa.attacks.plans import Unit
from daa.runs import provenance, records, state
from daa.runs import run as scheduler
from daa.runs.config import Experiment, Row, load_experiment
from daa.runs.run import run, top5_accuracy
from daa.target import predict

TARGET = tiny.load_target("cnn")
DATA = tiny.load_dataset("test").first(40)
OPTIONS = {"eps": 0.15, "step_size": 0.05, "steps": 4, "batch_size": 20}
PGD = Row(name="pgd-xent", attack=AttackConfig("pgd", **OPTIONS), paper=60.0)
BLOB = Row(name="blob-xent", attack=AttackConfig("blob", steps_per_shuffle=2, **OPTIONS))
NAMES = ("pgd-xent", "blob-xent")
interrupt = Mock(side_effect=KeyboardInterrupt)


def experiment(*rows, restarts=2, **fields):
    fields = {"name": "tiny", "title": "Tiny", "target": "tiny/cnn", **fields}
    return Experiment(rows=rows or (PGD, BLOB), restarts=restarts, **fields)


def go(folder, *rows, restarts=2, seed=0, name="tiny", **options):
    tiny_experiment = experiment(*rows, restarts=restarts, seed=seed, name=name)
    options = {"progress": False, "about": {"config": "tiny"}, **options}
    return list(run(tiny_experiment, TARGET, DATA, folder=folder, **options))


def content(folder, name):
    return {**json.loads((folder / f"{name}.json").read_text()), "seconds": 0}


def took(path, seconds):
    """Changes the seconds in a state."""
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, "seconds": np.array(float(seconds))})


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The results of an undisturbed run with three restarts."""
    folder = tmp_path_factory.mktemp("expected")
    go(folder, restarts=3)
    return folder


@pytest.fixture
def units(monkeypatch):
    """The method and restart of each unit that runs; `before` has calls before the nth unit."""
    call, seen = Attack.__call__, type("Units", (list,), {"before": {}})()

    def counted(self, *args, **options):
        seen.before.pop(len(seen), bool)()
        seen.append((self.config.method, options["restart"]))
        return call(self, *args, **options)

    monkeypatch.setattr(Attack, "__call__", counted)
    return seen


def ahead(requested):
    """An engine that requests up to four units before it runs the first one, as Ray does."""

    def seen(units):
        for unit in units:
            if unit is not None:
                requested.append((unit.config.method, unit.restart))
            yield unit

    return lambda units: toys.ahead(TARGET, DATA.x, DATA.y, 4)(seen(units))


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = go(None)
    assert [first.row, second.row] == [PGD, BLOB]
    assert not list(tmp_path.iterdir())
    record, report = first.record, first.report
    assert record.robust_accuracy == tuple(report.robust_accuracy)
    assert (record.restarts, record.gradients_per_image, record.images) == (2, 8, 40)
    assert (record.weights, record.paper_percent, record.config) == ("own", 60.0, "tiny")


def test_a_folder_gets_records_states_and_the_experiment(expected):
    files = {f"{name}.{kind}" for name in NAMES for kind in ("json", "npz")}
    assert {path.name for path in expected.iterdir()} == {".lock", "experiment.json", *files}
    assert load_experiment(expected) == experiment(restarts=3)
    for name in NAMES:
        record = records.load(expected / f"{name}.json")
        report = state.load(expected / f"{name}.npz", record.identity).report
        assert record.robust_accuracy == tuple(report.robust_accuracy)


def test_a_finished_row_is_not_run_again_unless_forced(tmp_path, units):
    go(tmp_path, PGD)
    messages = []
    again, blob = go(tmp_path, say=messages.append)
    assert [method for method, _ in units] == ["pgd", "pgd", "blob", "blob"]
    assert (again.report, again.record) == (None, records.load(tmp_path / "pgd-xent.json"))
    assert blob.report is not None
    assert f"pgd-xent: already finished, {tmp_path / 'pgd-xent.json'}" in messages
    units.clear()
    go(tmp_path, seed=1, force=True)
    assert len(units) == 4
    assert content(tmp_path, "pgd-xent")["seed"] == 1


def test_records_of_rows_that_the_experiment_no_longer_has_stay(tmp_path):
    go(tmp_path, PGD)
    before = {name: (tmp_path / name).read_bytes() for name in ("pgd-xent.json", "pgd-xent.npz")}
    messages = []
    go(tmp_path, BLOB, say=messages.append)
    assert f"pgd-xent: not a row of this experiment; stays in {tmp_path}, but" in "".join(messages)
    assert len(messages) == 2
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    assert [finished.report for finished in go(tmp_path)] == [None, None]


def test_a_record_without_its_state_is_kept(tmp_path, units):
    go(tmp_path, PGD)
    before = (tmp_path / "pgd-xent.json").read_bytes()
    (tmp_path / "pgd-xent.npz").unlink()
    with pytest.raises(InputError, match="restarts: the record has 2, but this run has 3"):
        go(tmp_path, PGD, restarts=3)
    for states in (None, tmp_path / "states"):
        (finished,) = go(tmp_path, PGD, states=states)
        assert (finished.report, len(units)) == (None, 2)
    assert (tmp_path / "pgd-xent.json").read_bytes() == before


def test_a_clash_is_refused_before_the_first_unit(tmp_path, units):
    go(tmp_path, BLOB)
    before = (tmp_path / "blob-xent.json").read_bytes()
    units.clear()
    with pytest.raises(InputError, match=r"blob-xent.json: seed: the record has 0, but this run"):
        go(tmp_path, seed=1)
    (tmp_path / "blob-xent.json").unlink()
    with pytest.raises(InputError, match=r"blob-xent.npz: is the state of a different run; choo"):
        go(tmp_path, seed=1)
    (tmp_path / "blob-xent.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"blob-xent.npz: "):
        go(tmp_path)
    (tmp_path / "blob-xent.json").write_bytes(before[:99])
    with pytest.raises(InputError, match=r"blob-xent.json: "):
        go(tmp_path)
    assert not units


def test_an_interrupted_run_resumes_after_its_last_unit(tmp_path, units, expected):
    units.before[4] = interrupt
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, restarts=3)
    assert records.load(tmp_path / "pgd-xent.json")
    assert not (tmp_path / "blob-xent.json").exists()
    with np.load(tmp_path / "blob-xent.npz") as arrays:
        assert len(arrays["unit_size"]) == 1
    took(tmp_path / "blob-xent.npz", 1000)
    go(tmp_path, restarts=3)
    assert units == [(method, r) for method in ("pgd", "blob") for r in range(3)]
    survive.compare(expected, tmp_path)
    assert records.load(tmp_path / "blob-xent.json").seconds >= 1000
    assert records.load(tmp_path / "pgd-xent.json").seconds < 1000


def test_more_restarts_extend_a_finished_run(tmp_path, units, expected, monkeypatch):
    monkeypatch.setattr(provenance, "git_commit", lambda: "a")
    go(tmp_path, restarts=1)
    monkeypatch.setattr(provenance, "git_commit", lambda: "b")
    units.clear()
    go(tmp_path, restarts=3)
    assert units == [("pgd", 1), ("pgd", 2), ("blob", 1), ("blob", 2)]
    assert content(tmp_path, "pgd-xent")["git_commit"] == "a and b"
    survive.compare(expected, tmp_path)
    with pytest.raises(InputError, match="restarts: the record has 3, but this run has 2"):
        go(tmp_path, restarts=2)


def test_a_state_with_more_restarts_than_asked_for_is_not_lost(tmp_path):
    go(tmp_path, PGD, restarts=3)
    (tmp_path / "pgd-xent.json").unlink()
    before = (tmp_path / "pgd-xent.npz").read_bytes()
    with pytest.raises(InputError, match=r"pgd-xent.npz: has 3 finished restarts, but only 2 are"):
        go(tmp_path, PGD)
    assert (tmp_path / "pgd-xent.npz").read_bytes() == before
    go(tmp_path, PGD, force=True)
    assert content(tmp_path, "pgd-xent")["restarts"] == 2


def test_experiments_share_states(tmp_path, units, expected):
    shared = tmp_path / "states"
    go(tmp_path / "a", restarts=2, states=shared)
    assert len(list(shared.iterdir())) == 2
    record = records.load(tmp_path / "a" / "pgd-xent.json")
    took(shared / f"{records.run_id(record.identity)}.npz", 30)
    units.clear()
    other = PGD.model_copy(update={"name": "other"})
    (cut,) = go(tmp_path / "b", other, restarts=1, name="second", states=shared)
    assert not units and not list((tmp_path / "a").glob("*.npz"))
    assert (cut.record.experiment, cut.record.run, cut.record.seconds) == ("second", "other", 15.0)
    assert cut.record.robust_accuracy == tuple(content(expected, "pgd-xent")["robust_accuracy"][:1])
    assert set(cut.record.broken) == set(np.flatnonzero(cut.report.margin <= 0))
    go(tmp_path / "b", other, restarts=3, name="second", states=shared)
    assert units == [("pgd", 2)]
    go(tmp_path / "a", restarts=3, states=shared)
    assert units == [("pgd", 2), ("blob", 2)]
    for name in NAMES:
        assert content(tmp_path / "a", name) == content(expected, name)
    # An earlier round keeps the records of a later one.
    (kept, _) = go(tmp_path / "a", restarts=1, states=shared)
    assert (kept.record.restarts, len(units)) == (3, 2)


def test_rows_of_the_figure_have_their_images_in_the_folder_of_the_records(tmp_path):
    tiny_experiment = experiment(examples=NAMES)
    list(run(tiny_experiment, TARGET, DATA, folder=tmp_path / "a", states=tmp_path / "states"))
    for name in NAMES:
        record = records.load(tmp_path / "a" / f"{name}.json")
        results = state.load(tmp_path / "a" / f"{name}.npz", record.identity)
        assert results.units == 2


def test_the_time_limit_ends_after_a_unit(tmp_path, monkeypatch, expected):
    clock, messages = itertools.count(1), []
    with monkeypatch.context() as patch:
        patch.setattr(scheduler.time, "monotonic", lambda: next(clock))
        with pytest.warns(UserWarning, match="stopped at the time limit: 0 of 2 rows are finished"):
            assert go(tmp_path, restarts=3, end=2, say=messages.append) == []
        with np.load(tmp_path / "pgd-xent.npz") as arrays:
            assert len(arrays["unit_size"]) == 2
        with pytest.warns(UserWarning, match="1 of 2 rows are finished; run the same command"):
            (first,) = go(tmp_path, restarts=3, end=3, say=messages.append)
    assert first.row == PGD
    go(tmp_path, restarts=3)
    survive.compare(expected, tmp_path)


def test_the_time_of_a_long_run_is_estimated_before_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scheduler, "TIMED", 0)
    go(tmp_path / "short", restarts=1, progress=True)
    assert "about" not in capsys.readouterr().err
    monkeypatch.setattr(scheduler, "LONG", 0)
    go(tmp_path / "long", restarts=1, progress=True)
    count = 2 * len(DATA) * PGD.attack.steps
    assert f"minutes for {count:,} gradients on this device" in capsys.readouterr().err
    go(tmp_path / "long", restarts=2, progress=True)  # one restart is left
    assert f"minutes for {count:,} gradients on this device" in capsys.readouterr().err


@pytest.mark.parametrize(("share", "writes"), [(1e9, 6), (1e-9, 4)])
def test_writing_states_takes_a_small_share_of_the_time(tmp_path, monkeypatch, share, writes):
    assert scheduler.WRITING == 0.05
    saved, save = [], state.save
    monkeypatch.setattr(state, "save", lambda *args: (saved.append(args), save(*args)))
    monkeypatch.setattr(scheduler, "WRITING", share)
    go(tmp_path, restarts=3)
    assert len(saved) == writes


def test_all_rows_are_one_stream_of_units(tmp_path, units, expected):
    requested, at_first_unit = [], []
    units.before[0] = lambda: at_first_unit.extend(requested)
    go(tmp_path, restarts=3, engine=ahead(requested))
    assert at_first_unit == [("pgd", 0), ("pgd", 1), ("pgd", 2), ("blob", 0)]
    survive.compare(expected, tmp_path)


@pytest.mark.parametrize("incomplete", [False, True])
def test_complete_states_become_records_at_once(tmp_path, incomplete, expected):
    go(tmp_path, restarts=3)
    for path in tmp_path.glob("*-xent.json"):
        path.unlink()
    if incomplete:  # the second row is complete, the first one is not
        (tmp_path / "pgd-xent.npz").unlink()
    requested = []
    go(tmp_path, restarts=3, engine=ahead(requested))
    assert requested == [("pgd", k) for k in range(3)] * incomplete
    survive.compare(expected, tmp_path)


def test_a_plan_that_reads_the_report_resumes_by_replay(tmp_path, units, monkeypatch):
    def narrowing(config, seed, report):
        """Four units, each on the images that the earlier ones did not break."""
        images = None
        for k in range(4):
            report = yield Unit(config, seed, k, images=images)
            while len(report.history) <= k:
                report = yield None
            images = np.flatnonzero(report.correct_per_restart.all(axis=0))

    monkeypatch.setitem(METHODS, "narrowing", Method("Narrowing", plan=narrowing))
    row = Row(name="n", attack=AttackConfig("narrowing", **OPTIONS))
    go(tmp_path / "expected", row, restarts=1)
    units.clear()
    units.before[3] = interrupt
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "resumed", row, restarts=1)
    go(tmp_path / "resumed", row, restarts=1)
    assert [restart for _, restart in units] == [0, 1, 2, 3]
    survive.compare(tmp_path / "expected", tmp_path / "resumed")
    assert len(content(tmp_path / "resumed", "n")["gradients_after"]) == 4


def test_minutes_count_the_units_of_earlier_calls(tmp_path, units, monkeypatch):
    attack = AttackConfig("adaptive", eps=0.15, budget=15.0, minutes=10.0)
    row = Row(name="adaptive", attack=attack)
    go(tmp_path, row)
    total = len(units)
    (tmp_path / "adaptive.json").unlink()
    jobs = Mock(side_effect=scheduler.Job)
    monkeypatch.setattr(scheduler, "Job", jobs)
    for seconds, minutes in ((240.0, 6.0), (600.0, 0.0)):
        took(tmp_path / "adaptive.npz", seconds)
        (finished,) = go(tmp_path, row)
        assert jobs.call_args.args[0].minutes == pytest.approx(minutes, abs=1e-6)
        assert (len(units), finished.record.seconds) == (total, seconds)
        assert len(finished.report.history) == total
        # Without the rounds of the state, the plan predicts nothing.
        assert (finished.record.predicted is None) == (seconds == 600)
        assert finished.record.stopped == ("budget" if seconds < 600 else None)
        (tmp_path / "adaptive.json").unlink()


def test_more_minutes_continue_a_run(tmp_path, units):
    def limited(minutes):
        attack = AttackConfig("adaptive", eps=0.15, budget=15.0, minutes=minutes)
        (finished,) = go(tmp_path, Row(name="adaptive", attack=attack))
        return finished.record

    first, total = limited(10.0), len(units)
    second = limited(20.0)
    assert (second.attack.minutes, second.broken, len(units)) == (20, first.broken, total)
    with pytest.raises(InputError, match=r"attack.minutes: the record has 20.0, but this run has"):
        limited(10.0)


def test_an_attack_without_a_unit_is_refused():
    row = Row(name="adaptive", attack=AttackConfig("adaptive", eps=0.15, budget=1.0))
    with pytest.raises(InputError, match="adaptive: the attack made no unit; raise budget"):
        go(None, row)


def test_a_row_can_have_its_own_seed():
    rows = [PGD.model_copy(update={"name": f"p{seed}", "seed": seed}) for seed in (4, 7)]
    first, second = go(None, *rows, restarts=1, seed=4)
    assert (first.record.seed, second.record.seed) == (4, 7)
    assert (first.report.adv != second.report.adv).any()


def test_the_bar_shows_row_restart_and_accuracy(tmp_path, capsys):
    (*_, last) = go(tmp_path, progress=True)
    bars = capsys.readouterr().err
    for text in ("1/2 pgd-xent restart 2/2", "2/2 blob-xent restart 1/2"):
        assert text in bars
    assert f"robust accuracy {100 * last.record.worst:.2f} %" in bars
    assert "/320" in bars  # 40 images, 2 restarts, 4 steps
    go(None, PGD, progress=True)
    assert "\rpgd-xent restart 1/2" in capsys.readouterr().err


def test_the_bar_counts_gradients_and_never_goes_back(monkeypatch):
    """A step of random search, also as an arm of Adaptive DAA, costs half a gradient."""
    updates, update = [], scheduler.tqdm.update

    def watched(bar, n=1):
        updates.append(n)
        return update(bar, n)

    def flat(x):
        return TARGET.network(tf.stop_gradient(x)) + 0 * tf.reduce_sum(x, [1, 2])

    monkeypatch.setattr(scheduler.tqdm, "update", watched)
    rows = (
        Row(name="search", attack=AttackConfig("square", steps=40)),
        Row(name="adaptive", attack=AttackConfig("adaptive", eps=0.15, budget=60.0)),
    )
    target = replace(TARGET, network=flat)
    *_, last = run(experiment(*rows, restarts=1), target, DATA, progress=True)
    assert min(updates) >= 0
    assert sum(updates) == pytest.approx(40 * 20.5 + last.report.gradients.sum(), abs=1)


def test_a_full_disk_is_named_before_the_first_unit(tmp_path, units, monkeypatch):
    large = np.broadcast_to(np.float32(0), (40, 2**12, 2**12, 1))  # 2.5 GiB
    monkeypatch.setattr(scheduler, "check_images", lambda *_: (large, DATA.y))
    usage = Mock(return_value=Mock(free=3 * large.nbytes - 1))
    monkeypatch.setattr(scheduler.shutil, "disk_usage", usage)
    message = "2 rows need 7.5 GiB of disk for their worst images, but only 7.5 GiB are free"
    with pytest.raises(InputError, match=message):
        go(tmp_path)
    assert not units


def test_a_second_run_inside_the_first_changes_no_result(tmp_path, units, expected, monkeypatch):
    monkeypatch.setattr(state, "sole", lambda _: contextlib.nullcontext())
    units.before[1] = lambda: go(tmp_path, restarts=3)
    go(tmp_path, restarts=3)
    assert len(units) > 6
    survive.compare(expected, tmp_path)


def test_top5_counts_labels_among_the_five_largest_logits_and_ties_against_them():
    target = Target("test/logits", lambda x: tf.reshape(x, [-1, 8]), (1, 8, 1), 8)
    # The label 0 is fifth, sixth, tied for the fifth place, first.
    for text, result in (("59876123", 1), ("59876623", 0), ("59875523", 0), ("91111111", 1)):
        x = np.array([*text], np.float32).reshape(1, 1, 8, 1)
        assert top5_accuracy(target, x, np.zeros(1, int)) == result


@pytest.mark.parametrize(("above", "present"), [(119, True), (120, False)])
def test_records_of_many_classes_have_top5_accuracies(above, present, monkeypatch):
    monkeypatch.setattr(scheduler, "TOP5_ABOVE", above)
    (target, _), (x, _) = toys.linear_target(120), toys.images(30)
    data = Dataset("test/data", x, np.asarray(target(x)).argsort(axis=1)[:, -2], "hash")
    row = Row(name="pgd", attack=PGD.attack, paper=55.0, paper_top5=66.0)
    (finished,) = run(experiment(row), target, data, progress=False)
    fields = finished.record.model_dump(exclude_unset=True)
    assert present == ({"top5_accuracy", "paper_top5_percent"} <= set(fields))
    if present:
        assert fields["top5_accuracy"] == top5_accuracy(target, finished.report.adv, data.y)
        assert fields["paper_top5_percent"] == 66.0


def test_a_model_that_is_always_wrong_is_named_instead_of_a_small_budget(tmp_path):
    wrong = Dataset(DATA.name, DATA.x, (predict(TARGET, DATA.x).argmax(1) + 1) % 10, DATA.sha256)
    row = Row(name="adaptive", attack=AttackConfig("adaptive", eps=0.15, budget=20.0))
    with pytest.raises(InputError, match="tiny/cnn: misclassifies all 40 images without an attack"):
        list(run(experiment(row), TARGET, wrong, folder=tmp_path, progress=False))
