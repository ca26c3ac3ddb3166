import json

import pytest

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


def test_the_script_rewrites_all_tables_from_the_records_alone(folder, committed, capsys):
    for name in tables.FILES:
        (folder / name).unlink()
    script.main([str(folder)])
    assert "table.md, table.csv, table.tex" in capsys.readouterr().out
    for name in tables.FILES:
        assert (folder / name).read_text() == (committed / name).read_text()


def test_committed_tables_and_page_are_those_of_the_records(all_committed):
    loaded = page.in_order(map(load, all_committed))
    html = (config.RESULTS / "index.html").read_text()
    assert len(html) < 1_500_000
    for one in loaded:
        assert f'id="{one.folder.name}"' in html
        assert (one.folder / "table.md").read_text() == tables.markdown(one)
        assert (one.folder / "table.tex").read_text() == tables.latex(one)
    text = page.markdown(loaded, config.RESULTS)
    assert (config.RESULTS / "README.md").read_text().startswith(text.rstrip())


def test_an_experiment_with_the_name_of_a_packaged_one_has_all_reports(folder, change):
    mine = folder.rename(folder.with_name("table1"))
    change(mine / config.EXPERIMENT, name="table1", group="", title="Mine")
    for path in mine.glob("*-*.json"):
        change(path, experiment="table1", config="table1", title="Mine")
    text = publish(mine)
    assert "| DAA-DGF " in text
    assert text.endswith("10 records, table.md, table.csv, table.tex, restarts.png")
    assert "arXiv" not in (mine / "table.md").read_text()
    html, _ = page.write([mine], mine)
    assert "<title>Mine: results</title>" in html.read_text()
    assert "The paper's tables" not in html.read_text()


def test_columns_are_in_the_order_of_their_lists_and_a_new_one_is_one_entry(folder, change):
    last = tables.Column("broken", lambda line: str(len(line.record.broken)), "left")
    attack = json.loads((folder / "dgf-cw.json").read_text())["attack"]
    (folder / config.EXPERIMENT).unlink()
    change(folder / "dgf-cw.json", attack={**attack, "eps": 0.1})
    loaded = load(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "NUMBERS", (*tables.NUMBERS, last))
        shown = tables.table(loaded)
        lists = (*tables.NAMES, tables.EPS, *tables.SETTINGS, *tables.NUMBERS)
    header, names = [*shown.columns], [column.name for column in lists]
    assert header == sorted(header, key=names.index)
    assert header[:3] == ["attack", "loss", "eps"] and header[-1] == "broken"
    assert shown.columns["broken"] == "left"
    assert [cells[-1] for cells in shown.cells] == [str(len(r.broken)) for r in loaded.records]


def test_each_daa_has_t_tests(committed):
    loaded = load(committed)
    ttests = tables.tests(loaded)
    assert [*ttests.columns.items()][:2] == [("attack", "left"), ("loss", "left")]
    assert len(ttests.rows) == 4
    assert "DAA is stronger than PGD in 4 of 4 comparisons" in tables.markdown(loaded)


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
    for path in folder.glob("*-*.json"):
        change(path, weights="surrogate", top5_accuracy=0.987)
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


def test_the_certified_bound_is_below_all_attacks():
    *attacks, floor = tables.table(load(config.RESULTS / "provable_mnist")).rows
    assert floor["worst case"] == "94.20"
    clipped = [row for row in attacks if "not clipped" not in row["attack"]]
    assert len(clipped) == 8
    assert all(float(row["worst case"]) >= 94.2 for row in clipped)


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (AttackConfig("pgd"), "PGD"),
        (AttackConfig("rand_fgsm", rand_fgsm="tramer"), "Rand+FGSM (Tramer et al.)"),
        (AttackConfig("blob", formula="paper"), "DAA-BLOB (the paper's formula)"),
        (
            AttackConfig("pgd", clip_range=False, precision="bfloat16"),
            "PGD (not clipped to [0, 1], bfloat16)",
        ),
        (AttackConfig("pgd", targeted="least_likely"), "PGD (targeted: least likely)"),
        (AttackConfig("pgd", clip_start=True), "PGD (start clipped)"),
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


@pytest.mark.parametrize(
    ("p", "text"),
    [(6.497e-114, "7e-114"), (9.5e-5, "0.0001"), (2.4e-7, "3e-07"), (0.04, "0.04"), (1.0, "1")],
)
def test_a_bound_is_rounded_up(p, text):
    assert wording.at_most(p) == text


def test_markdown_is_aligned():
    assert tabular.markdown(["attack", "95 %"], [["PGD_1", "1,000"], ["", "5 %"]]) == [
        "| attack |  95 % |",
        "| ---    |  ---: |",
        "| PGD_1  | 1,000 |",
        "|        |   5 % |",
    ]
