import itertools
import json
import re
import xml.etree.ElementTree as ET
from html import escape

import numpy as np
import pytest
from PIL import Image

from daa.attacks.methods import METHODS
from daa.cli import figures as script
from daa.reports import curves, figures, style
from daa.reports.curves import Line, Plot
from daa.reports.results import ResultSet, load
from daa.runs.config import RESULTS

X = np.array([1.0, 2.0, 4.0])
LINE = Line("a <b> & c", "blue", X, np.array([9.0, 8.123456, np.nan]), marker="o")
BAND = Line("band", "wine", X, X + 1, X, X + 2, dash="--", step=True)
PLOT = Plot("title", "x", "y", (LINE, BAND), log=True, ticks=((1, "1"), (4, "4\nbelow")))
FIGURE1, FIGURE2 = (RESULTS / f"figure{k}-locuslab-fast_pgd_mnist" for k in (1, 2))


@pytest.mark.parametrize("name", [FIGURE1.name, FIGURE2.name, "robust_mnist", "equal_budget"])
def test_the_script_draws_the_committed_figures(name, tmp_path, capsys, same_matplotlib):
    script.main([str(RESULTS / name), "--out", str(tmp_path)])
    printed, files = capsys.readouterr().out, sorted((tmp_path / name).iterdir())
    assert files == sorted(tmp_path / name / p.name for p in (RESULTS / name).glob("*.[ps][nv]g"))
    for path in files:
        if path.suffix == ".png":
            assert path.name in printed and Image.open(path).size[0] > 700
        elif same_matplotlib:
            assert path.read_text() == (RESULTS / name / path.name).read_text()


def test_a_sweep_without_pgd_shows_the_accuracies(committed):
    records = [r for r in load(committed).records if r.attack.method != "pgd"]
    plot, _ = figures.sweep(records, "eps")
    dgf = next(record for record in records if record.run == "dgf-xent")
    assert plot.lines[-1].y == pytest.approx([100 * np.mean(dgf.accuracy_per_restart)])
    assert "PGD" not in plot.x_label + plot.y_label


def test_a_sweep_of_attacks_with_a_budget_shows_the_accuracies_at_the_end():
    loaded = load(RESULTS / "equal_budget")
    records = tuple(r for r in loaded.records if r.attack.method == "adaptive" and not r.seed)
    results = ResultSet(records, experiment=loaded.experiment.model_copy(update={"sweep": "eps"}))
    name, (plot,) = figures.of(results)
    assert (name, plot.title, plot.x_label) == ("eps", "", "eps")
    assert [tuple(line.y) for line in plot.lines] == [(100 * records[0].worst,)]


def test_one_restart_each_is_nothing_to_draw(folder, change, capsys):
    change(folder, restarts=1, robust_accuracy=[0.9], accuracy_per_restart=[0.9])
    script.main([str(folder)])
    assert "nothing to draw" in capsys.readouterr().out


def test_attacked_images_are_drawn_if_both_runs_have_records(folder):
    (folder / "examples.json").write_bytes((FIGURE1 / "examples.json").read_bytes())
    (folder / "blob-xent.json").unlink()
    assert [path.name for path in figures.write(load(folder), folder)] == ["restarts.png"]


def test_perturbations_of_colour_images_are_shifted_to_the_middle_of_the_range(folder):
    clean, second = [0.5] * 6, [0.6, 0.5, 0.5, 0.5, 0.5, 0.4]
    content = {"rows": ["blob-xent", "dgf-xent"], "images": [1], "labels": [1]}
    content |= {"shape": [1, 2, 3], "natural": [clean], "adversarial": [[clean], [second]]}
    (folder / "examples.json").write_text(json.dumps(content))
    drawn = [axis.images[0].get_array() for axis in figures.attacked_images(load(folder)).axes]
    np.testing.assert_allclose(drawn[0].ravel(), clean)
    np.testing.assert_allclose(drawn[2].ravel(), second)
    np.testing.assert_allclose(drawn[4].ravel(), [1, 0.5, 0.5, 0.5, 0.5, 0], atol=1e-6)


def test_images_of_each_kind_are_next_to_their_changes():
    clean = np.linspace(0, 1, 3 * 8 * 8 * 3, dtype=np.float32).reshape(3, 8, 8, 3)
    chosen = {"PGD alone": np.array([0, 2]), "both": np.array([], int), "neither": np.array([1])}
    figure = figures.kinds(chosen, clean, [clean * 0.9, clean * 1.1], ["PGD", "DAA"], count=2)
    axes = np.reshape(figure.axes, (2, 7))
    assert not any(gap.images for gap in axes[:, 3])
    axes = np.delete(axes, 3, axis=1).reshape(2, 2, 3)  # kind, image, version
    assert figure.get_size_inches() == pytest.approx((3.72, 2.4))
    assert not any(axis.axison for axis in axes.flat)
    for row, picked in zip(axes, ([0, 2], [1]), strict=True):
        for image, line in zip(picked, row, strict=False):
            for axis, factor in zip(line, (1, 0.9, 1.1), strict=True):
                (drawn,) = axis.images
                np.testing.assert_allclose(drawn.get_array(), np.clip(factor * clean[image], 0, 1))
                assert drawn.get_clim() == (0, 1)
    assert not axes[1, 1, 0].images
    titles = [axes[0, 0, 0].get_title("left"), axes[1, 0, 0].get_title("left")]
    assert titles == ["by PGD alone (2)", "by neither (1)"]
    texts = figure.findobj(match=lambda one: hasattr(one, "get_fontsize") and one.get_text())
    assert {text.get_fontsize() for text in texts} == {8, 9}


def test_panels_of_the_committed_page_are_those_of_the_records(committed, same_matplotlib):
    results = load(committed)
    html = (RESULTS / "index.html").read_text()
    for k, plot in enumerate(figures.of(results)[1]):
        alt = f"{results.title}, {plot.title}: {plot.y_label} against {plot.x_label}"
        drawn = style.inline(curves.panel(plot), f"robust_mnist-{k}", alt)
        assert f'aria-label="{escape(alt)}"' in html
        assert drawn in html or not same_matplotlib


@pytest.mark.parametrize("title", [r"A $\frac{x}{$ formula", "$ $", "\u2603 \U0001f600"])
def test_a_title_is_text_and_not_a_formula(title, tmp_path):
    for plots in ([PLOT], [PLOT, PLOT]):
        style.save(curves.figure(plots, title, title), tmp_path / "a.png")


def test_a_panel_has_lines_bands_ticks_and_a_level():
    figure = curves.panel(PLOT)
    (axis,) = figure.axes
    assert [line.get_label() for line in axis.lines] == ["a <b> & c", "band"]
    assert axis.lines[1].get_drawstyle() == "steps-post"
    heights = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 6)
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "4\nbelow"]
    level = curves.panel(Plot("", "x", "y", (LINE,), level=(8.5, "exact: 8.50")))
    assert list(level.axes[0].lines[-1].get_ydata()) == [8.5, 8.5]
    assert [text.get_text() for text in level.legends[0].texts] == ["a <b> & c", "exact: 8.50"]


def test_panels_share_one_legend_and_no_text_is_small():
    figure = curves.figure([PLOT, PLOT], "the title", "the footnote")
    assert [text.get_text() for text in figure.legends[0].texts] == ["a <b> & c", "band"]
    texts = figure.findobj(match=lambda one: hasattr(one, "get_fontsize"))
    assert min(text.get_fontsize() for text in texts if text.get_text()) >= 8


def test_a_saved_svg_adapts_to_dark_screens_and_keeps_its_text(tmp_path):
    style.save(curves.figure([PLOT], "the title", "note"), tmp_path / "figure.png")
    text = (tmp_path / "figure.svg").read_text()
    root = ET.fromstring(text)
    words = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"the title", "a <b> & c"} <= words
    assert "@media (prefers-color-scheme:dark){svg{--ink:" in text
    blue = style.light("blue")
    assert f'[style*="stroke: {blue}"]{{stroke:var(--blue)!important}}' in text
    used = set(re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", text.split("</style>")[-1]))
    assert blue in used  # every colour has a variable
    assert used <= {colour.light for colour in style.COLOURS.values()} | {"#000000"}


def test_two_figures_in_a_page_have_different_ids(tmp_path):
    style.save(curves.panel(PLOT), tmp_path / "saved.png")
    saved = (tmp_path / "saved.svg").read_text()
    texts = [style.inline(curves.panel(PLOT), "p", 'a "b" <c>'), style.inline(saved, "q", "")]
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in texts]
    assert ids[0] and not ids[0] & ids[1]
    referred = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', texts[0])
    assert {a or b for a, b in referred} <= ids[0]
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in texts[0]
    assert all("xmlns" not in text and "prefers-color-scheme" not in text for text in texts)


def luminance(colour):
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


# Oklab, in which distances are perceived distances (Ottosson 2020).
LMS = "0.4122 0.5363 0.0514; 0.2119 0.6807 0.1074; 0.0883 0.2817 0.6300"
LAB = "0.2105 0.7936 -0.0041; 1.9780 -2.4286 0.4506; 0.0259 0.7828 -0.8087"
# Machado, Oliveira and Fernandes 2009, severity 1.
NO_RED = "0.1523 1.0526 -0.2049; 0.1145 0.7863 0.0992; -0.0039 -0.0481 1.0520"
NO_GREEN = "0.3673 0.8607 -0.2280; 0.2801 0.6725 0.0474; -0.0118 0.0429 0.9689"


def matrix(text):
    return np.array([row.split() for row in text.split(";")], float)


@pytest.mark.parametrize("eyes", ["1 0 0; 0 1 0; 0 0 1", NO_RED, NO_GREEN])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_methods_of_the_papers_tables_have_distinct_colours(mode, eyes):
    methods = ["adaptive", "blob", "dgf", "pgd", "momentum", "rand_fgsm"]
    colours = {m: getattr(style.COLOURS[style.colour_of(m)], mode) for m in methods}
    seen = {m: np.clip(matrix(eyes) @ luminance(c), 0, 1) for m, c in colours.items()}
    seen = {m: matrix(LAB) @ np.cbrt(matrix(LMS) @ linear) for m, linear in seen.items()}
    for a, b in itertools.combinations(methods, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 0.08, (a, b)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_contrast_with_the_background(mode):
    weights = np.array([0.2126, 0.7152, 0.0722])
    back = luminance(getattr(style.COLOURS["back"], mode)) @ weights
    for name, colour in style.COLOURS.items():
        if name not in ("back", "rule"):
            low, high = sorted([back, luminance(getattr(colour, mode)) @ weights])
            assert (high + 0.05) / (low + 0.05) > (4.5 if name in ("ink", "soft") else 2.2), name


def test_every_method_has_a_colour():
    assert {style.colour_of(name) for name in METHODS} <= set(style.COLOURS)
    assert style.colour_of("new") == "grey"
