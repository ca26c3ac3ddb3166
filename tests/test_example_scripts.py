"""The example scripts and the notebook run as a user runs them."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from processes import ROOT, python

EXAMPLES = ROOT / "examples"
ACCURACY = r"robust accuracy +([\d.]+) %"
# {script: (optional library, pattern of the printed accuracies, number of accuracies)}
PRINTED = {
    "adversarial_training": (None, ACCURACY, 2),
    "art_attack": ("art", r"accuracy ([\d.]+), \|adv - x\| 0\.300\n", 3),
    "custom_attack": (None, ACCURACY, 2),
    "foolbox_attack": ("foolbox", r"eps 0\.3: ([\d.]+)\n", 3),
    "leaderboard": (None, r"own_mnist \(own weights\) on 500 images: ([\d.]+) %", 1),
    "pytorch_module": ("torch", ACCURACY, 1),
    "saved_model": (None, ACCURACY, 1),
}


def run(name: str, folder: Path) -> str:
    """Output of an example that runs in a folder without data sets and weights."""
    done = python(EXAMPLES / f"{name}.py", cwd=folder, env={"DAA_DATA": "", "DAA_MODELS": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_a_script(name, tmp_path):
    library, pattern, count = PRINTED[name]
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    numbers = [float(number) for number in re.findall(pattern, run(name, tmp_path))]
    assert len(numbers) == count
    assert min(numbers) > 0 and max(numbers) < 95
    if name == "adversarial_training":
        plain, robust = numbers
        assert plain + 20 < robust
    assert not list(tmp_path.iterdir())  # the scripts clean up


def test_every_script_is_short_listed_and_run():
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    assert set(scripts) == {*PRINTED, "own_model"}
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name, text in scripts.items():
        assert len(text.splitlines()) <= 60, name
        assert f"]({name}.py)" in index


@pytest.mark.slow
def test_the_evaluation_of_a_keras_model(tmp_path):
    printed = run("own_model", tmp_path)
    verdict = json.loads((tmp_path / "evaluations/own_model/evaluation.json").read_text())
    assert f"robust accuracy  {100 * verdict['robust_accuracy']:.2f} %" in printed
    assert verdict["robust_accuracy"] < verdict["clean_accuracy"]
    assert verdict["warnings"] == []
    assert [note["code"] for note in verdict["notes"]] == ["softmax-removed"]


@pytest.mark.slow
def test_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(EXAMPLES / "own_model.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # committed without outputs
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    texts = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert any("'bounds'" in text for text in texts)
    assert any("'scaled-logits'" in text for text in texts)
    assert (tmp_path / "evaluations/notebook/index.html").exists()
