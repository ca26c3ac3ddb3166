"""The recipe "Add a direction" of CONTRIBUTING.md, followed word by word."""

import re
from pathlib import Path

import pytest
import toys

import daa
from daa.attacks import directions, methods
from daa.cli.main import main

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = TEXT.partition("\n## Add a direction\n")[2].partition("\n## ")[0]
# {file in the first line of a code block: code}
CODE = {
    file: f"{code.rstrip()}\n"
    for file, code in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", RECIPE, re.MULTILINE | re.DOTALL)
}


@pytest.fixture
def direction(monkeypatch):
    """The new function in `directions`, and the new row in `METHODS`."""
    names = dict(vars(directions))
    exec(CODE["daa/attacks/directions.py"], names)
    monkeypatch.setattr(directions, "averaged", names["averaged"], raising=False)
    rows = eval(f"{{{CODE['daa/attacks/methods.py']}}}", dict(vars(methods)))
    for name, row in rows.items():
        monkeypatch.setitem(methods.METHODS, name, row)
    assert list(rows) == ["averaged"]


def test_the_test_of_the_recipe_passes(direction):
    mine = {"__name__": "recipe"}
    exec((Path(__file__).parent / "attacks" / "test_directions.py").read_text(), mine)
    exec(CODE["tests/attacks/test_directions.py"], mine)
    (name,) = re.findall(r"^def (\w+)", CODE["tests/attacks/test_directions.py"], re.MULTILINE)
    mine[name]()


def test_a_config_runs_the_direction(direction, tmp_path):
    config = tmp_path / "averaged.yaml"
    config.write_text(CODE["averaged.yaml"], encoding="utf-8")
    options = ["--target", "tiny/cnn", "--images", "20", "--out", str(tmp_path), "--quiet"]
    assert main(["reproduce", str(config), *options]) == 0
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert table.count("| Averaged PGD ") == 1
    frame = daa.load_results(folder)
    assert frame["decay"].dropna().tolist() == [0.5]


def test_an_evaluation_runs_the_direction(direction):
    target = toys.network()
    x, y = toys.labelled(target, 40)
    options = {"eps": 0.1, "budget": 20, "progress": False}
    report = daa.evaluate(target, x, y, method="averaged", decay=0.5, **options)
    assert report.gradients_per_image == 20
    assert report.robust_accuracy < report.clean_accuracy == 1
    plain = daa.evaluate(target, x, y, method="pgd", **options)
    same = daa.evaluate(target, x, y, method="averaged", decay=0.0, **options)
    assert (same.adv == plain.adv).all()
