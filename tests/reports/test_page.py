"""The results page: summary, cards, tables, leaderboards."""

import re

import pytest

from daa import InputError
from daa.cli import page as script
from daa.leaderboard import boards
from daa.reports import curves, page, results, style
from daa.reports.results import ResultSet, load
from daa.runs.config import EXPERIMENT, RESULTS


@pytest.fixture
def html(folder):
    """The page of the records as they are now."""

    def html(of=folder):
        loaded = [load(of)]
        return page.html(loaded, folder.parent, boards.on_page(loaded))

    return html


def test_the_committed_page_is_that_of_the_records(monkeypatch):
    """All numbers and texts; without the figures, which have their own tests."""
    monkeypatch.setattr(curves, "panel", lambda plot: None)
    monkeypatch.setattr(style, "inline", lambda *_: "<svg></svg>\n")
    folders = [folder for folder in results.folders() if folder.name != "quickstart"]
    loaded = page.in_order(map(load, folders))
    made = boards.on_page(loaded)
    assert page.markdown(loaded, RESULTS, made) == (RESULTS / "README.md").read_text()
    expected = (RESULTS / "index.html").read_text()
    html = page.html(loaded, RESULTS, made)
    assert html == re.sub("<svg.*?</svg>", "<svg></svg>", expected, flags=re.DOTALL)
    assert len(expected) < 1_500_000


def test_links_of_a_page_lead_from_where_it_lies_to_the_records(folder, tmp_path, capsys):
    out = tmp_path / "a" / "b"
    script.main([str(folder), "--out", str(out)])
    assert str(out / "index.html") in capsys.readouterr().out
    assert 'href="../../robust_mnist/dgf-cw.json"' in (out / "index.html").read_text()
    assert "(../../robust_mnist/restarts.png)" in (out / "README.md").read_text()
    assert not (folder.parent / "index.html").exists()
    script.main([str(folder), "--out", str(folder)])
    assert 'href="./dgf-cw.json"' in (folder / "index.html").read_text()


def test_the_page_says_how_to_read_it_and_where_the_weights_are_from(folder, change, html):
    text = " ".join(html().split())
    assert "An adversarial attack changes the pixels of an image by at most a small amount" in text
    assert "10 runs against 1 image classifiers" in text and "Lower is a stronger attack." in text
    assert "The paper's own weights are not available" in text
    assert "Measured on a stand-in" not in text
    change(folder, weights="surrogate")
    assert "Measured on a stand-in" in html()
    change(folder, weights="original")
    assert "The paper's own weights are not available" not in html()


def test_the_page_links_the_report_on_the_paper(folder):
    script.main([str(folder)])
    root = folder.parent
    assert "paper_surrogates" not in (root / "index.html").read_text()
    report = root / "paper_surrogates" / "report.md"
    report.parent.mkdir()
    report.touch()
    script.main([str(folder)])
    link = '<a href="paper_surrogates/index.html">All that the paper prints'
    assert link in (root / "index.html").read_text()
    line = "- [Report with stand-ins for missing weights](paper_surrogates/report.md)"
    assert line in (root / "README.md").read_text()


def test_the_page_loads_nothing_and_inverts_no_image(html):
    text = html()
    assert not re.findall(r"""(?:src|srcset|poster)=|@import|<link[^>]+href=(?!"data:,)""", text)
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert "invert" not in text
    assert text.count('<svg role="img" aria-label="') == 2  # a panel for each loss
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"var\(--([a-z]+)\)", text))
    assert used <= set(re.findall(r"--([a-z]+):", text))


def test_a_missing_row_has_no_link_and_a_title_is_text(folder, change, html):
    (folder / "dgf-cw.json").unlink()
    change(folder / EXPERIMENT, title='<script>alert("1")</script> & more')
    text = html()
    assert 'href="robust_mnist/dgf-cw.json"' not in text
    assert '<td class="missing">missing</td>' in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(" in text and "&amp; more" in text


def test_a_page_about_other_experiments_does_not_mention_the_paper(folder, change, html):
    own = folder.rename(folder.with_name("mine"))
    change(own / EXPERIMENT, title="My networks", group="My section")
    text = html(own)
    assert "<title>My networks: results</title>" in text and "<h1>My networks</h1>" in text
    assert "DAA-DGF lowers the accuracy of locuslab/fast_pgd_mnist to <b>86.40" in text
    for words in ("paper's own weights", "MadryLab", "Leaderboards"):
        assert words not in text
    change(own, target="madry_mnist/secret", weights="original")
    text = html(own)
    assert "MNIST, eps 0.3" in text and "CIFAR10, eps 8" not in text


def test_experiments_are_in_sections_by_their_group():
    budgets = load(RESULTS / "equal_budget")
    groups = ["The paper's figures", "Mine", "", "Equal budgets", "Choices and precision"]
    experiments = [budgets.experiment.model_copy(update={"group": group}) for group in groups]
    made = [ResultSet(budgets.records, experiment=experiment) for experiment in experiments]
    order = [one.group for one in page.in_order(made)]
    assert order == [groups[3], groups[0], groups[4], "", "Mine"]
    assert page.of_paper(made) and not page.of_paper(made[1:3] + made[4:])


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_another_file_of_the_user_is_not_overwritten(folder, name):
    (folder.parent / name).write_text("# My thesis")
    with pytest.raises(InputError, match=rf"{name}: "):
        page.write([folder])
    assert sorted(p.name for p in folder.parent.iterdir()) == sorted([folder.name, name])
