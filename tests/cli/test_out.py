"""Reports go where the user says; the result folders stay as they are."""

from pathlib import Path

from PIL import Image

from daa.cli import figures, page, reproduce, tables
from daa.runs import provenance


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_tables_and_figures_go_into_a_folder_for_each_result_folder(folder, tmp_path, capsys):
    for path in (folder / "table.md", folder / "restarts.png"):
        path.write_bytes(b"stays")
    before, out = contents(folder), tmp_path / "elsewhere"
    for script in (tables, figures):
        script.main([str(folder), "--out", str(out)])
    assert contents(folder) == before
    assert capsys.readouterr().out.splitlines() == [
        f"{out / folder.name}: table.md, table.csv, table.tex",
        f"{out / folder.name}: restarts.png",
    ]
    assert "| DAA-DGF " in (out / folder.name / "table.md").read_text()
    assert Image.open(out / folder.name / "restarts.png").size[0] > 500


def test_links_of_a_page_lead_from_where_it_lies_to_the_records(folder, tmp_path, capsys):
    out = tmp_path / "a" / "b"
    page.main([str(folder), "--out", str(out)])
    assert str(out / "index.html") in capsys.readouterr().out
    assert 'href="../../robust_mnist/dgf-cw.json"' in (out / "index.html").read_text()
    assert "(../../robust_mnist/restarts.png)" in (out / "README.md").read_text()
    assert not (folder.parent / "index.html").exists()
    page.main([str(folder), "--out", str(folder)])
    assert 'href="./dgf-cw.json"' in (folder / "index.html").read_text()


CONFIG = "name: own\ntitle: Mine\ntarget: tiny/cnn\nimages: 20\nrows: [{method: fgsm}]\n"


def test_a_run_goes_elsewhere_if_its_results_are_committed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setattr(provenance, "committed", lambda path: path == Path("results/own"))
    assert reproduce.main(["own.yaml"]) == 0
    assert "results/own is a committed record; this run writes runs/own" in capsys.readouterr().out
    assert not Path("results").exists()
    assert Path("runs/own/fgsm-xent.json").exists()
    for _ in range(2):
        assert reproduce.main(["own.yaml", "--out", "results"]) == 0
    assert "fgsm-xent: committed record, results/own/fgsm" in capsys.readouterr().out


def test_committed_is_what_git_has(committed, tmp_path):
    assert provenance.committed(committed)
    assert not provenance.committed(committed.with_name("mine"))
    assert not provenance.committed(committed, tmp_path)
    assert not provenance.committed(tmp_path)
