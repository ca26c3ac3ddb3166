import csv
import io
import json
import shutil
from pathlib import Path

import figures
import numpy as np
import page
import pytest
import records
import tables
from PIL import Image

from daa import InputError, config, results, stats

FOLDER = Path("results/robust_mnist")


@pytest.fixture
def folder(tmp_path):
    """The committed records, whose config is in configs/."""
    return Path(shutil.copytree(FOLDER, tmp_path / "robust_mnist"))


def change(path: Path, **values) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **values}))


def column(found: records.Collected, name: str) -> dict[str, str]:
    runs = [record["run"] for record in found.records]
    return dict(zip(runs, (row[name] for row in tables.cells(found)), strict=False))


def test_tables_are_rebuilt_from_the_records_alone(folder):
    found = records.collect(folder)
    tables.write(found, folder)
    for name in ("table.md", "table.csv", "table.tex"):
        assert (folder / name).read_text() == (FOLDER / name).read_text()
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text())))
    assert len(rows) == 10
    record = json.loads((folder / "dgf-cw.json").read_text())
    assert rows[-1]["worst case"] == f"{100 * record['robust_accuracy'][-1]:.2f}"
    assert rows[-1]["restarts"] == "10"
    assert "p against PGD" in tables.latex(found)


def test_daa_is_tested_against_pgd_of_the_same_loss(folder):
    read = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    dgf, pgd = (set(read[name]["broken"]) for name in ("dgf-cw", "pgd-cw"))
    expected = stats.mcnemar(len(dgf - pgd), len(pgd - dgf))
    found = records.collect(folder)
    p = column(found, "p against PGD")
    assert float(p["dgf-cw"]) == pytest.approx(expected, rel=0.05)
    assert p["pgd-cw"] == p["momentum-xent"] == ""
    header, _, *rows = tables.tests(found)
    assert header[:2] == ["attack", "loss"]
    assert len(rows) == 4
    assert "ordering holds" in tables.verdict(found)


def test_where_the_ordering_does_not_hold_the_table_says_so(folder):
    change(folder / "blob-cw.json", robust_accuracy=[0.95])
    assert "does not hold here for blob-cw" in tables.verdict(records.collect(folder))


def test_damaged_and_contradicting_records_are_left_out_and_missing(folder):
    (folder / "pgd-xent.json").write_bytes((folder / "pgd-xent.json").read_bytes()[:99])
    change(folder / "pgd-cw.json", schema=99)
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    change(folder / "dgf-cw.json", attack={**attack, "eps": 0.31})
    with pytest.warns(UserWarning, match="left out") as caught:
        found = records.collect(folder)
    said = " ".join(str(warning.message) for warning in caught)
    assert "pgd-xent.json: expected a result record" in said
    assert "pgd-cw.json: schema: expected 1, got 99" in said
    assert "dgf-cw.json: attack: eps: expected 0.3 as its config, got 0.31" in said
    rows = tables.cells(found)
    assert [row["worst case"] for row in rows].count("missing") == 3
    assert not any(row["worst case"] in ("0", "0.00") for row in rows)
    assert "missing" in tables.markdown(found)


def test_two_records_of_one_run_and_none_at_all(folder, tmp_path):
    shutil.copy(folder / "pgd-cw.json", folder / "copy.json")
    with pytest.raises(InputError, match="run: expected one record of pgd-cw, got two"):
        records.collect(folder)
    with pytest.raises(InputError, match="expected result records, got none"):
        records.collect(tmp_path)


def test_surrogates_show_the_papers_value_without_a_difference(folder):
    for path in folder.glob("*.json"):
        change(path, weights="surrogate", paper_percent=88.0)
    found = records.collect(folder)
    assert set(column(found, "paper").values()) == {"88.00"}
    assert "difference" not in tables.cells(found)[0]
    assert "this project trained, not on the paper's" in page.html({folder: found})


def test_merged_runs_count_every_broken_image_once(folder):
    runs = records.collect(folder).records
    merged = records.Collected("t", runs, merged_paper=88.56)
    last = tables.cells(merged)[-1]
    broken = set().union(*(record["broken"] for record in runs))
    assert last["worst case"] == f"{100 - len(broken) / 100:.2f}"
    assert last["paper"] == "88.56"


def test_the_certified_bound_stands_below_the_attacks():
    found = records.collect(Path("results/provable_mnist"))
    *attacks, floor = tables.cells(found)
    assert floor["worst case"] == "94.20"
    clipped = [row for row in attacks if "not clipped" not in row["attack"]]
    assert all(float(row["worst case"]) >= 94.2 for row in clipped)


def test_figures_are_drawn_as_png_and_svg(folder):
    for path in folder.glob("restarts.*"):
        path.unlink()
    assert figures.write(records.collect(folder), folder) == [folder / "restarts.png"]
    assert Image.open(folder / "restarts.png").size[0] > 1000
    first = (folder / "restarts.svg").read_bytes()
    figures.write(records.collect(folder), folder)
    assert (folder / "restarts.svg").read_bytes() == first


def test_a_sweep_is_drawn_over_its_setting(folder):
    runs = [
        {**record, "attack": {**record["attack"], "eps": eps}}
        for record in records.collect(folder).records
        for eps in (0.1, 0.3)
    ]
    found = records.Collected("t", runs, sweep="eps")
    assert tables.cells(found)[0]["eps"] == "0.1"
    assert figures.write(found, folder)[0] == folder / "eps.png"
    accuracy, _, apart, _ = figures.sweep(found).axes
    pgd, dgf = (records.collect(folder).records[k]["accuracy_per_restart"] for k in (2, 8))
    assert accuracy.lines[-1].get_ydata() == pytest.approx([100 * np.mean(dgf)] * 2)
    assert apart.lines[-1].get_ydata() == pytest.approx([100 * (np.mean(dgf) - np.mean(pgd))] * 2)


def test_eps_in_pixel_values_is_written_so(folder):
    runs = [
        {**record, "attack": {**record["attack"], "eps": eps}}
        for record in records.collect(folder).records[:1]
        for eps in (8 / 255, 0.0313, 0.3, 1)
    ]
    rows = tables.cells(records.Collected("t", runs))
    assert [row["eps"] for row in rows] == ["8/255", "0.0313", "0.3", "1"]


def test_the_page_is_one_file_with_links_to_records(folder):
    page.main([str(folder)])
    html = (folder.parent / "index.html").read_text()
    assert 'href="robust_mnist/dgf-cw.json"' in html
    assert "data:image/png;base64," in html
    assert "http" not in html
    assert "Guided Local Attack" in html
    assert "no run on the original weights yet" in html
    assert "86.40" in (folder.parent / "README.md").read_text()


def test_only_runs_on_the_boards_network_are_ranked(folder):
    for path in folder.glob("*.json"):
        change(path, target="madry_mnist/secret", weights="surrogate")
    assert page.entries({folder: records.collect(folder)}) == []
    change(folder / "dgf-xent.json", weights="original", robust_accuracy=[0.8801])
    found = {folder: records.collect(folder)}
    assert page.entries(found) == [
        ("madry_mnist/secret", "DAA-DGF (this project)", pytest.approx(88.01))
    ]
    assert "|    2 | **DAA-DGF (this project)**" in page.markdown(found)
    assert '<tr class="own"><td>2</td>' in page.html(found)


def test_the_page_opens_with_the_main_tables_and_leaves_out_what_is_not_committed():
    names = ["precision", "figure2-x", "quickstart", "table_fmnist", "robust_mnist", "table1-x"]
    order = [folder.name for folder in page.shown([Path(name) for name in names])]
    assert order == ["robust_mnist", "table1-x", "table_fmnist", "figure2-x", "precision"]


def test_committed_tables_and_page_are_those_of_the_records():
    collected = {}
    for folder in page.shown(records.all_folders(Path("results").resolve())):
        collected[folder] = records.collect(folder)
        assert (folder / "table.md").read_text() == tables.markdown(collected[folder])
    assert Path("results/README.md").read_text() == page.markdown(collected)


def test_statistics_equal_known_values():
    low, high = stats.interval(0, 10)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert stats.mcnemar(0, 0) == 1
    assert stats.mcnemar(8, 0) == pytest.approx(2 / 2**8)
    t, p = stats.paired([1.0, 2.0, 3.0], [0.0, 1.5, 1.5])
    assert t == pytest.approx(1.0 / (0.5 / 3**0.5))
    assert 0 < p < 0.1
    t, _ = stats.unpaired([1.0, 2.0], [1.0, 2.0])
    assert t == 0


def test_sweeps_multiply_the_rows(tmp_path):
    path = tmp_path / "s.yaml"
    text = "name: s\ntitle: S\ntarget: digits/cnn\nsweep: {eps: [0.1, 0.2]}\nrows:\n"
    path.write_text(text + "  - {method: pgd}\n  - {method: fgsm}\n", encoding="utf-8")
    experiment = config.load(path)
    names = [row.name for row in experiment.rows]
    assert names == ["pgd-xent-eps0.1", "pgd-xent-eps0.2", "fgsm-xent-eps0.1", "fgsm-xent-eps0.2"]
    assert [results.attack_as_run(row)["eps"] for row in experiment.rows] == [0.1, 0.2, 0.1, 0.2]
    path.write_text(text.replace("eps:", "steps:") + "  - {method: pgd}\n", encoding="utf-8")
    with pytest.raises(InputError, match="sweep: expected eps or c with a list of values"):
        config.load(path)
