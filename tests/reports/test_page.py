import json
import re
from pathlib import Path

import pytest

from daa import InputError
from daa.cli import page as script
from daa.leaderboard import boards
from daa.reports import page, races
from daa.reports import results as collection
from daa.reports.results import collect
from daa.runs import config


def test_the_page_is_one_file_with_links_to_records(folder, capsys):
    script.main([str(folder)])
    assert "README.md: experiments: 1" in capsys.readouterr().out
    html = (folder.parent / "index.html").read_text()
    assert 'href="robust_mnist/dgf-cw.json"' in html
    assert "Guided Local Attack" in html
    assert '<p class="note">DAA is stronger than PGD in 4 of 4 comparisons (p &lt; 0.05' in html
    assert '<p class="note">The papers&#39; t-tests of PGD against DAA over the restarts' in html
    assert "no run on the original weights yet" in html
    assert "86.40" in (folder.parent / "README.md").read_text()


def test_the_page_leads_to_the_report_of_the_whole_paper(folder):
    script.main([str(folder)])
    root = folder.parent
    for name in ("index.html", "README.md"):
        assert "Number by number" not in (root / name).read_text()
    report = root / "paper_surrogates" / "report.md"
    report.parent.mkdir()
    report.touch()
    script.main([str(folder)])
    link = '<a href="paper_surrogates/index.html">Everything that the paper prints</a>, with other'
    assert link in (root / "index.html").read_text()
    line = "- [Everything that the paper prints](paper_surrogates/report.md), with other networks"
    assert line in (root / "README.md").read_text()
    assert "](paper/report.md)" not in (root / "README.md").read_text()


def test_no_folder_to_show_is_a_mistake_and_writes_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="page: expected a folder of results to show, got None"):
        page.write([])
    with pytest.raises(InputError, match="empty: expected result records, got none"):
        script.main.__wrapped__([str(tmp_path / "empty")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_the_page_loads_nothing(folder):
    html = page.html({folder: collect(folder)})
    assert not re.findall(r"""(?:src|srcset|poster)=|@import|<link[^>]+href=(?!"data:,)""", html)
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    assert len(html) < 1_500_000


def test_figures_take_the_pages_colours_and_no_image_is_inverted(folder):
    html = page.html({folder: collect(folder)})
    assert "invert" not in html
    assert html.count('<svg role="img" aria-label="') == 2  # a panel for each loss
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"var\(--([a-z]+)\)", html))
    assert used <= set(re.findall(r"--([a-z]+):", html))


def test_a_row_has_its_key_columns_first_and_what_was_found(folder):
    html = page.html({folder: collect(folder)})
    heads = re.findall(r"<button type=\"button\">([^<]+)</button>", html)
    assert heads[:4] == ["attack", "loss", "worst case", "against PGD"]
    row = re.search(r'<tr data-attack="DAA-DGF" data-loss="cross-entropy">.*?</tr>', html)[0]
    assert '<td class="text against is-stronger" data-sort="-1.8' in row
    assert "<b>−1.84</b> stronger" in row
    assert "p = 1.7e-45" in row


def test_a_difference_without_a_small_p_is_none(folder, change):
    blob, pgd = (json.loads((folder / f"{n}-cw.json").read_text()) for n in ("blob", "pgd"))
    extra = sorted(set(range(10_000)) - set(pgd["broken"]))[:3]
    broken = sorted([*pgd["broken"], *extra])
    accuracy = [*blob["robust_accuracy"][:-1], 1 - len(broken) / 10_000]
    change(folder / "blob-cw.json", broken=broken, robust_accuracy=accuracy)
    html = page.html({folder: collect(folder)})
    row = re.search(r'<tr data-attack="DAA-BLOB" data-loss="CW">.*?</tr>', html)[0]
    assert "<b>−0.03</b> no difference found" in row
    assert "stronger" not in row


def test_a_missing_row_has_no_link(folder):
    (folder / "dgf-cw.json").unlink()
    html = page.html({folder: collect(folder)})
    assert 'href="robust_mnist/dgf-cw.json"' not in html
    assert '<td class="missing">missing</td>' in html


def test_leaderboards_keep_a_place_for_this_projects_runs(folder, change):
    vacant = "this project: no run on madry_mnist/secret"
    assert vacant in page.html({folder: collect(folder)})
    for path in folder.glob("*.json"):
        change(path, target="madry_mnist/secret", weights="original")
    html = page.html({folder: collect(folder)})
    assert vacant not in html
    assert "this project: no run on madry_cifar10/secret" in html


def test_a_page_about_other_experiments_is_silent_about_the_paper(folder, change):
    own = folder.rename(folder.with_name("mine"))
    for path in own.glob("*.json"):
        change(path, title="My networks")
    html = page.html({own: collect(own)})
    assert "<title>My networks: results</title>" in html
    assert "<h1>My networks</h1>" in html
    assert "DAA-DGF brings the accuracy of locuslab/fast_pgd_mnist down to <b>86.40" in html
    assert "PGD to <b>" in html
    for words in ("could not be checked", "the paper's own", "what was reproduced", "MadryLab"):
        assert words not in html
    assert "## Leaderboards" not in page.markdown({own: collect(own)})
    for path in own.glob("*.json"):
        change(path, target="madry_mnist/secret", weights="original")
    for text in (page.html({own: collect(own)}), page.markdown({own: collect(own)})):
        assert "MNIST, eps 0.3" in text
        assert "CIFAR10, eps 8" not in text


def test_the_living_board_is_shown_where_it_has_entries(folder):
    assert "The living board" not in page.html({folder: collect(folder)})
    record = collect(folder).records[0]
    entry = boards.make(
        name="A strong attack",
        by="A. Name",
        method="100 steps",
        url=None,
        target="locuslab/own_mnist",
        weights_sha256=record.weights_sha256,
        data_sha256=record.data_sha256,
        images=10_000,
        eps=0.3,
        accuracy=0.8123,
        array_sha256="0" * 64,
    )
    boards.insert(entry, folder.parent / "board")
    html = page.html({folder: collect(folder)})
    assert "The living board" in html
    assert '<td>1</td><td class="text">A strong attack</td><td>81.23</td>' in html
    other = folder.rename(folder.with_name("mine"))
    assert "A strong attack" not in page.html({other: collect(other)})


def test_races_with_autoattack_have_a_table(folder):
    point = {
        "attack": "apgd-ce",
        "accuracy": 0.85,
        "gradients": 9.0,
        "seconds": 2,
        "cpu_seconds": 3,
    }
    course = {"seed": 0, "points": [point]}
    record = collect(folder).records[0]
    names = ("target", "weights", "weights_sha256", "data", "data_sha256", "clean_accuracy")
    race = {name: getattr(record, name) for name in names}
    race |= {"images": 10_000, "eps": 0.3, "cores": 2, "device": "CPU", "versions": {}}
    race |= {"autoattack": course, "adaptive": [course], "git_commit": None}
    (folder / races.NAME).write_text(json.dumps({"schema": 1, "races": [race]}))
    html = page.html({folder: collect(folder)})
    assert "AutoAttack: apgd-ce" in html
    assert "came within 0.2 points of AutoAttack&#39;s 85.00 %" in html


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
        ("madry_mnist/secret", "DAA-DGF (this project)", pytest.approx(88.01), None)
    ]
    assert "|    2 | **DAA-DGF (this project)**" in page.markdown(results)
    assert '<tr class="own"><td>2</td>' in page.html(results)


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_a_file_of_the_users_own_is_not_overwritten(folder, capsys, name):
    (folder.parent / name).write_text("# My thesis")
    with pytest.raises(InputError, match=rf"{name}: expected no file, or one that this project wr"):
        script.main.__wrapped__([str(folder)])
    assert (folder.parent / name).read_text() == "# My thesis"
    assert sorted(p.name for p in folder.parent.iterdir()) == sorted([folder.name, name])
    (folder.parent / name).unlink()
    for _ in range(2):  # its own are written anew
        script.main([str(folder)])


def test_the_page_opens_with_the_main_tables_and_leaves_out_what_is_not_committed():
    names = ["precision", "figure2-x", "quickstart", "table_fmnist", "robust_mnist", "table1-x"]
    names.append("equal_budget-x")
    order = [folder.name for folder in page.shown([Path(name) for name in names])]
    tables = ["robust_mnist", "table1-x", "table_fmnist"]
    assert order == ["equal_budget-x", *tables, "figure2-x", "precision"]


def test_the_committed_page_has_every_committed_experiment():
    html = (config.RESULTS / "index.html").read_text()
    for folder in page.shown(collection.folders()):
        assert f'id="{folder.name}"' in html, folder
    assert len(html) < 1_500_000
