"""The example script and the notebook run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
def test_the_script(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "own_model.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    verdict = json.loads((tmp_path / "evaluations/own_model/evaluation.json").read_text())
    assert f"robust accuracy  {100 * verdict['robust_accuracy']:.2f} %" in done.stdout
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
