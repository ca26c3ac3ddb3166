"""The results page: summary, cards, tables, leaderboards."""

import json
import re
import shutil

import pytest

from daa import InputError
from daa.cli import page as script
from daa.leaderboard import on_page
from daa.reports import autoattack, curves, page, results, style, summary
from daa.reports.results import ResultSet, load
from daa.runs.config import EXPERIMENT, RESULTS


@pytest.fixture
def html(folder):
    """The page of the records as they are now."""

    def html(of=folder):
        loaded = [load(of)]
        made = on_page.make(loaded, page.of_paper(loaded))
        return page.html(loaded, folder.parent, made)

    return html


@pytest.fixture
def records(folder, change):
    """Changes fields of all records of the folder."""

    def records(of=folder, **values):
        for path in of.glob("*-*.json"):
            change(path, **values)

    return records


@pytest.fixture(scope="module")
def budgets():
    return load(RESULTS / "equal_budget")


def test_the_page_is_one_file_with_links_to_records(folder, capsys):
    script.main([str(folder)])
    assert "README.md: experiments: 1" in capsys.readouterr().out
    html = (folder.parent / "index.html").read_text()
    assert 'href="robust_mnist/dgf-cw.json"' in html
    assert "Guided Local Attack" in html
    assert '<p class="note">DAA is stronger than PGD in 4 of 4 comparisons (p &lt; 0.05' in html
    assert '<p class="note">t-tests of PGD against DAA over the restarts' in html
    assert "86.40" in (folder.parent / "README.md").read_text()


def test_the_committed_page_is_that_of_the_records(monkeypatch):
    """All numbers and texts; without the figures, which have their own tests."""
    monkeypatch.setattr(curves, "panel", lambda plot: None)
    monkeypatch.setattr(style, "inline", lambda *_: "<svg></svg>\n")
    folders = [folder for folder in results.folders() if folder.name != "quickstart"]
    loaded = page.in_order(map(load, folders))
    made = on_page.make(loaded, True)
    assert page.markdown(loaded, RESULTS, made) == (RESULTS / "README.md").read_text()
    expected = (RESULTS / "index.html").read_text()
    html = page.html(loaded, RESULTS, made)
    assert html == re.sub("<svg.*?</svg>", "<svg></svg>", expected, flags=re.DOTALL)
    assert len(expected) < 1_500_000


def test_the_page_says_how_to_read_it_and_where_the_weights_are_from(html, records):
    text = " ".join(html().split())
    assert "An adversarial attack changes the pixels of an image by at most a small amount" in text
    assert "10 runs against 1 image classifiers" in text and "Lower is a stronger attack." in text
    assert "The paper's own weights are not available" in text
    assert "Measured on a stand-in" not in text
    records(weights="surrogate")
    assert "Measured on a stand-in" in html()
    records(weights="original")
    assert "The paper's own weights are not available" not in html()


def test_the_page_links_the_report_on_the_paper(folder):
    script.main([str(folder)])
    root = folder.parent
    assert "paper_surrogates" not in (root / "index.html").read_text()
    report = root / "paper_surrogates" / "report.md"
    report.parent.mkdir()
    report.touch()
    script.main([str(folder)])
    assert '<a href="paper_surrogates/index.html">All that the paper prints' in (
        (root / "index.html").read_text()
    )
    line = "- [Report with stand-ins for missing weights](paper_surrogates/report.md)"
    assert line in (root / "README.md").read_text()


def test_no_folder_to_show_is_a_mistake():
    with pytest.raises(InputError, match="page: expected a folder of results to show, got None"):
        page.write([])


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


def test_a_row_has_its_key_columns_first_and_its_comparison(html):
    text = html()
    heads = re.findall(r"<button type=\"button\">([^<]+)</button>", text)
    assert heads[:4] == ["attack", "loss", "robust accuracy", "against PGD"]
    row = re.search(r'<tr data-attack="DAA-DGF" data-loss="cross-entropy">.*?</tr>', text)[0]
    assert '<td class="text pair is-stronger" data-sort="-1.8' in row
    assert "<b>−1.84</b> stronger" in row and "p = 1.7e-45" in row


def test_a_difference_without_a_small_p_is_not_significant(folder, change, html):
    blob, pgd = (json.loads((folder / f"{n}-cw.json").read_text()) for n in ("blob", "pgd"))
    extra = sorted(set(range(10_000)) - set(pgd["broken"]))[:3]
    broken = sorted([*pgd["broken"], *extra])
    accuracy = [*blob["robust_accuracy"][:-1], 1 - len(broken) / 10_000]
    change(folder / "blob-cw.json", broken=broken, robust_accuracy=accuracy)
    row = re.search(r'<tr data-attack="DAA-BLOB" data-loss="CW">.*?</tr>', html())[0]
    assert "<b>−0.03</b> no difference" in row and "stronger" not in row


def test_a_missing_row_has_no_link_and_a_title_is_text(folder, change, html):
    (folder / "dgf-cw.json").unlink()
    change(folder / EXPERIMENT, title='<script>alert("1")</script> & more')
    text = html()
    assert 'href="robust_mnist/dgf-cw.json"' not in text
    assert '<td class="missing">missing</td>' in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(" in text and "&amp; more" in text


def test_a_page_about_other_experiments_does_not_mention_the_paper(folder, change, html, records):
    own = folder.rename(folder.with_name("mine"))
    change(own / EXPERIMENT, title="My networks", group="My section")
    text = html(own)
    assert "<title>My networks: results</title>" in text and "<h1>My networks</h1>" in text
    assert "DAA-DGF lowers the accuracy of locuslab/fast_pgd_mnist to <b>86.40" in text
    for words in ("paper's own weights", "MadryLab", "Leaderboards"):
        assert words not in text
    records(own, target="madry_mnist/secret", weights="original")
    text = html(own)
    assert "MNIST, eps 0.3" in text and "CIFAR10, eps 8" not in text


def test_races_with_autoattack_have_a_table(folder, html):
    shutil.copy(RESULTS / "equal_budget" / autoattack.NAME, folder)
    text = html()
    assert "AutoAttack: apgd-ce" in text
    assert "ratio of CPU seconds" in text


def test_experiments_are_in_sections_by_their_group(budgets):
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


CIFAR10, SAME = "table_cifar10-madry_cifar10", "no difference"


@pytest.mark.parametrize(
    ("name", "methods", "first", "outcomes", "part"),
    [
        ("robust_mnist", ["pgd", "dgf"], ("stronger", -1.84), (4, 0, 0), ""),
        # Several radii: the card is for the target's own, the outcomes are of all.
        (f"{CIFAR10}-surrogate", ["pgd", "blob"], (SAME, -0.2), (0, 4, 4), "eps 8/255"),
        # Several seeds: the first.
        ("equal_budget", ["pgd", "dgf", "adaptive"], ("stronger", -2.01), (6, 0, 0), "seed 0"),
        ("surrogate_mnist", ["pgd"], None, (0, 0, 0), ""),
        # A lower number may be no difference.
        ("table_fmnist-fmnist-surrogate", ["pgd", "dgf"], (SAME, -0.6), (0, 4, 0), ""),
    ],
)
def test_a_card_has_pgd_the_strongest_daa_and_adaptive_daa(name, methods, first, outcomes, part):
    card = summary.card(load(RESULTS / name))
    assert [record.attack.method for record in card.records] == methods
    assert len({(record.attack.eps, record.seed) for record in card.records}) == 1
    found = [(pair.outcome, pytest.approx(pair.points)) for pair in card.pairs]
    assert found[:1] == ([first] if first else [])
    assert (*card.outcomes.values(), card.part) == (*outcomes, part)
