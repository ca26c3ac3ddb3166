import numpy as np
import pytest
from PIL import Image

from daa.attacks.methods import AttackConfig
from daa.cli import figures as script
from daa.reports import budget, figures, pictures, plotting
from daa.reports.results import Collected, collect
from daa.runs import config


def test_the_script_draws_png_and_svg_and_the_same_bytes_each_time(folder, capsys):
    for path in folder.glob("restarts.*"):
        path.unlink()
    script.main([str(folder)])
    assert "robust_mnist: restarts.png" in capsys.readouterr().out
    assert Image.open(folder / "restarts.png").size[0] > 1000
    first = (folder / "restarts.svg").read_bytes()
    assert figures.write(collect(folder), folder) == [folder / "restarts.png"]
    assert (folder / "restarts.svg").read_bytes() == first


def test_a_line_per_run_and_a_panel_per_loss(committed):
    found = collect(committed)
    panels = figures.restarts(found.records)
    assert [panel.title for panel in panels] == ["cross-entropy", "CW"]
    assert [len(panel.lines) for panel in panels] == [5, 5]
    record = next(record for record in found.records if record.run == "dgf-cw")
    line = next(line for line in panels[1].lines if line.label == "DAA-DGF")
    assert line.y == pytest.approx(100 * np.array(record.robust_accuracy))
    assert panels[0].limits == panels[1].limits
    drawn = [one.y for panel in panels for one in panel.lines]
    assert panels[0].limits[0] < np.min(drawn) < np.max(drawn) < panels[0].limits[1]


def test_a_sweep_shows_how_far_methods_are_from_pgd(folder):
    found = collect(folder)
    runs = [
        record.model_copy(update={"attack": record.attack.replace(eps=eps)})
        for record in found.records
        for eps in (0.1, 0.3)
    ]
    assert figures.write(Collected("t", tuple(runs), sweep="eps"), folder)[0] == folder / "eps.png"
    apart, _ = figures.sweep(runs, "eps")
    pgd, dgf = (found.records[k].accuracy_per_restart for k in (2, 8))
    assert [line.label for line in apart.lines] == ["PGD", "Momentum PGD", "DAA-BLOB", "DAA-DGF"]
    assert apart.lines[-1].y == pytest.approx([100 * (np.mean(dgf) - np.mean(pgd))] * 2)
    mean = f"{100 * np.mean(pgd):.1f}"
    assert apart.ticks == ((0.1, f"0.1\n{mean}"), (0.3, f"0.3\n{mean}"))


def test_a_sweep_without_pgd_shows_the_accuracies(committed):
    records = [r for r in collect(committed).records if r.attack.method != "pgd"]
    plot, _ = figures.sweep(records, "eps")
    dgf = next(record for record in records if record.run == "dgf-xent")
    assert plot.lines[-1].y == pytest.approx([100 * np.mean(dgf.accuracy_per_restart)])
    assert "PGD" not in plot.x_label + plot.y_label


def test_the_band_of_a_sweep_spans_the_single_runs_and_the_line_is_their_mean(committed):
    found = collect(committed)
    runs = {record.run: 100 * np.array(record.accuracy_per_restart) for record in found.records}
    apart, _ = figures.sweep(found.records, "eps")
    names = ["pgd-xent", "momentum-xent", "blob-xent", "dgf-xent"]
    for name, line in zip(names, apart.lines, strict=True):
        apart_by = runs[name] - runs["pgd-xent"].mean()
        assert line.y == pytest.approx([apart_by.mean()], abs=1e-9), name
        assert line.low == pytest.approx([apart_by.min()], abs=1e-9), name
        assert line.high == pytest.approx([apart_by.max()], abs=1e-9), name
    assert any(np.ptp(values) > 0 for values in runs.values())


def test_images_of_runs_without_records_are_not_drawn(folder):
    committed = config.RESULTS / "figure1-locuslab-fast_pgd_mnist"
    (folder / "examples.json").write_bytes((committed / "examples.json").read_bytes())
    (folder / "blob-xent.json").unlink()
    names = [path.name for path in figures.write(collect(folder), folder)]
    assert names == ["restarts.png"]


def test_one_restart_each_is_nothing_to_draw(folder, change, capsys):
    for path in folder.glob("*.json"):
        change(path, restarts=1, robust_accuracy=[0.9], accuracy_per_restart=[0.9])
    assert figures.write(collect(folder), folder) == []
    script.main([str(folder)])
    assert "nothing to draw" in capsys.readouterr().out


def test_shown_images_are_drawn_with_both_attacks(tmp_path):
    committed = config.RESULTS / "figure1-locuslab-fast_pgd_mnist"
    for path in committed.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    written = figures.write(collect(committed), tmp_path)
    assert [path.name for path in written] == ["restarts.png", "examples.png"]
    assert Image.open(tmp_path / "examples.png").size[0] > 700


def test_images_of_each_kind_stand_beside_their_changes(tmp_path):
    natural = np.linspace(0, 1, 3 * 8 * 8 * 3, dtype=np.float32).reshape(3, 8, 8, 3)
    chosen = {"PGD alone": np.array([0, 2]), "both": np.array([], int), "neither": np.array([1])}
    adv = [natural * 0.9, natural * 1.1]
    figure = pictures.kinds(chosen, natural, adv, ["PGD", "DAA"], count=2)
    assert len(figure.axes) == 2 * 3 * 2  # kinds that have images, three versions, two images
    path = plotting.save(figure, tmp_path / "kinds.png")
    assert Image.open(path).size[0] > 300
    assert (tmp_path / "kinds.svg").exists()


AFTER = tuple(float(k) for k in range(5, 105, 10))


@pytest.mark.parametrize(
    "title", [r"A $\frac{x}{$ formula", "$ $", "5 $ or _^ $", "\u2603 \U0001f600"]
)
def test_a_title_is_a_text_and_no_formula(title, folder, change):
    for path in folder.glob("*.json"):
        change(path, title=title, device=title)
    found = collect(folder)
    written = figures.write(found, folder)
    assert written == [folder / "restarts.png"]
    curves = [
        r.model_copy(update={"attack": AttackConfig("adaptive"), "gradients_after": AFTER})
        for r in found.records
    ]
    plotting.save(budget.figure(curves, None), folder / "budget.png")
