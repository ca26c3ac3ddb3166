"""Adaptive DAA and AutoAttack on the same images."""

import json
import sys
from types import SimpleNamespace

import pytest
from toys import labelled, network

from benchmarks.race import add, again, race
from daa import InputError
from daa.cli.main import main
from daa.reports import autoattack
from daa.target import Dataset

STAGE = SimpleNamespace(attack="square", accuracy=0.5, gradients=9.0, seconds=2.0, cpu_seconds=3.0)
RESULT = SimpleNamespace(stages=[STAGE], robust_accuracy=0.4)


@pytest.fixture(scope="module")
def setting():
    target = network()
    return target, Dataset("test/relu", *labelled(target, 60), "")


def raced(setting, budget=20.0, seeds=(3,), attack=lambda *_, **__: RESULT, norm="linf"):
    return race(*setting, 0.03, attack, norm=norm, budget=budget, seeds=seeds)


def test_both_attacks_run_on_the_same_images(tmp_path, setting):
    asked = []

    def attack(target, x, y, *, eps, norm, seed):
        asked.append((len(x), eps, norm, seed))
        return RESULT

    made = raced(setting, seeds=(3, 4), attack=attack, norm="l2")
    assert asked == [(60, 0.03, "l2", 3)]
    assert [one.seed for one in made.adaptive] == [3, 4]
    assert made.autoattack.last.accuracy == 0.4  # as this project judges the images
    for one in made.adaptive:
        assert 0 < one.last.gradients <= 20
        accuracies = [point.accuracy for point in one.points]
        assert accuracies == sorted(accuracies, reverse=True)
    add(tmp_path, made)
    assert json.loads((tmp_path / autoattack.NAME).read_text())["races"][0]["images"] == 60


def test_a_new_race_reuses_the_run_of_autoattack(tmp_path, setting):
    target, data = setting
    first = raced(setting)
    add(tmp_path, first.model_copy(update={"git_commit": "old"}))
    second = again(target, data, 0.03, tmp_path, budget=30.0, seeds=(3,))
    assert second.autoattack == first.autoattack
    assert second.adaptive[0].last.gradients > 20
    assert second.autoattack_commit == "old" and "in two processes" in autoattack.about(second)
    with pytest.raises(InputError, match=r"autoattack.json: images: expected 59, got 60"):
        again(target, data.first(59), 0.03, tmp_path, budget=30.0, seeds=(3,))
    other = first.model_copy(update={"versions": {**first.versions, "numpy": "1"}})
    add(tmp_path, other)
    with pytest.raises(InputError, match=r"numpy: expected .* as it is now, got '1'"):
        again(target, data, 0.03, tmp_path, budget=30.0, seeds=(3,))


def test_a_race_replaces_the_one_with_as_many_cores(tmp_path, setting):
    first = raced(setting, budget=10.0)
    for cores in (2, 1, 2):
        path = add(tmp_path, first.model_copy(update={"cores": cores}))
    assert [one.cores for one in autoattack.load(tmp_path)] == [1, 2]
    assert path.read_text().count("test/relu (own") == 2
    (tmp_path / autoattack.NAME).unlink()
    with pytest.raises(InputError, match=r"autoattack.json: expected a race on \d+ cores, got N"):
        again(*setting, 0.03, tmp_path)


def test_the_command_adds_a_race_to_the_folder(tmp_path, setting, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.race.race", lambda *_, **__: raced(setting))
    monkeypatch.setattr("daa.targets.load_target", lambda *_, **__: setting[0])
    monkeypatch.setattr("daa.targets.load_dataset", lambda *_, **__: setting[1])
    monkeypatch.setitem(sys.modules, "daa.plugins.autoattack", SimpleNamespace(attack=None))
    command = ["benchmark", "--peers", "autoattack", "--target", "tiny/cnn"]
    assert main([*command, "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == (tmp_path / "autoattack.md").read_text().strip()
