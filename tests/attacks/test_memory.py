import os
import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest
from toys import config, images, linear_target

from daa import Attack, AttackConfig, InputError, memory, worst_case


def on_disk(array):
    return isinstance(array.base, np.memmap)


@pytest.fixture
def room(monkeypatch, tmp_path):
    """Sets the free memory; slices hold a few images."""
    monkeypatch.setattr(memory, "SMALL", 200)
    monkeypatch.setattr(memory, "PART", 1000)
    monkeypatch.setattr(memory.tempfile, "tempdir", str(tmp_path))
    return lambda size: monkeypatch.setattr(memory, "available", lambda: size)


def test_an_array_is_on_disk_only_if_memory_is_too_small(room, tmp_path):
    for size, expected in ((5000, False), (4999, True)):
        room(size)
        array = memory.empty((25, 10))
        assert on_disk(array) == expected
        assert (array.shape, array.dtype, type(array)) == ((25, 10), np.float32, np.ndarray)
    assert not list(tmp_path.iterdir())  # the file has no name
    assert not on_disk(memory.empty((50,)))  # small


def test_a_full_disk_is_an_error_in_one_line(room, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    room(0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"images: no room for 0.0 GiB .*No space left.*TMPDIR"):
        memory.empty((25, 10))


def test_rows_are_copied_slice_by_slice(room):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 40, 5, 5, 1)).astype(np.float32)
    room(0)
    rows, chosen = rng.permutation(40)[:23], rng.permutation(40)[:23]
    expected, array = a.copy(), memory.copy(a)
    assert on_disk(array)
    expected[rows] = b[chosen]
    memory.put(array, rows, b, chosen)
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(memory.taken(b, chosen), b[chosen])
    assert [len(a[part]) for part in memory.parts(a)] == [2] * 20
    np.testing.assert_array_equal(memory.computed(lambda x, y: x + y, a, b), a + b)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("blob", {"targeted": "least_likely"}),
        ("apgd", {"steps": 10}),
        ("dgf", {"momentum": 0.5, "keep": "best"}),
        ("multitargeted", {"restarts": "standing"}),
    ],
)
def test_an_attack_on_disk_equals_the_attack_in_memory(method, options, room, target):
    x, y = images(90)
    settings = config(method, **options)
    room(10**9)
    expected = worst_case(target, settings, x, y, restarts=3, seed=4)
    room(0)
    report = worst_case(target, settings, memory.copy(x), y, restarts=3, seed=4)
    assert on_disk(report.adv)
    assert not on_disk(expected.adv)
    np.testing.assert_equal(asdict(report), asdict(expected))
    again = worst_case(target, settings, x, y, restarts=4, seed=4, so_far=report)
    assert len(again.history) == 4
    assert not np.shares_memory(again.adv, report.adv)


def test_images_on_disk_are_checked_to_the_end(room, target, x, y):
    x[33, 1, 2, 0] = 1.5
    room(0)
    with pytest.raises(InputError, match=r"x: image 33, pixel \(1, 2, 0\): expected \[0, 1\]"):
        Attack(target, config("pgd"))(x, y)


def test_the_adaptive_attack_needs_memory(room, target, x, y):
    room(4 * x.nbytes - 1)
    with pytest.raises(InputError, match=r"adaptive: 40 images need more memory; 39 images fit"):
        worst_case(target, AttackConfig("adaptive", eps=0.1, budget=20), x, y)
    room(4 * x.nbytes)
    worst_case(target, AttackConfig("adaptive", eps=0.1, budget=20), x, y)


@pytest.mark.parametrize("method", ["pgd", "blob"])
def test_an_attack_holds_a_fixed_number_of_copies(method):
    target, _ = linear_target(shape=(32, 32, 3))
    rng = np.random.default_rng(0)
    x, y = rng.random((500, 32, 32, 3), dtype=np.float32), rng.integers(0, 3, 500)
    settings = AttackConfig(method, batch_size=20, steps=10)
    worst_case(target, settings, x[:20], y[:20])  # compiles the graph
    tracemalloc.start()
    worst_case(target, settings, x, y, restarts=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + x.nbytes < memory.COPIES * x.nbytes


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("blob", {"steps": 2, "steps_per_shuffle": 1}),
        ("pgd", {"steps": 2, "keep": "best", "targeted": "least_likely"}),
        ("odi", {"steps": 2, "restarts": "standing"}),
    ],
)
def test_an_attack_on_disk_holds_few_images_in_memory(method, options, room, monkeypatch):
    target, _ = linear_target(classes=4, shape=(32, 32, 3))
    settings = AttackConfig(method, batch_size=20, **options)
    x = np.random.default_rng(0).random((300, 32, 32, 3), dtype=np.float32)
    y = np.arange(300) % 4
    room(0)
    monkeypatch.setattr(memory, "SMALL", 10 * x[0].nbytes)
    monkeypatch.setattr(memory, "PART", 20 * x[0].nbytes)
    monkeypatch.setattr("daa.target._BATCH", 20 * x[0].nbytes)
    peaks = []
    for n in (20, 150, 300):
        mapped = memory.copy(x[:n])
        tracemalloc.start()
        worst_case(target, settings, mapped, y[:n], restarts=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 0.1 * 150 * x[0].nbytes
