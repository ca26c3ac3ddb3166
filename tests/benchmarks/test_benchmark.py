"""The benchmark: its measurements, its file and its tables."""

import json
import sys

import numpy as np
import pytest

from benchmarks import cases, growth, report, speed
from daa.cli.main import main
from daa.errors import InputError
from daa.runs import config, records


def test_operations_are_those_of_the_architecture():
    """MadryLab's network by hand: two convolutions and two products, forward and to the image."""
    forward = 28 * 28 * 32 * 25 + 14 * 14 * 64 * 25 * 32 + 3136 * 1024 + 1024 * 10
    assert speed.flops_of("madry_mnist") == 2 * 2 * forward


def test_ratios_are_taken_within_each_round():
    """The second round was slow for both, which must not count."""
    times = {"a": [2.0, 20.0, 2.0], "b": [1.0, 10.0, 1.0]}
    assert speed.ratio(times, "a", "b") == 2


def test_cases_alternate_and_compile_again_in_each_round():
    calls = []

    def make():
        calls.append("make")
        return {name: lambda name=name: calls.append(name) or np.zeros(1) for name in "ab"}

    times = speed.measure(make, repeats=2, steps=1)
    assert calls == ["make", "a", "a", "b", "b"] * 2
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("name", ["locuslab", "madry_mnist"])
def test_every_method_has_a_case(name):
    runs = cases.steps_of(name, 4, 2)
    methods = {"gradient", "pgd", "momentum", "blob", "dgf", "released recipe, blob"}
    assert methods <= set(runs)
    assert np.shape(runs["pgd"]()) == (4, *cases.NETWORKS[name].image_shape)


def test_a_point_of_the_growth_is_a_time_and_a_memory_without_that_of_the_parent_process():
    ballast = np.ones(2**28)  # 2 GiB
    point = growth.new_process(method="blob", particles=10, images=40)
    assert ballast[0] == 1
    assert point["particles"] == 10
    assert point["microseconds_per_image_step"] > 0
    assert 0.1 < point["gigabytes"] < 1.5


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "foolbox", None)
    with pytest.raises(InputError, match="expected the package foolbox"):
        cases.attacks_of("locuslab", 4, 10)


@pytest.mark.parametrize(
    "content",
    [
        {"schema": 1, "measured": {}, "steps": {"madry_mnist": {}}},
        {"schema": 1, "measured": {"limit": {"a": {"device": "A"}}}, "limit": {"a": []}},
        [],
    ],
)
def test_another_file_is_refused_before_a_measurement(tmp_path, content, refused):
    out = tmp_path / "benchmark.json"
    out.write_text(json.dumps(content))
    line = refused("benchmark", "--out", out, "--only", "limit")
    assert "benchmark.json: " in line
    assert json.loads(out.read_text()) == content


@pytest.mark.parametrize("name", ["notes.json", "notes.md", "notes.svg"])
def test_other_files_are_not_overwritten(name, tmp_path, monkeypatch, refused):
    monkeypatch.setattr(speed, "MEASUREMENTS", {"limit": lambda _: pytest.fail("it measures")})
    (tmp_path / name).write_text("my own", encoding="utf-8")
    assert f"{name}: " in refused("benchmark", "--out", tmp_path / "notes.json")
    assert (tmp_path / name).read_text(encoding="utf-8") == "my own"
    assert ".json" in refused("benchmark", "--out", tmp_path / "notes.md")


def test_a_new_measurement_keeps_other_parts_and_networks(tmp_path, monkeypatch):
    out = tmp_path / "benchmark.json"
    parts = {
        "limit": lambda args: {name: limit | {"rounds": args.repeats} for name in args.networks},
        "parts": lambda args: {"nothing": {"rounds": args.repeats, "milliseconds": 0.1}},
    }
    limit = {"megaflops_per_image_step": 1.0, "gigaflops": 1.0}
    limit |= {"best_product_gigaflops": 2.0, "fraction": 0.5}
    monkeypatch.setattr(speed, "MEASUREMENTS", parts)
    assert main(["benchmark", "--out", str(out), "--repeats", "5"]) == 0
    content = report.load(out)
    for name in ("locuslab", "madry_mnist"):
        content["measured"]["limit"][name]["device"] = "CPU of another machine"
    records.write_json(out, content)
    again = ["--only", "limit", "--networks", "locuslab", "--repeats", "7"]
    assert main(["benchmark", "--out", str(out), *again]) == 0
    content = report.load(out)
    assert content["parts"]["nothing"]["rounds"] == 5
    assert content["limit"]["locuslab"]["rounds"] == 7
    assert content["limit"]["madry_mnist"]["rounds"] == 5
    text = out.with_suffix(".md").read_text()
    assert text.count("CPU of another machine, 5 rounds") == 1


def test_the_committed_tables_are_those_of_the_committed_figures():
    path = config.RESULTS / "benchmark.json"
    expected = report.markdown(report.load(path))
    assert path.with_suffix(".md").read_text(encoding="utf-8") == expected
