"""Reports go where the user says; the result folders stay as they are."""

from PIL import Image

from daa.cli import figures, page, tables


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
