from processes import ROOT, python


def test_the_description_of_the_files_is_that_of_the_code():
    done = python("docs/schema.py", cwd=ROOT, check=True)
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    assert text == done.stdout, "run python docs/schema.py > docs/records.md"
    assert "evaluation.json" in text and "`robust_accuracy_low`" in text
