"""The committed page in Chromium, on a phone and on a large screen.

Pictures of it are written to build/screenshots.
"""

import re
import shutil
from pathlib import Path

import pytest

from daa.reports.results import load
from daa.runs.config import RESULTS

sync_api = pytest.importorskip("playwright.sync_api")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
PAGE = (RESULTS / "index.html").resolve()
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
OPEN = "for (const one of document.querySelectorAll('details')) one.open = true;"
# Scrolls through the page, so that all plots are drawn.
SCROLL = """async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 400) {
        scrollTo(0, y);
        await new Promise(done => setTimeout(done, 25));
    }
    scrollTo(0, 0);
    await new Promise(done => setTimeout(done, 100));
}"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=f"none of these is installed: {', '.join(NAMES)}"),
]


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium):
    """Opens a page; `page.problems` lists its errors and its requests."""

    def look(path=PAGE, width=1280, dark=False, script=True):
        page = chromium.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        page.problems = problems = []
        page.on("console", lambda m: m.type in ("error", "warning") and problems.append(m.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        local = (path.as_uri(), "data:")
        page.on("request", lambda r: r.url.startswith(local) or problems.append(r.url))
        page.goto(path.as_uri())
        return page

    yield look
    for context in chromium.contexts:
        context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen_and_has_no_error_and_no_request(look, width, dark):
    page = look(width=width, dark=dark)
    page.evaluate(SCROLL)
    picture = PICTURES / f"page-{width}-{'dark' if dark else 'light'}.png"
    page.screenshot(path=picture, full_page=True)
    assert page.problems == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".uplot").count() >= 1
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")
    images = page.evaluate(
        "[...document.querySelectorAll('image, img')].map(one => getComputedStyle(one).filter)"
    )
    assert images and set(images) == {"none"}  # no digit is inverted


@pytest.mark.parametrize(
    ("width", "column"), [(1280, "td:last-child"), (390, "td[class*=verdict]")]
)
def test_the_verdicts_of_the_report_are_on_the_screen(look, width, column):
    page = look(RESULTS / "paper_surrogates" / "index.html", width)
    cell = page.locator(f".verdicts {column}").first.bounding_box()
    assert cell["x"] + cell["width"] <= width


def test_all_folded_parts_fit_a_phone_and_their_text_is_legible(look):
    page = look(width=390)
    page.evaluate(OPEN)
    page.evaluate(SCROLL)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    plots = page.locator("figure > script").count()
    assert page.locator(".uplot").count() == plots > 5  # each plot is drawn
    number, smallest, cut = page.evaluate("""() => {
        const texts = [...document.querySelectorAll("figure > svg text")]
            .filter(text => text.checkVisibility());
        const cut = texts.filter(text => {
            const inner = text.getBoundingClientRect();
            const outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.left < outer.left - 2 || inner.right > outer.right + 2;
        });
        const sizes = texts.map(text => {
            const scale = text.getScreenCTM();
            return Math.hypot(scale.a, scale.b) * parseFloat(getComputedStyle(text).fontSize);
        });
        return [sizes.length, Math.min(...sizes), cut.map(text => text.textContent)];
    }""")
    assert number > 20 and smallest >= 9.5 and cut == []
    assert page.problems == []


def test_the_numbers_of_the_cards_are_those_of_the_records(look):
    cards = look().evaluate("""[...document.querySelectorAll("[data-record]")].map(one =>
        [one.dataset.record, one.textContent, one.checkVisibility()])""")
    assert len(cards) > 20
    for name, text, visible in cards:
        folder, run = name.split("/")
        (record,) = [r for r in load(RESULTS / folder).records if r.run == run]
        assert text == f"{100 * record.worst:.2f}" and visible, name


def test_rows_are_filtered_by_attack_and_loss_and_sorted_by_a_column(look):
    page = look()
    page.evaluate(OPEN)
    table = page.locator("#robust_mnist table.runs")
    column = table.locator("thead th").all_inner_texts().index("robust accuracy")

    def values():
        table.locator("thead button").nth(column).click()
        cells = table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()
        return [float(text) for text in cells]

    up, down = values(), values()
    assert len(up) == 10
    assert up == sorted(up) and down == up[::-1]
    page.select_option("select[name=attack]", "DAA-DGF")
    page.select_option("select[name=loss]", "CW")
    rows = page.locator("table.runs tbody tr:visible")
    shown = rows.evaluate_all("rows => rows.map(row => [row.dataset.attack, row.dataset.loss])")
    assert set(map(tuple, shown)) == {("DAA-DGF", "CW")}
    assert re.fullmatch(rf"{len(shown)} of \d+ runs", page.locator(".filters output").inner_text())


def test_the_legend_shows_the_values_at_the_cursor_and_the_navigation_the_section(look):
    page = look()
    values = page.locator("#summary figure.live .u-legend .u-value")
    values.first.wait_for()
    before = values.all_inner_texts()
    page.locator("#summary .u-over").hover()
    under = values.all_inner_texts()
    assert before[0] == "end of each line" and all(before)
    assert float(under[0]) > 0  # gradients per image
    assert under[1:] != before[1:]
    page.evaluate("document.getElementById('boards').scrollIntoView()")
    page.locator("nav a[aria-current][href='#boards']").wait_for()
    assert page.locator("nav [aria-current]").count() == 1


def test_without_scripts_the_figure_and_all_rows_are_there(look):
    page = look(script=False)
    assert page.problems == []
    assert page.locator("#summary figure > svg").is_visible()
    assert not page.locator(".filters").is_visible()
    assert page.locator(".uplot").count() == 0
    assert page.locator("table.runs tbody tr").count() > 200


def test_an_error_and_a_request_are_seen(look, tmp_path):
    """The other tests can fail."""
    path = tmp_path / "bad.html"
    path.write_text("<img src='http://127.0.0.1:9/x.png'><script>missing()</script>")
    page = look(path)
    assert "http://127.0.0.1:9/x.png" in page.problems
    assert any("missing" in problem for problem in page.problems)
