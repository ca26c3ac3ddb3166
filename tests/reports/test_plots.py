"""Lines of numbers as figures and as interactive plots; colours in both modes."""

import itertools
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from daa.attacks.methods import METHODS
from daa.reports import palette, plots, plotting
from daa.reports.plots import Line, Plot

X = np.array([1.0, 2.0, 4.0])
LINE = Line("a <b> & c", "blue", X, np.array([9.0, 8.123456, np.nan]), marker="o")
BAND = Line("band", "wine", X, X + 1, X, X + 2, dash="--", step=True)
PLOT = Plot("title", "x", "y", (LINE, BAND), log=True, ticks=((1, "1"), (4, "4\nbelow")))


def test_a_panel_has_lines_bands_ticks_and_a_level():
    figure = plots.panel(PLOT)
    (axis,) = figure.axes
    assert [line.get_label() for line in axis.lines] == ["a <b> & c", "band"]
    assert axis.lines[1].get_drawstyle() == "steps-post"
    heights = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 6)
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "4\nbelow"]
    assert axis.get_xscale() == "log"
    leveled = plots.panel(Plot("", "x", "y", (LINE,), level=(8.5, "exact: 8.50")))
    assert list(leveled.axes[0].lines[-1].get_ydata()) == [8.5, 8.5]
    assert [text.get_text() for text in leveled.legends[0].texts] == ["a <b> & c", "exact: 8.50"]


def test_panels_share_one_legend_and_a_footnote_that_can_be_read():
    figure = plots.figure([PLOT, PLOT], "the title", "the footnote")
    assert [text.get_text() for text in figure.legends[0].texts] == ["a <b> & c", "band"]
    (note,) = [text for text in figure.texts if text.get_text() == "the footnote"]
    assert note.get_fontsize() >= 8
    texts = figure.findobj(match=lambda one: hasattr(one, "get_fontsize"))
    assert min(text.get_fontsize() for text in texts if text.get_text()) >= 8
    FigureCanvasAgg(figure).draw()
    legend, box = figure.legends[0].get_window_extent(), note.get_window_extent()
    assert box.y1 <= legend.y0 and legend.y1 <= figure.axes[0].get_tightbbox().y0


def test_the_interactive_plot_has_the_same_numbers_without_gaps():
    data = json.loads(json.dumps(plots.interactive(PLOT)))
    line, band = data["lines"]
    assert (line["x"], line["y"]) == ([1, 2], [9, 8.12])
    assert "low" not in line
    assert (band["low"], band["high"], band["step"]) == ([1, 2, 4], [3, 4, 6], True)
    assert data["ticks"] == [[1, "1"], [4, "4\nbelow"]]


def test_panels_that_measure_the_same_have_the_same_limits():
    higher = Plot("", "x", "y", (Line("c", "ink", X, X + 20),))
    first, second = plots.alike([PLOT, higher])
    assert first.limits == second.limits
    assert first.limits[0] < 1 and second.limits[1] > 24


def test_a_saved_svg_follows_the_readers_system_and_keeps_its_text(tmp_path):
    plotting.save(plots.figure([PLOT], "the title", "note"), tmp_path / "figure.png")
    text = (tmp_path / "figure.svg").read_text()
    root = ET.fromstring(text)
    words = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"the title", "a <b> & c"} <= words
    assert "@media (prefers-color-scheme:dark){svg{--ink:" in text
    blue = palette.light("blue")
    assert f'[style*="stroke: {blue}"]{{stroke:var(--blue)!important}}' in text
    # All colours that are drawn have a variable.
    used = set(re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", text.split("</style>")[-1]))
    assert blue in used
    assert used <= {colour.light for colour in palette.COLOURS.values()} | {"#000000"}


def test_two_figures_in_a_page_have_ids_of_their_own():
    one, two = (plotting.inline(plots.panel(PLOT), name, 'a "b" <c>') for name in ("p", "q"))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    referred = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', one)
    assert {a or b for a, b in referred} <= ids[0]
    assert 'aria-label="a &quot;b&quot; &lt;c>"' in one
    assert "xmlns" not in one


def luminance(colour):
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lightness(linear):
    """Oklab, in which distances are as they look (Ottosson 2020)."""
    lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(lab) @ np.cbrt(np.array(lms) @ np.clip(linear, 0, 1))


# Machado, Oliveira and Fernandes 2009, severity 1.
EYES = {
    "all colours": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_methods_of_the_papers_tables_can_be_told_apart(mode, eyes):
    methods = ["adaptive", "blob", "dgf", "pgd", "momentum", "rand_fgsm"]
    colours = {m: getattr(palette.COLOURS[palette.of(m)], mode) for m in methods}
    seen = {m: lightness(np.array(EYES[eyes]) @ luminance(c)) for m, c in colours.items()}
    for a, b in itertools.combinations(methods, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 0.08, (a, b)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_stand_out_from_the_background(mode):
    weights = np.array([0.2126, 0.7152, 0.0722])
    back = luminance(getattr(palette.COLOURS["back"], mode)) @ weights
    for name, colour in palette.COLOURS.items():
        if name not in ("back", "rule"):
            low, high = sorted([back, luminance(getattr(colour, mode)) @ weights])
            least = 4.5 if name in ("ink", "soft") else 2.2
            assert (high + 0.05) / (low + 0.05) > least, name


def test_hues_keep_their_order_of_lightness_on_both_backgrounds():
    names = ["blue", "vermillion", "sky", "orange"]
    for mode in ("light", "dark"):
        values = [lightness(luminance(getattr(palette.COLOURS[n], mode)))[0] for n in names]
        assert values == sorted(values), mode


def test_every_method_has_a_colour(monkeypatch):
    monkeypatch.setitem(METHODS, "new", METHODS["pgd"])
    assert {palette.of(name) for name in METHODS} <= set(palette.COLOURS)
    assert palette.of("new") == "grey"
