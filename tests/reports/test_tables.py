import csv
import io
import json
import subprocess
import sys

import pytest

from daa import AttackConfig, InputError
from daa.cli import tables as script
from daa.reports import page, stats, tables, tabular, tidy, wording
from daa.reports.comparisons import compare
from daa.reports.results import Collected, collect
from daa.runs import config
from daa.runs.config import Experiment, Row


def column(found: Collected, name: str) -> dict[str, str]:
    runs = [record.run for record in found.records]
    return dict(zip(runs, (row.get(name, "") for row in tables.table(found).rows), strict=False))


def with_eps(found: Collected, *values: float) -> Collected:
    """Each record once for each radius."""
    runs = [
        record.model_copy(update={"attack": record.attack.replace(eps=eps)})
        for record in found.records
        for eps in values
    ]
    return Collected("t", tuple(runs), sweep="eps")


def test_the_script_rebuilds_all_tables_from_the_records_alone(folder, committed, capsys):
    for path in folder.glob("table.*"):
        path.unlink()
    script.main([str(folder)])
    assert "table.md, table.csv, table.tex" in capsys.readouterr().out
    for name in ("table.md", "table.csv", "table.tex"):
        assert (folder / name).read_text() == (committed / name).read_text()


def test_committed_tables_and_page_are_those_of_the_records():
    results = {
        folder: collect(folder)
        for folder in page.shown({path.parent for path in config.RESULTS.glob("*/*.json")})
    }
    for folder, found in results.items():
        assert (folder / "table.md").read_text() == tables.markdown(found)
        assert (folder / "table.tex").read_text() == tables.latex(found)
        assert (folder / "table.csv").read_text() == tidy.text(found)
    assert (config.RESULTS / "README.md").read_text() == page.markdown(results)


def test_the_order_of_columns_is_that_of_their_lists(committed):
    names = [column.name for column in (*tables.NAMES, tables.EPS, *tables.SETTINGS)]
    names += [column.name for column in tables.NUMBERS]
    header = tables.table(with_eps(collect(committed), 0.1, 0.3)).header
    assert header == sorted(header, key=names.index)
    assert header[:3] == ["attack", "loss", "eps"]


def test_a_column_is_one_row(committed, monkeypatch):
    last = tables.Column("broken", lambda line: str(len(line.record.broken)), "left")
    monkeypatch.setattr(tables, "NUMBERS", (*tables.NUMBERS, last))
    found = collect(committed)
    shown = tables.table(found)
    assert (shown.header[-1], shown.align[-1]) == ("broken", "left")
    assert [cells[-1] for cells in shown.cells] == [str(len(r.broken)) for r in found.records]


def test_daa_is_tested_against_pgd_of_the_same_loss(folder):
    read = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    dgf, pgd = (set(read[name]["broken"]) for name in ("dgf-cw", "pgd-cw"))
    expected = stats.mcnemar(len(dgf - pgd), len(pgd - dgf))
    found = collect(folder)
    p = column(found, "p McNemar")
    assert float(p["dgf-cw"]) == pytest.approx(expected, rel=0.05)
    assert p["pgd-cw"] == p["momentum-xent"] == ""
    tests = tables.tests(found)
    assert tests.header[:2] == ["attack", "loss"]
    assert len(tests.rows) == 4
    assert "DAA is stronger than PGD in 4 of 4 comparisons" in tables.markdown(found)


def with_papers_values(found: Collected, **values: float) -> Experiment:
    """The experiment of some records, with values of the paper in all rows."""
    rows = tuple(Row(name=r.run, attack=r.attack, **values) for r in found.records)
    return Experiment(name="robust_mnist", title="t", target="locuslab/fast_pgd_mnist", rows=rows)


def test_what_the_paper_says_is_taken_from_the_config(folder, change):
    change(folder / "dgf-cw.json", paper_percent=12.0)
    assert "paper" not in tables.table(collect(folder)).header
    found = collect(folder, with_papers_values(collect(folder), paper=88.0))
    assert set(column(found, "paper").values()) == {"88.00"}


def test_the_accuracy_after_a_unit_of_a_plan_is_no_first_run(folder, change):
    change(folder / "pgd-cw.json", gradients_after=[5.0] * 9 + [150.0])
    first = column(collect(folder), "first run")
    assert (first["pgd-cw"], first["pgd-xent"]) == ("", "90.30")


def test_the_source_names_all_seeds_and_devices(folder, change):
    assert ", seed 0, CPU AMD EPYC, 2 cores." in tables.markdown(collect(folder))
    assert "seed" not in tables.table(collect(folder)).header
    change(folder / "dgf-cw.json", seed=3, device="CPU AMD EPYC, 2 cores and GPU X")
    text = tables.markdown(collect(folder))
    assert ", seeds 0, 3, CPU AMD EPYC, 2 cores and GPU X." in text
    seeds = column(collect(folder), "seed")
    assert (seeds["dgf-cw"], seeds["pgd-cw"]) == ("3", "0")


def test_a_missing_row_says_so(folder):
    (folder / "pgd-xent.json").unlink()
    found = collect(folder)
    rows = tables.table(found).rows
    assert [row["worst case"] for row in rows].count("missing") == 1
    assert "missing" in tables.markdown(found)
    assert "missing" in tables.latex(found)
    assert len(tidy.text(found).splitlines()) == 1 + 9


def test_surrogates_show_the_papers_value_without_a_difference(folder, change):
    experiment = with_papers_values(collect(folder), paper=88.0)
    assert "difference" in tables.table(collect(folder, experiment)).header
    for path in folder.glob("*.json"):
        change(path, weights="surrogate")
    found = collect(folder, experiment)
    assert set(column(found, "paper").values()) == {"88.00"}
    assert "difference" not in tables.table(found).header


def test_top5_accuracies_have_columns_of_their_own(folder, change):
    change(folder / "dgf-cw.json", top5_accuracy=0.987)
    found = collect(folder, with_papers_values(collect(folder), paper_top5=98.0))
    assert column(found, "top-5")["dgf-cw"] == "98.70"
    assert column(found, "paper top-5")["dgf-cw"] == "98.00"
    assert column(found, "top-5")["pgd-cw"] == ""


def test_merged_runs_count_every_broken_image_once(committed):
    runs = collect(committed).records
    last = tables.table(Collected("t", runs, merged_paper=88.56)).rows[-1]
    broken = set().union(*(record.broken for record in runs))
    assert last["worst case"] == f"{100 - len(broken) / 100:.2f}"
    assert last["paper"] == "88.56"


def test_the_certified_bound_stands_below_the_attacks():
    *attacks, floor = tables.table(collect(config.RESULTS / "provable_mnist")).rows
    assert floor["worst case"] == "94.20"
    clipped = [row for row in attacks if "not clipped" not in row["attack"]]
    assert len(clipped) == 8
    assert all(float(row["worst case"]) >= 94.2 for row in clipped)


def test_every_cell_of_a_summary_has_a_column(committed):
    shown = tables.table(Collected("t", collect(committed).records, (), None, 88.0, 80.0))
    for row in shown.rows:
        assert {name for name, text in row.items() if text} <= set(shown.header)


def test_a_radius_in_pixel_values_is_written_so():
    assert [wording.radius(eps) for eps in (8 / 255, 0.0313, 0.3, 1)] == [
        "8/255",
        "0.0313",
        "0.3",
        "1",
    ]


def test_settings_have_columns_where_runs_of_one_method_differ():
    attacks = [AttackConfig("blob", c=1.0), AttackConfig("blob", c=2), AttackConfig("pgd")]
    (c,) = tables.varied(attacks)
    assert [c.value(attack) for attack in attacks] == ["1", "2", ""]
    assert tables.varied([AttackConfig("blob"), AttackConfig("dgf", batch_size=100)]) == []
    shuffles = [AttackConfig("blob", shuffle="never"), AttackConfig("blob")]
    (shuffle,) = tables.varied(shuffles)
    assert [shuffle.value(attack) for attack in shuffles] == ["never", "10"]
    starts = [AttackConfig("pgd", random_start=start) for start in (True, False)]
    (start,) = tables.varied([*starts, AttackConfig("fgsm")])
    assert [start.value(a) for a in (*starts, AttackConfig("fgsm"))] == ["yes", "no", ""]


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (AttackConfig("pgd"), "PGD"),
        (AttackConfig("rand_fgsm", rand_fgsm="tramer"), "Rand+FGSM (Tramer et al.)"),
        (AttackConfig("blob", formula="paper"), "DAA-BLOB (the paper's formula)"),
        (
            AttackConfig("pgd", clip_range=False, precision="bfloat16", targeted="least_likely"),
            "PGD (targeted: least likely, not clipped to [0, 1], bfloat16)",
        ),
        (AttackConfig("pgd", clip_start=True), "PGD (start clipped)"),
        (
            AttackConfig("dgf", formula="pytorch", shuffle="never"),
            "DAA-DGF (the PyTorch script's formula, never shuffled)",
        ),
    ],
)
def test_a_label_names_what_changes_the_attack(attack, expected):
    assert wording.label(attack) == expected


def test_markdown_lines_up_and_latex_is_escaped():
    rows = [["PGD_1", "1,000"], ["", "5 %"]]
    assert tabular.markdown(["attack", "95 %"], rows) == [
        "| attack |  95 % |",
        "| ---    |  ---: |",
        "| PGD_1  | 1,000 |",
        "|        |   5 % |",
    ]
    assert tabular.latex(["attack", "95 %"], rows, ["left", "right"]) == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"attack & 95 \% \\",
        r"\midrule",
        r"PGD\_1 & 1,000 \\",
        r" & 5 \% \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_the_tidy_table_has_plain_numbers_in_columns_of_their_own(committed):
    found = collect(committed)
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(tidy.text(found)))}
    assert list(rows) == [record.run for record in found.records]
    record = json.loads((committed / "dgf-cw.json").read_text())
    row = rows["dgf-cw"]
    names = ("target", "weights", "method", "loss", "device")
    assert [row[name] for name in names] == [
        record["target"],
        record["weights"],
        "dgf",
        "cw",
        record["device"],
    ]
    numbers = ("seed", "images", "restarts", "clean_accuracy", "gradients_per_image", "seconds")
    assert all(float(row[name]) == record[name] for name in numbers)
    assert float(row["eps"]) == record["attack"]["eps"]
    assert float(row["robust_accuracy"]) == record["robust_accuracy"][-1]
    assert float(row["first_accuracy"]) == record["robust_accuracy"][0]
    low, high = stats.interval(10_000 - len(record["broken"]), 10_000)
    assert (float(row["robust_accuracy_low"]), float(row["robust_accuracy_high"])) == (low, high)
    comparison = compare(found.records)[list(rows).index("dgf-cw")]
    assert row["pgd_run"] == "pgd-cw"
    assert float(row["p_mcnemar"]) == comparison.p
    assert float(row["p_paired"]) == comparison.paired.p
    assert (row["random_start"], row["decay"], row["paper_accuracy"]) == ("true", "", "")
    assert rows["pgd-cw"]["p_mcnemar"] == rows["pgd-cw"]["c"] == ""


def test_the_papers_percentages_are_shares_in_the_tidy_table(folder, change):
    found = collect(folder, with_papers_values(collect(folder), paper=88.79))
    rows = {r["run"]: r for r in csv.DictReader(io.StringIO(tidy.text(found)))}
    assert rows["dgf-cw"]["paper_accuracy"] == "0.8879"


@pytest.mark.parametrize("module", ["tables", "page", "figures", "schema", "config", "boards"])
def test_reports_load_no_tensorflow(module):
    code = f"import sys, daa.experiments.{module}; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_title_cannot_leave_the_comment_of_the_latex_file(folder, change):
    for path in folder.glob("*.json"):
        change(path, title="Title\n\\input{secret}")
    with (
        pytest.warns(UserWarning, match=r"title: expected one line of printable characters, got"),
        pytest.raises(InputError, match="expected result records, got none"),
    ):
        tables.latex(collect(folder))
