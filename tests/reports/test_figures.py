import itertools
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from daa.attacks.methods import METHODS
from daa.cli import figures as script
from daa.reports import autoattack as races
from daa.reports import curves, figures, style
from daa.reports.curves import Line, Plot
from daa.reports.results import ResultSet, load
from daa.runs.config import RESULTS

X = np.array([1.0, 2.0, 4.0])
LINE = Line("a <b> & c", "blue", X, np.array([9.0, 8.123456, np.nan]), marker="o")
BAND = Line("band", "wine", X, X + 1, X, X + 2, dash="--", step=True)
PLOT = Plot("title", "x", "y", (LINE, BAND), log=True, ticks=((1, "1"), (4, "4\nbelow")))
FIGURE1 = RESULTS / "figure1-locuslab-fast_pgd_mnist"


def test_the_script_draws_png_and_svg_and_the_same_bytes_each_time(folder, capsys):
    script.main([str(folder)])
    assert "robust_mnist: restarts.png" in capsys.readouterr().out
    assert Image.open(folder / "restarts.png").size[0] > 1000
    first = (folder / "restarts.svg").read_bytes()
    assert figures.write(load(folder), folder) == [folder / "restarts.png"]
    assert (folder / "restarts.svg").read_bytes() == first


def test_a_line_per_run_and_a_panel_per_loss(committed):
    records = load(committed).records
    panels = figures.restarts(records)
    assert [panel.title for panel in panels] == ["cross-entropy", "CW"]
    assert [len(panel.lines) for panel in panels] == [5, 5]
    record = next(record for record in records if record.run == "dgf-cw")
    line = next(line for line in panels[1].lines if line.label == "DAA-DGF")
    assert line.y == pytest.approx(100 * np.array(record.robust_accuracy))
    assert panels[0].limits == panels[1].limits
    drawn = [one.y for panel in panels for one in panel.lines]
    assert panels[0].limits[0] < np.min(drawn) < np.max(drawn) < panels[0].limits[1]


def test_a_sweep_shows_the_difference_from_pgd(committed):
    loaded = load(committed)
    experiment = loaded.experiment.model_copy(update={"sweep": "eps"})
    runs = [
        record.model_copy(update={"attack": record.attack.replace(eps=eps)})
        for record in loaded.records
        for eps in (0.1, 0.3)
    ]
    name, (xent, _) = figures.of(ResultSet(tuple(runs), experiment=experiment))
    assert name == "eps"
    pgd, dgf = (loaded.records[k].accuracy_per_restart for k in (2, 8))
    assert [line.label for line in xent.lines] == ["PGD", "Momentum PGD", "DAA-BLOB", "DAA-DGF"]
    last = xent.lines[-1]
    for values, of in ((last.y, np.mean), (last.low, np.min), (last.high, np.max)):
        assert values == pytest.approx([100 * (of(dgf) - np.mean(pgd))] * 2)
    mean = f"{100 * np.mean(pgd):.1f}"
    assert xent.ticks == ((0.1, f"0.1\n{mean}"), (0.3, f"0.3\n{mean}"))


def test_a_sweep_without_pgd_shows_the_accuracies(committed):
    records = [r for r in load(committed).records if r.attack.method != "pgd"]
    plot, _ = figures.sweep(records, "eps")
    dgf = next(record for record in records if record.run == "dgf-xent")
    assert plot.lines[-1].y == pytest.approx([100 * np.mean(dgf.accuracy_per_restart)])
    assert "PGD" not in plot.x_label + plot.y_label


def test_one_restart_each_is_nothing_to_draw(folder, change, capsys):
    for path in folder.glob("*-*.json"):
        change(path, restarts=1, robust_accuracy=[0.9], accuracy_per_restart=[0.9])
    script.main([str(folder)])
    assert "nothing to draw" in capsys.readouterr().out


def test_attacked_images_are_drawn_if_both_runs_have_records(folder, tmp_path):
    written = figures.write(load(FIGURE1), tmp_path)
    assert [path.name for path in written] == ["restarts.png", "examples.png"]
    assert Image.open(tmp_path / "examples.png").size[0] > 700
    (folder / "examples.json").write_bytes((FIGURE1 / "examples.json").read_bytes())
    (folder / "blob-xent.json").unlink()
    assert [path.name for path in figures.write(load(folder), folder)] == ["restarts.png"]


def test_images_of_each_kind_are_next_to_their_changes():
    clean = np.linspace(0, 1, 3 * 8 * 8 * 3, dtype=np.float32).reshape(3, 8, 8, 3)
    chosen = {"PGD alone": np.array([0, 2]), "both": np.array([], int), "neither": np.array([1])}
    figure = figures.kinds(chosen, clean, [clean * 0.9, clean * 1.1], ["PGD", "DAA"], count=2)
    # For both kinds with images: two images in three versions, and a gap between the images.
    assert len(figure.axes) == 2 * (2 * 3 + 1)
    assert [bool(axis.images) for axis in figure.axes[:7]] == [True] * 3 + [False] + [True] * 3


@pytest.mark.parametrize("title", [r"A $\frac{x}{$ formula", "$ $", "\u2603 \U0001f600"])
def test_a_title_is_text_and_not_a_formula(title, tmp_path):
    for plots in ([PLOT], [PLOT, PLOT]):
        style.save(curves.figure(plots, title, title), tmp_path / "a.png")


@pytest.fixture(scope="module")
def budgets():
    return load(RESULTS / "equal_budget")


def test_a_curve_holds_the_accuracy_so_far(budgets):
    record = next(r for r in budgets.records if r.run == "adaptive-seed0")
    values = figures.accuracy_after(record, np.array([0.0, 25.0, 149.0, 500.0]))
    assert values[0] == pytest.approx(100 * record.clean_accuracy)
    spent = np.flatnonzero(np.array(record.gradients_after) <= 25)[-1]
    assert values[1] == pytest.approx(100 * record.robust_accuracy[spent])
    assert values[1] > values[2] and np.isnan(values[3])


def test_equal_budgets_have_a_line_per_attack_and_autoattack_as_points(budgets):
    assert budgets.has_curves and not load(RESULTS / "robust_mnist").has_curves
    name, (plot,) = figures.of(budgets)
    labels = [line.label for line in plot.lines]
    assert (name, labels[0]) == ("budget", "Adaptive DAA")
    assert {"Auto-PGD, cross-entropy", "Auto-PGD, DLR", "PGD"} <= set(labels)
    assert len(labels) == len(set(labels)) == 14
    worst = np.mean([100 * r.worst for r in budgets.records if r.attack.method == "adaptive"])
    assert plot.lines[0].y[-1] == pytest.approx(worst, abs=0.02)
    race = races.load(budgets.folder)[-1]
    autoattack = next(line for line in plot.lines if line.label.startswith("AutoAttack"))
    assert list(autoattack.x) == [point.gradients for point in race.autoattack.points]
    assert f"Adaptive DAA, first {race.images:,} images" in labels


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


def test_the_interactive_plot_has_the_same_numbers_without_gaps():
    data = json.loads(json.dumps(curves.interactive(PLOT)))
    line, band = data["lines"]
    assert (line["x"], line["y"]) == ([1, 2], [9, 8.12])
    assert "low" not in line
    assert (band["low"], band["high"], band["step"]) == ([1, 2, 4], [3, 4, 6], True)
    assert data["ticks"] == [[1, "1"], [4, "4\nbelow"]]


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
