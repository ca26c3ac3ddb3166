import re
from pathlib import Path

import pytest

from daa import InputError
from daa.runs import config, records

GOOD = """
name: small
title: A test
target: tiny/cnn
attack: {eps: 8/255, step_size: 0.01, steps: 20, batch_size: 50}
rows:
  - {method: pgd, loss: xent, paper: 45.09}
  - {method: blob, loss: cw, c: 0.005, name: mine}
"""
SWEPT = """
name: s
title: S
target: tiny/cnn
attack: {loss: cw}
sweep: {eps: [0.1, 0.2]}
rows:
  - {method: pgd}
  - {method: fgsm}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_share_settings_and_may_have_their_own(tmp_path):
    experiment = config.load(write(tmp_path, GOOD))
    first, second = experiment.rows
    assert first.attack.eps == 8 / 255
    assert (first.name, first.paper) == ("pgd-xent", 45.09)
    assert (second.name, second.attack.c, second.attack.steps) == ("mine", 0.005, 20)


def test_a_shared_setting_is_for_the_rows_that_read_it(tmp_path):
    text = GOOD.replace("attack: {", "attack: {c: 0.5, random_start: false, ")
    text += "  - {method: fgsm}\n  - {method: dgf, c: 0.1}\n"
    pgd, blob, fgsm, dgf = (row.attack for row in config.load(write(tmp_path, text)).rows)
    assert [attack.c for attack in (pgd, blob, fgsm, dgf)] == [None, 0.005, None, 0.1]
    assert (pgd.random_start, fgsm.random_start, fgsm.steps) == (False, None, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("paper: 45.09", "papr: 45.09", r"small.yaml: rows\[0\]: expected one of .* got 'papr'"),
        ("steps: 20", "stepps: 20", r"small.yaml: attack: expected one of .* got 'stepps'"),
        ("title: A test", "titel: x\ntitle: y", "small.yaml: titel: expected a known key"),
        ("title: A test\n", "", "title: expected a value, got none"),
        ("steps: 20", "steps: twenty", r"rows\[0\]: steps: expected a whole number"),
        ("c: 0.005", "step_size: 0.4", r"rows\[1\]: step_size: expected 0 < step_size <= eps=0.03"),
        ("method: pgd, ", "", r"rows\[0\]: method: expected a value, got none"),
        ("method: pgd", "method: pdg", r"rows\[0\]: method: expected one of .* got 'pdg'"),
        ("method: pgd", "method: [pgd]", r"rows\[0\]: method: expected one of .* got \['pgd'\]"),
        (
            "method: pgd",
            "method: pgd, c: 5",
            r"rows\[0\]: c: expected no such option for pgd, got 5",
        ),
        (
            "paper: 45.09",
            "paper: .nan",
            r"rows\[0\]: paper: expected to be a finite number",
        ),
        ("paper: 45.09", "paper: -.inf", r"rows\[0\]: paper: expected to be"),
        (
            "paper: 45.09",
            "paper: 101",
            r"rows\[0\]: paper: expected to be less than or",
        ),
        ("paper: 45.09", "paper: high", r"rows\[0\]: paper: .*number, got 'high'"),
        ("name: mine", "name: pgd-xent", r"rows\[1\]: name: expected a new name"),
        ("name: mine", "name: ../up", r"rows\[1\]: name: .*got '../up'"),
        ("target: tiny/cnn", "target: 3", "target: .*string, got 3"),
        ("target: tiny/cnn", "target: tiny/cnn\nseed: -1", "seed: .*got -1"),
        ("c: 0.005", "targeted: labels", "targeted: expected null or least_likely"),
        ("attack: {", "attack: [", "expected YAML, got"),
        ("attack: {", "attack: 3 #", "attack: expected a mapping, got 3"),
        ("title: A test", "title: x\ntitle: y", "small.yaml: line 4: expected each key once, got"),
        ("loss: cw", "loss: cw, loss: xent", "small.yaml: line 8: .* got 'loss' again"),
        ("eps: 8/255", "eps: 0.1, eps: 0.2", "small.yaml: line 5: .* got 'eps' again"),
        ("paper: 45.09", "[1]: 2", "expected YAML, got .*unhashable key"),
        ("c: 0.005", f"c: {10**60}0000", r"line 8: expected a number of at most 64 char"),
        ("c: 0.005", "c: .inf", r"rows\[1\]: c: expected a finite number, got inf"),
        ("steps: 20", f"steps: {2**63}", r"rows\[0\]: steps: expected a whole number >= 1"),
        ("eps: 8/255", f"eps: {'9' * 400}/255", r"eps: expected 0 < eps <= 1, got '9999"),
        ("eps: 8/255", f"eps: 8/{'9' * 5000}", r"eps: expected 0 < eps <= 1, got '8/9999"),
        ("step_size: 0.01", f"step_size: eps/{'9' * 5000}", "step_size: expected a finite number"),
        ("title: A test", "title: A test\nrestarts: 1000000000000", "restarts: .*equal to 1000000"),
        ("title: A test", 'title: "A\\ntest"', r"title: .* printable characters, got 'A\\ntest'"),
        ("title: A test", r'title: "A\ud800test"', r"title: .*got 'A\\ud800test'"),
        ("title: A test", f"title: {'x' * 501}", "title: .* at most 500 characters"),
        ("name: mine", f"name: {'x' * 151}", r"rows\[1\]: name: .* at most 150 characters"),
        ("name: mine", "name: examples", r"rows\[1\]: name: .* examples or evaluation, which"),
        ("name: mine", "name: evaluation", r"rows\[1\]: name: .*got 'evaluation'"),
        (
            "title: A test",
            f"title: A\nseeds: {list(range(5001))}",
            "rows: expected at most 10,000, those of sweep and seeds included, got 10002",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        config.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_mapping(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: expected a readable YAML file, got none"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="expected a mapping with name"):
        config.load(write(tmp_path, "- 1"))


def test_sweeps_multiply_the_rows(tmp_path):
    experiment = config.load(write(tmp_path, SWEPT))
    names = [row.name for row in experiment.rows]
    assert names == ["pgd-cw-eps0.1", "pgd-cw-eps0.2", "fgsm-cw-eps0.1", "fgsm-cw-eps0.2"]
    assert [row.attack.eps for row in experiment.rows] == [0.1, 0.2, 0.1, 0.2]
    assert {row.attack.loss for row in experiment.rows} == {"cw"}


def test_a_fraction_has_any_denominator():
    assert [config.fraction(text) for text in ("8/255", "3 / 4", "1/20")] == [8 / 255, 0.75, 0.05]
    for other in ("1/0", "1/x", "-1/4", 0.3, None, "eps/20"):
        assert config.fraction(other) is other


def test_each_seed_is_a_row_of_its_own(tmp_path):
    path = write(tmp_path, SWEPT.replace("sweep: {eps: [0.1, 0.2]}", "seeds: [3, 5]"))
    rows = config.load(path).rows
    assert [(row.name, row.seed) for row in rows] == [
        ("pgd-cw-seed3", 3),
        ("pgd-cw-seed5", 5),
        ("fgsm-cw-seed3", 3),
        ("fgsm-cw-seed5", 5),
    ]
    with pytest.raises(InputError, match="seeds: expected a list of seeds, got 3"):
        config.load(write(tmp_path, SWEPT.replace("sweep: {eps: [0.1, 0.2]}", "seeds: 3")))


def test_lengths_may_be_those_of_the_target_or_parts_of_the_radius(tmp_path):
    text = GOOD.replace("eps: 8/255, step_size: 0.01", "eps: target, step_size: eps/4")
    for target, eps in ((None, 0.15), ("madry_cifar10/secret", 8 / 255)):
        for row in config.load(write(tmp_path, text), target).rows:
            assert (row.attack.eps, row.attack.step_size) == (eps, eps / 4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("eps:", "steps:", "sweep: expected eps or c with a list of values"),
        ("[0.1, 0.2]", "0.1", "sweep: expected eps or c with a list of values"),
        ("eps:", "c:", r"rows\[0\]: c: expected no such option for pgd, got 0.1"),
        ("- {method: fgsm}", "- fgsm", r"rows\[1\]: expected a mapping, got 'fgsm'"),
    ],
)
def test_a_sweep_that_can_not_be(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        config.load(write(tmp_path, SWEPT.replace(old, new)))


CONFIGS = [path for path in config.FOLDER.glob("*.yaml") if not path.name.startswith("train_")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_project_loads(path):
    assert config.load(path).rows
    text = path.read_text(encoding="utf-8")
    assert re.match(r"# \w", text)


def test_the_names_that_are_taken_are_those_of_the_files_beside_the_records():
    assert [f"{name}.json" for name in config.TAKEN] == [records.EXAMPLES, records.EVALUATION]
