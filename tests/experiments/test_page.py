from pathlib import Path

import page as script
import pytest

from daa import InputError
from daa.experiments import page
from daa.experiments.collection import collect


def test_the_page_is_one_file_with_links_to_records(folder, capsys):
    script.main([str(folder)])
    assert "README.md: experiments: 1" in capsys.readouterr().out
    html = (folder.parent / "index.html").read_text()
    assert 'href="robust_mnist/dgf-cw.json"' in html
    assert "data:image/png;base64," in html
    assert "http" not in html
    assert "Guided Local Attack" in html
    assert '<p class="note">DAA is stronger than PGD in 4 of 4 comparisons (p &lt; 0.05' in html
    assert '<p class="note">The papers&#39; t-tests of PGD against DAA over the restarts' in html
    assert "no run on the original weights yet" in html
    assert "86.40" in (folder.parent / "README.md").read_text()


def test_no_folder_to_show_is_a_mistake_and_writes_nothing(tmp_path):
    for folder in ("quickstart", "empty"):
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match="page: expected a folder of results to show, got None"):
        script.main([str(tmp_path / "quickstart")])
    with pytest.raises(InputError, match="empty: expected result records, got none"):
        script.main([str(tmp_path / "empty")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "quickstart"]


def test_a_missing_row_has_no_link(folder):
    (folder / "dgf-cw.json").unlink()
    html = page.html({folder: collect(folder)})
    assert 'href="robust_mnist/dgf-cw.json"' not in html
    assert '<td class=" missing">missing</td>' in html


def test_surrogates_are_marked(folder, change):
    assert "this project trained, not on the paper's" not in page.html({folder: collect(folder)})
    for path in folder.glob("*.json"):
        change(path, weights="surrogate")
    assert "this project trained, not on the paper's" in page.html({folder: collect(folder)})


def test_only_runs_on_the_boards_network_are_ranked(folder, change):
    for path in folder.glob("*.json"):
        change(path, target="madry_mnist/secret", weights="surrogate")
    assert page.entries({folder: collect(folder)}) == []
    change(folder / "dgf-xent.json", weights="original", robust_accuracy=[0.8801] * 10)
    results = {folder: collect(folder)}
    assert page.entries(results) == [
        ("madry_mnist/secret", "DAA-DGF (this project)", pytest.approx(88.01))
    ]
    assert "|    2 | **DAA-DGF (this project)**" in page.markdown(results)
    assert '<tr class="own"><td>2</td>' in page.html(results)


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_a_file_of_the_users_own_is_not_overwritten(folder, capsys, name):
    (folder.parent / name).write_text("# My thesis")
    with pytest.raises(InputError, match=rf"{name}: expected no file, or one that this project wr"):
        script.main([str(folder)])
    assert (folder.parent / name).read_text() == "# My thesis"
    assert sorted(p.name for p in folder.parent.iterdir()) == sorted([folder.name, name])
    (folder.parent / name).unlink()
    for _ in range(2):  # its own are written anew
        script.main([str(folder)])


def test_the_page_opens_with_the_main_tables_and_leaves_out_what_is_not_committed():
    names = ["precision", "figure2-x", "quickstart", "table_fmnist", "robust_mnist", "table1-x"]
    order = [folder.name for folder in page.shown([Path(name) for name in names])]
    assert order == ["robust_mnist", "table1-x", "table_fmnist", "figure2-x", "precision"]
