import csv
import json
import re
import shutil

import pytest

from daa.leaderboard import boards
from daa.paper import claims, networks, report
from daa.paper.plan import Task
from daa.runs import config
from daa.runs.records import write_json

TARGET = "madry_mnist/secret"


def task_of(name: str, target: str | None = None, **changes) -> Task:
    """The task of a config, with at most ten restarts."""
    entry = next(entry for entry in claims.entries() if entry.config == name)
    original = claims.load(name)
    original = original.model_copy(update={"restarts": min(10, original.restarts)})
    experiment = original.model_copy(update={"target": target or original.target})
    return Task(entry, experiment, original, **changes)


MISSING = task_of("table_imagenet", missing_weights="no weights of it")


@pytest.fixture
def out(tmp_path, committed, change):
    """Committed records as the records of Table 1 on its original network."""
    shutil.copytree(committed, tmp_path / "table1")
    check = networks.path_of(tmp_path, TARGET)
    check.parent.mkdir()
    shutil.copy(config.RESULTS / "paper_surrogates/networks/madry_mnist-surrogate.json", check)
    for path in (check, tmp_path / "table1"):
        change(path, target=TARGET, weights="original", weights_sha256="ab" * 32)
    return tmp_path


def test_each_format_has_a_row_for_each_printed_number(out):
    report.write([task_of("table1"), MISSING], out)
    page = out / "index.html"
    printed = [c for c in claims.claims() if c.config in ("table1", "table_imagenet")]
    rows = list(csv.DictReader((out / "report.csv").open()))
    assert len(rows) == len(printed) == page.read_text().count("<tr><td") - 1
    blob = next(r for r in rows if (r["run"], r["kind"]) == ("blob-xent", "worst"))
    assert (blob["paper"], blob["here"], blob["word"]) == ("88.79", "86.43", "stronger here")
    assert (blob["restarts"], blob["paper_restarts"], blob["only_daa"]) == ("10", "10", "189")
    assert (blob["weights_sha256"], len(blob["data_sha256"])) == ("ab" * 32, 64)
    absent = [row for row in rows if row["config"] == "table_imagenet"]
    assert {(row["word"], row["why"]) for row in absent} == {("not run", "no weights of it")}
    text = (out / "report.md").read_text()
    assert "original abababab" in text
    assert re.search(r"\| +86\.43 \| +86\.21 to 86\.65 \| +10,000 \| +10 of 10 \|", text)
    assert "Not run: table_imagenet: no weights of it." in text
    for paragraphs in (text, page.read_text()):
        assert "The paper does not define Rand+FGSM; here it is one step" in paragraphs
    report.check_folder(out)


def test_the_summary_counts_the_verdicts(out):
    made = report.make([task_of("table1"), MISSING], out)
    kinds = (*claims.TESTS, *claims.ORDERS)
    words = [verdict.word for verdict in made.verdicts if verdict.claim.kind not in kinds]
    compared, orders = len(words) - words.count("not run"), "1 reproduced, 3 with the same order"
    for text in (
        f"The paper prints {len(words)} accuracies for mnist, imagenet. {compared} could be com",
        f"{words.count('stronger here')} with a stronger attack here",
        "The others could not be compared yet: the original weights are missing for 6.",
        "It prints 6 values of t-tests. 6 could be compared: 6 with the same sign.",
        f"measured on the paper's networks: 4. 4 could be compared: {orders} but",
        # Experiments that cannot run are not counted as left.
        "100 of 100 restarts are finished",
    ):
        assert text in made.summary


def test_the_summary_says_why_numbers_could_not_be_compared(out):
    target = task_of("table1").entry.substitute.target
    summary = report.make([task_of("table1", target), MISSING], out).summary
    assert summary.startswith(
        "The paper prints 18 accuracies for mnist, imagenet. None could be compared yet: "
        "a substitute network was attacked for 12, and the original weights are missing for 6. "
    )
    assert "measured on substitute networks: 4. 4 could be compared: 1 reproduced" in summary
    assert f"The substitute networks are {target}." in summary
    assert "on the paper's networks" not in summary
    shutil.rmtree(out / "table1")
    lost = task_of("table1", target, missing_data="no data set mnist")
    summary = report.make([lost], out).summary
    assert "None could be compared yet: the data sets are missing for 12." in summary
    assert "The substitute networks" not in summary
    summary = report.make([task_of("table1")], out).summary
    assert "compared yet: no run has started for 12." in summary


def test_results_stay_when_their_data_are_missing(out):
    tasks = task_of("table1"), task_of("table1", missing_data="no data")
    before, after = (report.make([task], out) for task in tasks)
    assert [verdict.word for verdict in after.verdicts].count("not run") == 0
    assert (after.networks, after.summary, after.remarks) == (before.networks, before.summary, ())
    (out / "table1" / "dgf-cw.json").unlink()
    partial = report.make([tasks[1]], out)
    assert partial.remarks == ("Not finished: table1: no data.",)
    assert "90 of 100 restarts are finished" in partial.summary
    worst = [verdict for verdict in partial.verdicts if verdict.claim.kind == "worst"]
    assert [verdict.reason for verdict in worst if verdict.word == "not run"] == ["no data"]


def test_a_network_that_failed_a_check_is_named_and_gets_no_verdict(out, change):
    change(networks.path_of(out, TARGET), misses=["clean accuracy: expected 98.53, got 97.00"])
    made = report.write([task_of("table1")], out)
    assert {verdict.word for verdict in made.verdicts} == {"no verdict"}
    assert "is not the paper's network: clean accuracy: expected 98.53" in made.remarks[0]
    assert made.remarks[0] in (out / "report.md").read_text()
    assert f"{TARGET} failed the checks" in made.summary
    assert "a network that failed the checks was attacked for 12" in made.summary


@pytest.mark.parametrize("correct", [9252, 9180])
def test_the_leaderboards_pgd_reveals_another_network(correct, out):
    board = task_of("leaderboard_mnist")
    assert boards.value(board.experiment.target, board.entry.board) == 92.52
    record = json.loads((out / "table1" / "pgd-xent.json").read_text())
    record |= {"experiment": "leaderboard_mnist", "config": "leaderboard_mnist", "restarts": 1}
    record |= {"attack": board.experiment.rows[0].attack.settings()}
    record |= {"broken": list(range(10_000 - correct))}
    record |= {"robust_accuracy": [correct / 10_000], "accuracy_per_restart": [correct / 10_000]}
    write_json(out / "leaderboard_mnist" / "pgd-xent.json", record)
    made = report.make([board, task_of("table1")], out)
    words = {verdict.word for verdict in made.verdicts}
    assert ("no verdict" in words, len(words) == 1) == (correct == 9180, correct == 9180)
    if correct == 9180:
        assert "expected 92.52 as on the leaderboard, got 91.80" in made.remarks[0]


def test_a_figure_names_its_restarts(out):
    (out / "table1" / "restarts.png").touch()
    made = report.write([task_of("table1")], out)
    title = "Table 1: MNIST, eps 0.3, 200 steps (restarts.png, 10 restarts)"
    assert made.figures == {title: "table1/restarts.png"}
    text = f"{title}:\n\n![{title}](table1/restarts.png)\n"
    assert text in (out / "report.md").read_text()
    assert f'alt="{title}" src="table1/restarts.png"' in (out / "index.html").read_text()
