"""From random weights to the report, killed on the way; and what is said of the device."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest

from daa import AttackConfig, InputError, targets
from daa.attacks import directions, kernels
from daa.paper import claims as numbers
from daa.paper import cost, rehearsal, rounds, soundness
from daa.paper import reproduce as whole
from daa.paper.networks import Network
from daa.paper.soundness import Finding
from daa.target import Target
from daa.targets import checkpoints, untrained
from daa.tensorflow import tf


@pytest.fixture
def cache(tmp_path, monkeypatch):
    for name in ("DAA_DATA", "DAA_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "daa"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_from_checkpoint_to_report_with_a_kill(cache, tmp_path):
    told = []
    out = tmp_path / "out"
    assert rehearsal.rehearse("cpu", ("fmnist",), out, sizes=False, say=told.append)
    (killed,) = (text for text in told if text.startswith("killed after"))
    cells = sum(len(numbers.load(e.config).rows) for e in numbers.entries() if e.part == "fmnist")
    assert 3 <= int(killed.split()[2]) < cells
    assert any(f"to {cells}" in text for text in told)
    rows = list(csv.DictReader((out / "report.csv").open()))
    assert {row["word"] for row in rows} == {"no verdict"}
    assert {row["weights"] for row in rows} == {"own"}
    assert {row["restarts"] for row in rows} == {"1"}
    assert "random weights" in (out / "index.html").read_text()
    reference = numbers.load("table_fmnist").target
    written = checkpoints.find_prefix(cache / "rehearsal" / "models" / reference)
    names = {name for name, _ in tf.train.list_variables(str(written))}
    assert names == {*targets.model_of(reference).variables, "global_step"}
    assert told[-1] == "the path is sound on the processor; no GPU was seen"
    with pytest.raises(InputError, match="out: expected a new folder, got 'files'"):
        rehearsal.rehearse("cpu", ("fmnist",), out, say=told.append)


def test_a_run_that_was_done_before_is_not_called_killed(options, monkeypatch):
    monkeypatch.setattr(rehearsal.sys, "executable", shutil.which("true"))
    assert rehearsal._killed(options, "cpu") == "not killed, as it was done after 0 records"
    monkeypatch.setattr(rehearsal.sys, "executable", shutil.which("false"))
    with pytest.raises(InputError, match="expected a run that can be killed, got nothing said"):
        rehearsal._killed(options, "cpu")


def test_without_a_gpu_it_says_so_and_goes_on(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *given: None)
    told = []
    assert rehearsal._device("gpu", told.append) == "cpu"
    assert "expected a GPU that TensorFlow sees, got none; the processor's part" in told[0]


def test_images_of_every_data_set_can_be_generated(cache, tmp_path):
    for reference in dict.fromkeys(numbers.load(e.config).target for e in numbers.entries()):
        family, model = targets.family(reference), targets.model_of(reference)
        folder = tmp_path / family.dataset.folder
        if not folder.exists():
            folder.mkdir(parents=True)
            rehearsal.generate(folder, model.image_shape)
        with pytest.warns(UserWarning) if family.name != "imagenet_ens" else _nothing():
            data = targets.load_dataset(reference, "test", str(tmp_path), rehearsal.IMAGES)
        assert data.x.shape == (rehearsal.IMAGES, *model.image_shape)


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.fixture
def network() -> Target:
    row = targets.row(numbers.load("provable_mnist").target)
    model = row.model
    variables = checkpoints.cast(model.convert(untrained.arrays(model)), "float32")
    half = lambda: model.network(model.half(variables))  # noqa: E731
    return Target("locuslab/random", model.network(variables), model.image_shape, 10, half=half)


@pytest.fixture
def minibatch():
    rng = np.random.default_rng(0)
    return rng.random((20, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, 20)


def test_the_processor_is_sound(network, minibatch):
    found = {finding.what: finding for finding in soundness.examine(network, *minibatch, 0.3)}
    assert [f for f in found.values() if f.sound is False] == []
    assert found["device"].found.startswith("no GPU; what a GPU would do is computed on the")
    assert found["host copies inside a visit"].found == "none in its graph"
    assert "bfloat16" in found
    assert found["TF32"].found == "GPUs alone have it"


@pytest.mark.parametrize("allowed", [False, True])
def test_float32_on_a_gpu_must_not_be_tf32(allowed, monkeypatch):
    name = "tensor_float_32_execution_enabled"
    monkeypatch.setattr(tf.config.experimental, name, lambda: allowed)
    assert soundness._tf32(on_gpu=True).sound is not allowed


def test_what_is_not_sound_is_found(network, minibatch, monkeypatch):
    x, y = minibatch
    grad = soundness._gradient(network, x, y, "CPU:0")
    monkeypatch.setattr(
        kernels, "_nth_smallest", lambda values, n: tf.raw_ops.NthElement(input=values, n=n)
    )
    config = AttackConfig(
        "blob", eps=0.3, step_size=0.01, steps=2, steps_per_shuffle=1, batch_size=20
    )
    found = soundness._no_host(network, config, x, y, "CPU:0")
    assert (found.sound, found.found) == (False, "NthElement in its graph")
    turned = {
        "turned": lambda x, grad: (1 + 1e-4 * kernels.on_gpu()) * directions.dgf(x, grad, c=0.001)
    }
    monkeypatch.setattr(soundness, "_DIRECTIONS", turned)
    monkeypatch.setattr(kernels, "_nth_smallest", lambda values, n: tf.sort(values)[n])
    (found,) = soundness._same_directions(x, grad, "CPU:0")
    assert found.sound is False
    assert str(Finding("a", "b", sound=False)) == "a: b [NOT SOUND]"


def test_a_step_is_timed_and_a_failure_named(network, cache):
    assert 0 < cost.step(network, 0.3, 8).seconds < 60
    with pytest.raises(InputError, match=r"tiny/none: expected the cost of a step, got .*none"):
        cost.measure_apart(reference="tiny/none", particles=2)


def test_cheap_networks_come_first(task, options):
    """A network that is slow for each image may still be the cheap one."""
    work = [task("one", 1)]
    dear = Network("tiny/cnn", 40, 40, options, (20, "float32"))
    found = rounds.cells(work, {"tiny/cnn": dear})
    few = [rounds.Cell(cell.task, cell.number, _Named(dear, "few")) for cell in found[:1]]
    for slow, order in [(1.5, ["few", "tiny/cnn"]), (3.0, ["tiny/cnn", "few"])]:
        known = {"tiny/cnn": _Timed(1.0), "few": _Timed(slow)}
        assert whole.by_cost([*found, *few], known) == order


def test_a_network_without_a_printed_number_comes_last(task, options):
    """The report says nothing of it, however cheap it is."""
    entries = {e.config: e for e in numbers.entries()}
    found = []
    for name in ("provable_mnist", "table1"):
        work = replace(task("one", 1), entry=entries[name])
        network = Network("tiny/cnn", 40, 40, options, (20, "float32"))
        found += [
            rounds.Cell(cell.task, cell.number, _Named(network, name))
            for cell in rounds.cells([work], {"tiny/cnn": network})
        ]
    known = {"provable_mnist": _Timed(1.0), "table1": _Timed(5.0)}
    assert whole.by_cost(found, known) == ["table1", "provable_mnist"]


class _Timed:
    def __init__(self, ms_per_image):
        self.ms_per_image = ms_per_image


class _Named:
    """A network under another name."""

    def __init__(self, network, reference):
        self.reference, self.data = reference, network.data
