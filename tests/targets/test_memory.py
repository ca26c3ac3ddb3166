"""Images that don't fit into memory are refused before they are read."""

import tracemalloc

import numpy as np
import pytest
from linear import linear_target

from daa import AttackConfig, worst_case
from daa.errors import InputError
from daa.targets import memory


def machine(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


MEMINFO = "MemTotal:  8000 kB\nMemAvailable:  4000 kB\n"


def test_the_memory_is_that_of_the_machine_or_of_its_control_group(tmp_path):
    assert memory.available(tmp_path) is None
    machine(tmp_path, proc__meminfo=MEMINFO)
    assert memory.available(tmp_path) == 4000 * 1024
    group = "sys__fs__cgroup__memory_dot_"
    machine(tmp_path, **{f"{group}max": "max\n", f"{group}current": "5\n"})
    assert memory.available(tmp_path) == 4000 * 1024
    machine(tmp_path, **{f"{group}max": "1000\n"})
    assert memory.available(tmp_path) == 995
    machine(tmp_path, **{f"{group}current": "2000\n"})
    assert memory.available(tmp_path) == 0
    first = "sys__fs__cgroup__memory__memory_dot_"
    machine(tmp_path / "1", proc__meminfo=MEMINFO, **{f"{first}limit_in_bytes": "7000"})
    machine(tmp_path / "1", **{f"{first}usage_in_bytes": "100"})
    assert memory.available(tmp_path / "1") == 6900
    assert (memory.available() or 2**30) > 2**20


def test_what_does_not_fit_is_said_with_what_would():
    image = 299 * 299 * 3 * 4
    memory.require(50_000, image, "imagenet", None)
    memory.require(600, image, "imagenet", 600 * 5 * image)
    with pytest.raises(InputError) as error:
        memory.require(50_000, image, "imagenet", 12 * 2**30)
    assert str(error.value) == (
        "imagenet: images: expected 249.8 GiB of memory for an attack on 50,000, got 12.0 GiB, "
        "in which 2,402 fit"
    )


@pytest.mark.parametrize("method", ["pgd", "blob", "momentum"])
def test_an_attack_holds_no_more_copies_than_it_asks_for(method):
    target, _ = linear_target(shape=(32, 32, 3))
    rng = np.random.default_rng(0)
    x, y = rng.random((1000, 32, 32, 3), dtype=np.float32), rng.integers(0, 3, 1000)
    config = AttackConfig(method, batch_size=20, steps=10)
    worst_case(target, config, x[:20], y[:20])  # its graph
    tracemalloc.start()
    worst_case(target, config, x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + x.nbytes < memory.COPIES * x.nbytes
