"""Arrays of the size of a data set lie in memory, else on disk; what fits nowhere is refused."""

import os
import tempfile
import tracemalloc

import numpy as np
import pytest
from toys import config, images, linear_target

from daa import Attack, AttackConfig, storage, worst_case
from daa.errors import InputError


def machine(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


MEMINFO = "MemTotal:  8000 kB\nMemAvailable:  4000 kB\n"


def test_the_memory_is_that_of_the_machine_or_of_its_control_group(tmp_path):
    assert storage.available(tmp_path) is None
    machine(tmp_path, proc__meminfo=MEMINFO)
    assert storage.available(tmp_path) == 4000 * 1024
    group = "sys__fs__cgroup__memory_dot_"
    machine(tmp_path, **{f"{group}max": "max\n", f"{group}current": "5\n"})
    assert storage.available(tmp_path) == 4000 * 1024
    machine(tmp_path, **{f"{group}max": "1000\n"})
    assert storage.available(tmp_path) == 995
    machine(tmp_path, **{f"{group}current": "2000\n"})
    assert storage.available(tmp_path) == 0
    # What the group holds of files makes room when it is needed; a tmpfs does not.
    machine(tmp_path, **{f"{group}stat": "shmem 7\nactive_file 300\ninactive_file 1000\n"})
    assert storage.available(tmp_path) == 300
    first = "sys__fs__cgroup__memory__memory_dot_"
    machine(tmp_path / "1", proc__meminfo=MEMINFO, **{f"{first}limit_in_bytes": "7000"})
    machine(tmp_path / "1", **{f"{first}usage_in_bytes": "100"})
    assert storage.available(tmp_path / "1") == 6900
    machine(tmp_path / "1", **{f"{first}stat": "inactive_file 9\ntotal_inactive_file 50\n"})
    assert storage.available(tmp_path / "1") == 6950
    assert (storage.available() or 2**30) > 2**20


@pytest.mark.parametrize(
    ("kinds", "real"),
    [
        ({"/": "ext4"}, True),
        ({"/": "tmpfs"}, False),
        ({"/": "overlay", "{}": "tmpfs"}, False),
        ({"/": "tmpfs", "{}": "xfs"}, True),
        ({"/": "ext4", "{}x": "tmpfs", "{short}": "tmpfs"}, True),
        ({}, True),
    ],
)
def test_a_folder_of_temporary_files_that_is_memory_has_no_disk(tmp_path, monkeypatch, kinds, real):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    short = str(tmp_path)[:-1]  # another folder, though the name begins alike
    lines = [
        f"dev {place.format(tmp_path, short=short)} {kind} rw 0 0\n"
        for place, kind in kinds.items()
    ]
    machine(tmp_path, proc__self__mounts="".join(lines))
    folder, free = storage.temporary(tmp_path)
    assert folder == str(tmp_path)
    assert (free > 0) == real


def test_a_mount_may_have_a_blank_in_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    place = str(folder).replace(" ", r"\040")
    machine(tmp_path, proc__self__mounts=f"dev / ext4 rw 0 0\ndev {place} tmpfs rw 0 0\n")
    assert storage.temporary(tmp_path) == (str(folder), 0)


def test_what_fits_nowhere_is_said_with_what_would(monkeypatch):
    image = 299 * 299 * 3 * 4

    def ask(images, room, disk):
        monkeypatch.setattr(storage, "available", lambda: room)
        monkeypatch.setattr(storage, "temporary", lambda: ("/t", disk))
        storage.require(images, image, "imagenet")

    ask(50_000, None, 0)
    ask(600, 600 * 5 * image, 0)
    ask(600, 0, 600 * 4 * image)
    with pytest.raises(InputError) as error:
        ask(50_000, 12 * 2**30, 60 * 2**30)
    assert str(error.value) == (
        "imagenet: images: expected 249.8 GiB of memory for an attack on 50,000, or 199.8 GiB of "
        "disk in TMPDIR, got 12.0 GiB and 60.0 GiB in /t, in which 15,013 fit"
    )


@pytest.fixture
def room(monkeypatch, tmp_path):
    """Gives so many bytes of memory and disk, and few images to a part."""

    def give(memory, disk):
        monkeypatch.setattr(storage, "SMALL", 200)
        monkeypatch.setattr(storage, "PART", 1000)
        monkeypatch.setattr(storage, "available", lambda: memory)
        monkeypatch.setattr(storage, "temporary", lambda: (str(tmp_path), disk))

    return give


def test_an_array_lies_in_memory_else_on_disk_else_nowhere(room, tmp_path):
    for memory, disk, there in (
        (None, 0, False), (5000, 1000, False), (4999, 1000, True), (4999, 999, False),
        (1001, 0, False),
    ):  # fmt: skip
        room(memory, disk)
        found = storage.empty((25, 10))
        assert storage.in_file(found[3:]) == there
        assert (found.shape, found.dtype, type(found)) == ((25, 10), np.float32, np.ndarray)
    assert not list(tmp_path.iterdir())
    room(1000, 999)
    with pytest.raises(InputError, match=r"images: expected .* got 0.0 GiB and 0.0 GiB in /"):
        storage.empty((25, 10))
    assert not storage.in_file(storage.empty((50,)))  # small


def test_a_disk_that_is_full_by_now_is_no_signal(room, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    room(4999, 1000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert not storage.in_file(storage.empty((25, 10)))
    room(900, 1000)
    with pytest.raises(InputError, match="or of disk in TMPDIR, for one copy of them"):
        storage.empty((25, 10))


def test_rows_move_part_by_part_as_they_would_at_once(room):
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 40, 5, 5, 1)).astype(np.float32)
    room(0, 10**6)
    rows, chosen = rng.permutation(40)[:23], rng.permutation(40)[:23]
    expected, found = a.copy(), storage.copy(a)
    assert storage.in_file(found)
    expected[rows] = b[chosen]
    storage.put(found, rows, b, chosen)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(storage.taken(b, chosen), b[chosen])
    sizes = [len(a[part]) for part in storage.parts(a)]
    assert sizes == [2] * 20
    np.testing.assert_array_equal(storage.computed(lambda x, y: x + y, a, b), a + b)


MANY = {
    "pgd": {},
    "blob": {"targeted": "least_likely"},
    "momentum": {"clip_start": True},
    "apgd": {"steps": 10},
    "rand_fgsm": {},
    "dgf": {"momentum": 0.5, "keep": "best"},
    "multitargeted": {"restarts": "standing"},
}


@pytest.mark.parametrize("method", MANY)
def test_an_attack_on_disk_is_that_in_memory(method, room):
    """Bit for bit: starts are drawn in parts, images lie in files, and all of them are shuffled."""
    target, _ = linear_target()
    x, y = images(90)
    settings = config(method, **MANY[method])
    expected = worst_case(target, settings, x, y, restarts=3, seed=4)
    room(0, 10**9)
    found = worst_case(target, settings, storage.copy(x), y, restarts=3, seed=4)
    assert storage.in_file(found.adv)
    assert not storage.in_file(expected.adv)
    np.testing.assert_array_equal(found.adv, expected.adv)
    np.testing.assert_array_equal(found.margin, expected.margin)
    np.testing.assert_array_equal(found.correct_per_restart, expected.correct_per_restart)
    again = worst_case(target, settings, x, y, restarts=4, seed=4, so_far=found)
    assert len(again.history) == 4
    assert np.shares_memory(again.adv, found.adv) is False


def test_an_attack_on_disk_checks_what_it_is_given(room):
    target, _ = linear_target()
    x, y = images()
    x[33, 1, 2, 0] = 1.5
    room(0, 10**9)
    with pytest.raises(InputError, match=r"x: image 33, pixel \(1, 2, 0\): expected \[0, 1\]"):
        Attack(target, config("pgd"))(x, y)


def test_an_attack_that_holds_all_images_in_several_versions_needs_memory(room):
    target, _ = linear_target()
    x, y = images()
    room(len(x) * x[0].nbytes * 4 - 1, 10**9)  # beside the images themselves
    with pytest.raises(InputError, match=r"adaptive: images: expected 0.0 GiB .* in which 39 fit"):
        worst_case(target, AttackConfig("adaptive", eps=0.1, budget=20), x, y)
    room(len(x) * x[0].nbytes * 4, 10**9)
    worst_case(target, AttackConfig("adaptive", eps=0.1, budget=20), x, y)


@pytest.mark.parametrize("files", [1, 3])
def test_results_that_no_disk_takes_are_refused_before_the_first_run(files, tmp_path, monkeypatch):
    x = np.zeros((10, 5, 5, 1), np.float32)

    def ask(free, mapped):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: usage)
        monkeypatch.setattr(storage, "in_file", lambda _: mapped)
        storage.require_disk(tmp_path, x, files)

    ask(files * x.nbytes, False)
    ask((files + 3) * x.nbytes, True)  # and the attack's own, which share the disk
    for mapped, each in ((False, files * 100), (True, (files + 3) * 100)):
        with pytest.raises(InputError, match=r"images: expected .* of 10, got .* in which 9 fit"):
            ask(10 * each - 1, mapped)


@pytest.mark.parametrize("method", ["pgd", "blob", "momentum"])
def test_an_attack_holds_no_more_copies_than_it_asks_for(method):
    target, _ = linear_target(shape=(32, 32, 3))
    rng = np.random.default_rng(0)
    x, y = rng.random((1000, 32, 32, 3), dtype=np.float32), rng.integers(0, 3, 1000)
    config = AttackConfig(method, batch_size=20, steps=10)
    worst_case(target, config, x[:20], y[:20])  # its graph
    tracemalloc.start()
    worst_case(target, config, x, y, restarts=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + x.nbytes < storage.COPIES * x.nbytes


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("rand_fgsm", {}),
        ("blob", {"steps": 2, "steps_per_shuffle": 1}),
        ("pgd", {"steps": 2, "keep": "best", "targeted": "least_likely"}),
        ("odi", {"steps": 2, "restarts": "standing"}),
        ("apgd", {"steps": 2}),
    ],
)
def test_an_attack_on_disk_holds_few_images_in_memory(method, options, room, monkeypatch):
    """NumPy's own arrays grow far less than the images do."""
    target, _ = linear_target(classes=4, shape=(32, 32, 3))
    config = AttackConfig(method, batch_size=20, **options)
    x = np.random.default_rng(0).random((1600, 32, 32, 3), dtype=np.float32)
    y = np.arange(1600) % 4
    room(0, 10**9)
    monkeypatch.setattr(storage, "SMALL", 10 * x[0].nbytes)
    monkeypatch.setattr(storage, "PART", 100 * x[0].nbytes)
    peaks = []
    for n in (20, 800, 1600):
        mapped = storage.copy(x[:n])
        tracemalloc.start()
        worst_case(target, config, mapped, y[:n], restarts=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 0.05 * 800 * x[0].nbytes
