"""What this project keeps beside its results: states of runs and trainings, figures' numbers."""

import json
from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz_weights import others, packed
from world import changed, command, mutated, place, refused_or, share

from benchmarks import report
from daa import targets
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.reports import examples, natural, races
from daa.runs import config, records, state
from daa.runs.config import Experiment, Row
from daa.runs.state import State
from daa.training import training
from daa.training.recipe import TrainConfig

IMAGES = 4
RECIPE = TrainConfig(target="tiny/cnn", eps=0.1, step_size=0.1, steps=1, epochs=1)


@cache
def run():
    """A finished run: its record as JSON, and the arrays of its state."""
    target, data = targets.load_target("tiny/cnn"), targets.load_dataset("tiny/cnn")
    data = data.first(IMAGES)
    row = Row(name="pgd-xent", attack=AttackConfig("pgd", eps=0.15))
    experiment = Experiment(name="t", title="T", target="tiny/cnn", rows=(row,))
    about = ("tiny/cnn", "own", target.weights_sha256, data, 1, 0)
    ident = records.identity(experiment, row, *about)
    margin = np.ones(IMAGES, np.float32)
    reached = Report(data.x, margin, margin, (Outcome(None, margin, 1.0),))
    origin = {"device": ["A"], "git_commit": ["b"]}
    record = records.finished_run(
        ident, experiment, row, clean=1.0, report=reached, seconds=1, origin=origin
    )
    with place("kept") as folder:
        records.save(folder / "a.json", record)
        state.save(folder / "a.npz", ident, State(reached, 1.0, origin))
        with np.load(folder / "a.npz") as file:
            return json.loads((folder / "a.json").read_text()), dict(file)


@share(2)
@given(st.data())
def test_an_array_from_a_damaged_run(drawn):
    record, arrays = run()
    whole = packed(arrays)
    kept = drawn.draw(st.one_of(st.just(whole), mutated(whole), others(arrays).map(packed)))
    if drawn.draw(st.booleans()):
        record = drawn.draw(changed(record))
    out = drawn.draw(st.sampled_from(["a.npy", "r/a.json", "r/a.npz", "r", "none/a.npy"]))
    with place("kept") as folder:
        (folder / "r").mkdir()
        (folder / "r" / "a.json").write_text(json.dumps(record))
        (folder / "r" / "a.npz").write_bytes(kept)
        command(folder, ["submit", "build", "r", "-o", out])


@cache
def trained():
    """A trainer, and the arrays of its state."""
    trainer = training.make_trainer(RECIPE, targets.model_of("tiny/cnn"), 100)
    best = {f"best/{name}": array for name, array in trainer.arrays().items()}
    text = {"log": np.array('[{"epoch": 1, "pgd": 0.5}]'), "config": np.array("this")}
    return trainer, {**trainer.state(), **best, **text}


@share(2)
@given(st.data())
def test_states_of_trainings(drawn):
    trainer, arrays = trained()
    content = drawn.draw(st.one_of(mutated(packed(arrays)), others(arrays).map(packed)))
    with place("kept") as folder:
        (folder / "state.npz").write_bytes(content)
        found = refused_or(training.restore, trainer, folder / "state.npz", "this")
        if found is not None:
            lines, best = found
            assert set(best) == set(trainer.variables)
            assert training.since_best(lines) >= 0


def beside(name):
    """A committed file of the results."""
    return json.loads((config.RESULTS / name).read_text(encoding="utf-8"))


def race():
    """A race, made of a committed record."""
    names = ("target", "weights", "weights_sha256", "data", "data_sha256", "images")
    names += ("clean_accuracy", "device", "versions", "git_commit")
    record = beside("robust_mnist/pgd-xent.json")
    point = {"attack": "a", "accuracy": 0.5, "gradients": 3, "seconds": 1.5, "cpu_seconds": 2}
    course = {"seed": 0, "points": [point]}
    found = {name: record[name] for name in names}
    return found | {"eps": 0.3, "cores": 2, "autoattack": course, "adaptive": [course]}


# {name of the file: (content, what reads it in a folder and what is made of it)}.
KEPT = {
    "benchmark.json": (
        beside("benchmark.json"),
        lambda folder: report.markdown(report.load(folder / "benchmark.json")),
    ),
    natural.FILE: (beside(natural.FILE), natural.load),
    records.EXAMPLES: (beside("figure1-locuslab-fast_pgd_mnist/examples.json"), examples.load),
    races.NAME: (
        {"schema": 1, "races": [race()]},
        lambda folder: races.markdown(races.load(folder)),
    ),
}


@share(3)
@given(st.data(), st.sampled_from(sorted(KEPT)))
def test_numbers_of_figures(drawn, name):
    content, read = KEPT[name]
    text = mutated(json.dumps(content).encode())
    whole = changed(content).map(lambda found: json.dumps(found).encode())
    with place("kept") as folder:
        (folder / name).write_bytes(drawn.draw(st.one_of(text, whole)))
        refused_or(read, folder)
