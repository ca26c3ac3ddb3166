"""Experiments as YAML files, and their copy as JSON."""

import re

import pytest

from daa import InputError
from daa.reports import autoattack
from daa.runs import config, records
from daa.runs.config import PaperTests, load_experiment, save_experiment

GOOD = """
name: small
title: A test
target: tiny/cnn
attack: {eps: 8/255, step_size: 0.01, steps: 20, batch_size: 50}
rows:
  - {method: pgd, loss: xent, paper: 45.09}
  - {method: blob, loss: cw, c: 0.005, name: mine}
"""


@pytest.fixture
def load(tmp_path):
    """Loads a YAML text."""

    def load(text, target=None):
        path = tmp_path / "small.yaml"
        path.write_text(text, encoding="utf-8")
        return config.load(path, target)

    return load


def test_rows_share_settings_and_can_override_them(load):
    first, second = load(GOOD).rows
    assert first.attack.eps == 8 / 255
    assert (first.name, first.paper) == ("pgd-xent", 45.09)
    assert (second.name, second.attack.c, second.attack.steps) == ("mine", 0.005, 20)


def test_a_shared_setting_applies_to_the_rows_that_read_it(load):
    text = GOOD.replace("attack: {", "attack: {c: 0.5, random_start: false, ")
    text += "  - {method: fgsm}\n  - {method: dgf, c: 0.1}\n"
    pgd, blob, fgsm, dgf = (row.attack for row in load(text).rows)
    assert [attack.c for attack in (pgd, blob, fgsm, dgf)] == [None, 0.005, None, 0.1]
    assert (pgd.random_start, fgsm.random_start, fgsm.steps) == (False, None, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("paper: 45.09", "papr: 45.09", r"small.yaml: rows\[0\]: unknown option 'papr'; use "),
        ("steps: 20", "stepps: 20", "small.yaml: attack: unknown option 'stepps'"),
        ("title: A test", "titel: x\ntitle: y", "small.yaml: titel: unknown key"),
        ("title: A test\n", "", "small.yaml: title: is missing"),
        ("steps: 20", "steps: twenty", r"rows\[0\].steps: "),
        ("c: 0.005", "step_size: 0.4", r"rows\[1\].step_size: "),
        ("method: pgd, ", "", r"rows\[0\].method: is missing"),
        ("method: pgd", "method: pdg", r"rows\[0\].method: .*'pdg'"),
        ("method: pgd", "method: [pgd]", r"rows\[0\].method: .*\['pgd'\]"),
        ("paper: 45.09", "paper: .nan", r"rows\[0\].paper: must be a finite number"),
        ("paper: 45.09", "paper: 101", r"rows\[0\].paper: must be less than or equal to 100, got"),
        ("name: mine", "name: pgd-xent", r"rows\[1\].name: 'pgd-xent' is already the name of a"),
        ("name: mine", "name: ../up", r"rows\[1\].name: .*got '../up'"),
        ("name: mine", f"name: {'x' * 151}", r"rows\[1\].name: .* at most 150 characters"),
        ("name: mine", "name: examples", r"rows\[1\].name: must not be examples, evaluation, exp"),
        ("name: small", "name: a/b", "small.yaml: name: must match pattern"),
        ("name: small", f"name: {'x' * 201}", "small.yaml: name: .* at most 200 "),
        ("target: tiny/cnn", "target: tiny/cnn\nimages: 0", "images: .* equal to 1, got 0"),
        ("target: tiny/cnn", "target: tiny/cnn\nimages: '9'", "images: must be .*, got '9'"),
        ("target: tiny/cnn", "target: tiny/cnn\nrestarts: 0", "restarts: .* equal to 1, got 0"),
        ("target: tiny/cnn", "target: tiny/cnn\nseed: 2147483648", "seed: .* less than 2147483648"),
        ("paper: 45.09", "paper: -1", r"rows\[0\].paper: .* equal to 0, got -1"),
        ("target: tiny/cnn", "target: tiny/cnn\nseed: -1", "seed: .*got -1"),
        ("c: 0.005", "targeted: labels", r"rows\[1\].targeted: must be null or least_likely"),
        ("attack: {", "attack: 3 #", "attack: must be a mapping, got 3"),
        ("title: A test", "title: x\ntitle: y", "small.yaml: .*key 'title' appears twice.* line 4"),
        ("paper: 45.09", "[1]: 2", "not a readable YAML file: .*unhashable key"),
        ("step_size: 0.01", "step_size: eps/0", r"step_size: "),
        ("title: A test", "title: A test\nrestarts: 1000000000000", "restarts: .*equal to 1000000"),
        ("title: A test", 'title: "A\\ntest"', r"title: .* printable characters, got 'A\\ntest'"),
        ("title: A test", "title: A\nseeds: []", "seeds: must have at least 1 item"),
        ("title: A test", "title: A\nexamples: [mine, yours]", "examples: expected names of rows"),
        ("rows:", "sweep: {steps: [1]}\nrows:", "yaml: sweep.steps: must be 'eps' or 'c', got 'st"),
        ("rows:", "sweep: {c: []}\nrows:", "yaml: sweep.c: must have at least 1 item"),
        ("rows:", "sweep: {c: [1], eps: [1]}\nrows:", "yaml: sweep: must have at most 1 item"),
        ("rows:", "sweep: {c: [0.1]}\nrows:", r"rows\[0\].c: "),
        ("rows:", "rows:\n  - fgsm", r"rows\[0\]: must be a mapping, got 'fgsm'"),
        (GOOD, "- 1", "small.yaml: must be a mapping with name, title, target and rows"),
        (GOOD, "!!python/object/apply:os.system [ls]", "not a readable YAML file"),
        (GOOD, "a: 2026-02-30", "not a readable YAML file"),
    ],
)
def test_a_mistake_is_named_with_its_position(load, old, new, message):
    with pytest.raises(InputError, match=message) as caught:
        load(GOOD.replace(old, new))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("é".encode("latin-1"))
    for name, message in (
        ("none.yaml", "none.yaml: there is no such file"),
        ("", "not a readable YAML file: Is a directory"),
        ("latin.yaml", "latin.yaml: not a readable YAML file"),
    ):
        with pytest.raises(InputError, match=message):
            config.load(tmp_path / name)


def test_anchors_and_merged_mappings_are_yaml(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, z: .5}\nb: {<<: *a, x: yes}\nc: [*a, ~]", encoding="utf-8")
    a = {"x": 1, "z": 0.5}
    assert config.read_yaml(path) == {"a": a, "b": {"x": True, "z": 0.5}, "c": [a, None]}


def test_sweeps_and_seeds_multiply_the_rows(load):
    text = "name: s\ntitle: S\ntarget: tiny/cnn\nattack: {loss: cw}\nsweep: {eps: [0.1, 0.2]}\n"
    text += "rows: [{method: pgd}, {method: fgsm}]\n"
    experiment = load(text)
    names = ["pgd-cw-eps0.1", "pgd-cw-eps0.2", "fgsm-cw-eps0.1", "fgsm-cw-eps0.2"]
    assert [row.name for row in experiment.rows] == names
    assert [row.attack.eps for row in experiment.rows] == [0.1, 0.2, 0.1, 0.2]
    assert (experiment.sweep, experiment.rows[0].attack.loss) == ("eps", "cw")
    rows = load(text.replace("[0.1, 0.2]", "[1/4]") + "seeds: [3, 5]").rows[:2]
    assert [row.name for row in rows] == ["pgd-cw-eps1of4-seed3", "pgd-cw-eps1of4-seed5"]
    assert [row.seed for row in rows] == [3, 5]
    own = text.replace("{method: fgsm}", "{method: fgsm, seeds: [8]}") + "seeds: [3, 5]"
    assert [row.seed for row in load(own).rows] == [3, 5, 3, 5, 8, 8]


def test_fractions():
    assert [config.fraction(text) for text in ("8/255", "3 / 4", "1/20")] == [8 / 255, 0.75, 0.05]
    for other in ("1/0", "1/x", "-1/4", 0.3, None, "eps/20"):
        assert config.fraction(other) is other


def test_lengths_can_refer_to_the_target_with_its_norm_and_to_the_radius(load):
    text = GOOD.replace("eps: 8/255, step_size: 0.01", "eps: target, step_size: eps/4")
    radii = {None: (0.15, "linf"), "madry_cifar10/secret": (8 / 255, "linf")}
    for target, (eps, norm) in (radii | {"locuslab/own_mnist_l2": (2, "l2")}).items():
        for row in load(text, target).rows:
            assert (row.attack.eps, row.attack.norm, row.attack.step_size) == (eps, norm, eps / 4)
    with pytest.raises(InputError, match=r"eps: .* in numbers, because .* for l2"):
        load(text.replace("eps: target", "eps: target, norm: linf"), "locuslab/own_mnist_l2")
    assert load(text.replace("eps: target", "eps: 0.5, norm: l2")).rows[0].attack.norm == "l2"


CONFIGS = [path for path in config.FOLDER.glob("*.yaml") if not path.name.startswith("train_")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_project_survives_json(path, tmp_path):
    experiment = config.load(path)
    assert re.match(r"# \w", path.read_text(encoding="utf-8"))
    save_experiment(tmp_path, experiment)
    assert load_experiment(tmp_path) == experiment


def test_all_fields_survive_json(load, tmp_path):
    text = GOOD.replace("paper: 45.09", 'paper: 45.09, paper_tests: {t_arxiv: "3.1", p_aaai: "0"}')
    text += "group: G\nbounds: [0, 255]\nexamples: [mine, pgd-xent]\nsignature: s\n"
    experiment = load(text)
    assert experiment.rows[0].paper_tests == PaperTests(t_arxiv="3.1", p_aaai="0")
    assert (experiment.group, experiment.bounds) == ("G", (0, 255))
    save_experiment(tmp_path, experiment)
    assert load_experiment(tmp_path) == experiment


def test_a_folder_without_an_experiment_and_a_damaged_one(tmp_path):
    assert load_experiment(tmp_path) is None
    (tmp_path / config.EXPERIMENT).write_text('{"rows": [{}]}')
    with pytest.raises(InputError, match=r"experiment.json: name: is missing"):
        load_experiment(tmp_path)


def test_rows_cannot_have_the_names_of_other_files():
    files = [records.EXAMPLES, records.EVALUATION, config.EXPERIMENT, autoattack.NAME]
    assert [f"{name}.json" for name in config.TAKEN] == files
