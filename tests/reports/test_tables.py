import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from daa import AttackConfig
from daa.cli import tables as script
from daa.reports import page, tables, tabular, wording
from daa.reports.publish import publish
from daa.reports.results import ResultSet, load
from daa.runs import config
from daa.runs.config import Experiment, Row


def column(of: ResultSet, name: str) -> dict[str, str]:
    runs = [record.run for record in of.records]
    return dict(zip(runs, (row.get(name, "") for row in tables.table(of).rows), strict=False))


def test_committed_tables_are_those_of_the_records(all_committed, tmp_path, capsys):
    folders = [folder for folder in all_committed if folder.name != "quickstart"]
    script.main([*map(str, folders), "--out", str(tmp_path)])
    assert "table.md, table.csv, table.tex" in capsys.readouterr().out
    for folder in folders:
        for name in tables.FILES:
            made, committed = (path / name for path in (tmp_path / folder.name, folder))
            if made.suffix == ".csv":  # the last digits depend on the version of SciPy
                assert_frame_equal(pd.read_csv(made), pd.read_csv(committed), rtol=1e-12)
            else:
                assert made.read_text() == committed.read_text()


def test_an_experiment_with_the_name_of_a_packaged_one_has_all_reports(folder, change):
    mine = folder.rename(folder.with_name("table1"))
    change(mine / config.EXPERIMENT, name="table1", group="", title="Mine")
    change(mine, experiment="table1", config="table1", title="Mine")
    text = publish(mine)
    assert "| DAA-DGF " in text
    assert text.endswith("10 records, table.md, table.csv, table.tex, restarts.png")
    assert "arXiv" not in (mine / "table.md").read_text()
    html, _ = page.write([mine], mine)
    assert "<title>Mine: results</title>" in html.read_text()
    assert "The paper's tables" not in html.read_text()


def test_the_papers_values_are_those_of_the_experiment(folder, change):
    change(folder / "dgf-cw.json", paper_percent=12.0)
    assert "paper" not in tables.table(load(folder)).columns
    rows = [
        Row(name=record.run, attack=record.attack, paper=88.0, paper_top5=98.0)
        for record in load(folder).records
    ]
    target = "locuslab/fast_pgd_mnist"
    experiment = Experiment(name="robust_mnist", title="t", target=target, rows=tuple(rows))
    loaded = load(folder, experiment)
    assert set(column(loaded, "paper").values()) == {"88.00"}
    assert set(column(loaded, "paper top-5").values()) == {"98.00"}
    worst = float(column(loaded, "worst case")["dgf-cw"])
    assert column(loaded, "difference")["dgf-cw"] == f"{worst - 88:+.2f}"
    change(folder, weights="surrogate", top5_accuracy=0.987)
    loaded = load(folder, experiment)
    assert set(column(loaded, "paper").values()) == {"88.00"}
    assert set(column(loaded, "top-5").values()) == {"98.70"}
    assert "difference" not in tables.table(loaded).columns


def test_the_source_names_all_seeds_and_devices(folder, change):
    assert ", seed 0, CPU AMD EPYC, 2 cores." in tables.markdown(load(folder))
    assert "seed" not in tables.table(load(folder)).columns
    change(folder / "dgf-cw.json", seed=3, device="CPU AMD EPYC, 2 cores and GPU X")
    change(folder / "pgd-cw.json", gradients_after=[5.0] * 9 + [150.0])
    text = tables.markdown(load(folder))
    assert ", seeds 0, 3, CPU AMD EPYC, 2 cores and GPU X." in text
    seeds = column(load(folder), "seed")
    assert (seeds["dgf-cw"], seeds["pgd-cw"]) == ("3", "0")
    first = column(load(folder), "first run")  # the units of a plan are not restarts
    assert (first["pgd-cw"], first["pgd-xent"]) == ("", "90.30")


def test_a_missing_row_is_marked(folder):
    (folder / "pgd-xent.json").unlink()
    loaded = load(folder)
    cells = [row["worst case"] for row in tables.table(loaded).rows]
    assert cells.count("missing") == 1
    assert "missing" in tables.markdown(loaded) and "missing" in tables.latex(loaded)
    assert len(loaded.frame()) == 9


def test_merged_runs_count_every_broken_image_once(committed):
    loaded = load(committed)
    experiment = loaded.experiment.model_copy(update={"merged_paper": 88.56})
    last = tables.table(ResultSet(loaded.records, experiment=experiment)).rows[-1]
    broken = set().union(*(record.broken for record in loaded.records))
    assert last["worst case"] == f"{100 - len(broken) / 100:.2f}"
    assert last["difference"] == f"{100 - len(broken) / 100 - 88.56:+.2f}"
    assert (last["attack"], last["paper"]) == ("all runs merged", "88.56")
    assert last["restarts"] == str(sum(record.restarts for record in loaded.records))


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (AttackConfig("pgd"), "PGD"),
        (AttackConfig("rand_fgsm", rand_fgsm="tramer"), "Rand+FGSM (Tramer et al.)"),
        (AttackConfig("blob", formula="paper"), "DAA-BLOB (the paper's formula)"),
        (AttackConfig("pgd", clip_range=False), "PGD (not clipped to [0, 1])"),
        (
            AttackConfig("pgd", clip_start=True, precision="bfloat16"),
            "PGD (bfloat16, start clipped)",
        ),
        (AttackConfig("pgd", targeted="least_likely"), "PGD (targeted: least likely)"),
        (AttackConfig("dgf", formula="pytorch"), "DAA-DGF (the PyTorch script's formula)"),
        (AttackConfig("dgf", shuffle="never"), "DAA-DGF (never shuffled)"),
    ],
)
def test_a_label_names_the_options_that_change_the_attack(attack, expected):
    assert wording.label(attack) == expected


@pytest.mark.parametrize(
    ("eps", "text"),
    [(0.3, "0.3"), (8 / 255, "8/255"), (0.123456, "0.1235"), (1, "1"), (51 / 255, "0.2")],
)
def test_a_radius_is_in_pixel_values_only_if_it_is_one(eps, text):
    assert wording.radius(eps) == text


def test_markdown_is_aligned():
    assert tabular.markdown(["attack", "95 %"], [["PGD_1", "1,000"], ["", "5 %"]]) == [
        "| attack |  95 % |",
        "| ---    |  ---: |",
        "| PGD_1  | 1,000 |",
        "|        |   5 % |",
    ]
