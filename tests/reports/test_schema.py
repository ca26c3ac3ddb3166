import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_description_of_the_files_is_that_of_the_code():
    command = [sys.executable, "docs/schema.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    assert text == done.stdout, "run python docs/schema.py > docs/records.md"
    assert "evaluation.json" in text and "`robust_accuracy_low`" in text
