"""The committed page in a real browser, as a phone and a large screen show it.

Pictures of it are kept in build/screenshots.
"""

import re
from pathlib import Path

import browser
import pytest

from daa.reports.results import collect
from daa.runs.config import RESULTS

PAGE = RESULTS / "index.html"
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
CARDS = """[...document.querySelectorAll("[data-record]")].map(one =>
    [one.dataset.record, one.textContent, one.checkVisibility()])"""
# Scrolls through the page, so that all that waits for it is drawn.
SCROLL = """for (let y = 0; y < document.body.scrollHeight; y += 400) {
    scrollTo(0, y);
    await new Promise(done => setTimeout(done, 25));
}
scrollTo(0, 0);
await new Promise(done => setTimeout(done, 100));"""
OPEN = "for (const one of document.querySelectorAll('details')) one.open = true;"
FILTER = """(() => {
    const form = document.querySelector(".filters");
    form.elements.attack.value = "DAA-DGF";
    form.elements.loss.value = "CW";
    form.dispatchEvent(new Event("change"));
    const rows = [...document.querySelectorAll("table.runs tbody tr")].filter(row =>
        row.checkVisibility());
    return [rows.map(row => [row.dataset.attack, row.dataset.loss]),
            document.querySelector(".filters output").textContent];
})()"""
SORT = """(() => {
    const table = document.querySelector("#robust_mnist table.runs");
    const heads = [...table.tHead.rows[0].cells];
    const column = heads.findIndex(head => head.textContent === "worst case");
    const values = () => [...table.tBodies[0].rows].map(row => +row.cells[column].textContent);
    heads[column].click();
    const up = values();
    heads[column].click();
    return [up, values()];
})()"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browser.path() is None, reason=f"no browser here: {', '.join(browser.NAMES)}"
    ),
]


@pytest.fixture(scope="module")
def port():
    with browser.running() as port:
        yield port


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen_asks_for_nothing_and_has_no_error(port, width, dark):
    expression = f"""(async () => {{ {SCROLL}
        const inside = [innerWidth, document.documentElement.scrollWidth];
        const plots = document.querySelectorAll(".uplot").length;
        return [inside, plots, getComputedStyle(document.body).backgroundColor]; }})()"""
    picture = PICTURES / f"page-{width}-{'dark' if dark else 'light'}.png"
    found = browser.look(port, PAGE, expression, width=width, dark=dark, picture=picture)
    assert found.errors == [] and found.requests == []
    inside, plots, back = found.value
    assert inside == [width, width]
    assert plots >= 1
    assert back == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")
    assert picture.stat().st_size > 10_000


def test_all_that_is_folded_fits_a_phone_too(port):
    expression = f"""(async () => {{ {OPEN} {SCROLL}
        return [innerWidth, document.documentElement.scrollWidth,
            document.querySelectorAll(".uplot").length,
            document.querySelectorAll("figure > script").length]; }})()"""
    picture = PICTURES / "page-390-open.png"
    found = browser.look(port, PAGE, expression, width=390, picture=picture)
    assert found.errors == []
    assert found.value[:2] == [390, 390]
    assert found.value[2] == found.value[3] > 5  # each plot came to life


def test_the_numbers_of_the_cards_are_those_of_the_records(port):
    found = browser.look(port, PAGE, CARDS)
    assert len(found.value) > 20
    for record, text, visible in found.value:
        folder, run = record.split("/")
        (of,) = [r for r in collect(RESULTS / folder).records if r.run == run]
        assert text == f"{100 * of.worst:.2f}", record
        assert visible


def test_rows_are_filtered_by_attack_and_loss(port):
    rows, output = browser.look(port, PAGE, FILTER).value
    assert rows and set(map(tuple, rows)) == {("DAA-DGF", "CW")}
    assert re.fullmatch(rf"{len(rows)} of \d+ runs", output)


def test_a_click_on_a_head_sorts_and_a_second_one_turns_it_round(port):
    up, down = browser.look(port, PAGE, SORT).value
    assert len(up) == 10
    assert up == sorted(up) and down == up[::-1]


def test_the_legend_says_where_its_values_are_from(port):
    """Under the cursor, and without one, at the end of each line: no label stands alone."""
    expression = """(async () => {
        const figure = document.querySelector("#verdict figure.live");
        const texts = () => [...figure.querySelectorAll(".u-legend .u-value")]
            .map(one => one.textContent);
        const before = texts(), over = figure.querySelector(".u-over");
        const { left, top, width } = over.getBoundingClientRect();
        const move = { clientX: left + width / 2, clientY: top + 50, bubbles: true };
        over.dispatchEvent(new MouseEvent("mouseenter", move));
        over.dispatchEvent(new MouseEvent("mousemove", move));
        await new Promise(done => setTimeout(done, 200));
        return [before, texts()]; })()"""
    expression = expression.replace("const figure", SCROLL + "const figure", 1)
    before, under = browser.look(port, PAGE, expression).value
    assert before[0] == "end of each line" and all(before)
    assert float(under[0]) > 0  # gradients per image
    assert under[1:] != before[1:]


def test_the_place_in_the_navigation_is_marked_as_current(port):
    expression = """(async () => {
        document.getElementById("boards").scrollIntoView();
        await new Promise(done => setTimeout(done, 300));
        return [...document.querySelectorAll("nav [aria-current]")]
            .map(link => [link.hash, link.ariaCurrent]); })()"""
    assert browser.look(port, PAGE, expression).value == [["#boards", "true"]]


def test_the_text_of_figures_is_whole_and_can_be_read_on_a_phone(port):
    expression = f"""(async () => {{ {OPEN} {SCROLL}
        const texts = [...document.querySelectorAll("figure > svg text")]
            .filter(text => text.checkVisibility());
        const cut = texts.filter(text => {{
            const inner = text.getBoundingClientRect();
            const outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.left < outer.left - 2 || inner.right > outer.right + 2;
        }});
        const sizes = texts.map(text => {{
            const scale = text.getScreenCTM();
            return Math.hypot(scale.a, scale.b) * parseFloat(getComputedStyle(text).fontSize);
        }});
        return [sizes.length, Math.min(...sizes), cut.map(text => text.textContent)]; }})()"""
    number, smallest, cut = browser.look(port, PAGE, expression, width=390).value
    assert number > 20 and smallest >= 10 and cut == []


def test_without_scripts_the_figure_and_all_rows_are_there(port):
    expression = """[document.querySelectorAll(".uplot").length,
        document.querySelector("#verdict figure > svg").checkVisibility(),
        document.querySelector(".filters").checkVisibility(),
        document.querySelectorAll("table.runs tbody tr").length]"""
    picture = PICTURES / "page-1280-no-script.png"
    found = browser.look(port, PAGE, expression, script=False, picture=picture)
    assert found.errors == [] and found.requests == []
    plots, figure, filters, rows = found.value
    assert (plots, figure, filters) == (0, True, False)
    assert rows > 200


def test_an_error_and_a_request_are_seen(port, tmp_path):
    """The other tests can fail."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('no'); missing()</script>"
    )
    found = browser.look(port, path)
    assert found.requests == ["http://127.0.0.1:9/x.png"]
    assert any("no" in error for error in found.errors)
    assert any("missing" in error for error in found.errors)
