"""What the page of results must not do: run what a title holds, or rank a part of a test set."""

from daa.reports import page
from daa.reports.results import collect


def test_titles_and_names_are_text_and_no_html(folder, change):
    for path in folder.glob("*.json"):
        change(path, title='<script>alert("1")</script> & more', config="none")
    html = page.html({folder: collect(folder)})
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(" in html
    assert "&amp; more" in html


def test_a_run_on_a_part_of_the_test_set_is_not_ranked(folder, change):
    for path in folder.glob("*.json"):
        change(path, target="madry_mnist/secret", weights="original", images=9_999)
    change(folder / "dgf-xent.json", images=10_000)
    change(folder / "pgd-xent.json", images=10_000, weights="third-party")
    names = [entry.name for entry in page.entries({folder: collect(folder)})]
    assert names == ["DAA-DGF (this project)"]
