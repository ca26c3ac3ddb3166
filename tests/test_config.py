from pathlib import Path

import pytest

from daa import InputError, config

GOOD = """
name: small
title: A test
target: digits/cnn
attack: {eps: 8/255, step_size: 0.01, steps: 20, batch_size: 50}
rows:
  - {method: pgd, loss: xent, paper: 45.09}
  - {method: blob, loss: cw, c: 0.005, name: mine}
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("paper: 45.09", "papr: 45.09", r"small.yaml: rows\[0\]: expected one of .* got 'papr'"),
        ("title: A test", "titel: x\ntitle: y", "small.yaml: titel: expected a known key"),
        ("title: A test\n", "", "title: expected a value, got none"),
        ("steps: 20", "steps: twenty", r"rows\[0\]: steps: expected a whole number"),
        ("c: 0.005", "step_size: 0.4", r"rows\[1\]: step_size: expected 0 < step_size <= eps=0.03"),
        ("method: pgd, ", "", r"rows\[0\]: method: expected a value, got none"),
        ("paper: 45.09", "paper: high", r"rows\[0\]: paper: .*number, got 'high'"),
        ("name: mine", "name: pgd-xent", r"rows\[1\]: name: expected a new name"),
        ("name: mine", "name: ../up", r"rows\[1\]: name: .*got '../up'"),
        ("target: digits/cnn", "target: 3", "target: .*string, got 3"),
        ("target: digits/cnn", "target: digits/cnn\nseed: -1", "seed: .*got -1"),
        ("c: 0.005", "targeted: labels", "targeted: expected null or least_likely"),
        ("attack: {", "attack: [", "expected YAML, got"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        config.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_mapping(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: expected a readable YAML file, got No such"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="expected a mapping with name"):
        config.load(write(tmp_path, "- 1"))


@pytest.mark.parametrize(
    "path", [p for p in Path("configs").glob("*.yaml") if not p.name.startswith("train_")], ids=str
)
def test_every_config_of_the_project_loads(path):
    assert config.load(path).rows
    assert path.read_text(encoding="utf-8").startswith("#")
