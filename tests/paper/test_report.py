"""The report as a reader gets it."""

import csv
import html
import io
import json
import re
import shutil

import pytest

from daa.leaderboard import boards
from daa.paper import claims as numbers
from daa.paper import paragraph, report
from daa.paper.networks import Known
from daa.paper.plan import Task
from daa.runs.records import write_json


def table1(**changes) -> Task:
    """Table 1 with ten restarts."""
    (entry,) = (entry for entry in numbers.entries() if entry.config == "table1")
    experiment = numbers.load("table1").model_copy(update={"restarts": 10})
    return Task(entry, experiment, experiment, **changes)


@pytest.fixture
def out(tmp_path, committed):
    """Committed records in the place of Table 1's, as if they were on its own network."""
    experiment = table1().experiment
    shutil.copytree(committed, tmp_path / experiment.name)
    for path in (tmp_path / experiment.name).glob("*.json"):
        record = json.loads(path.read_text())
        record |= {"target": experiment.target, "weights": "original", "weights_sha256": "ab" * 32}
        write_json(path, record)
    keep_known(tmp_path)
    return tmp_path


def keep_known(out, **changes):
    target = table1().experiment.target
    known = Known(
        target=target,
        weights="original",
        weights_sha256="ab" * 32,
        data="mnist/test",
        data_sha256="cd" * 32,
        images=10_000,
        clean=98.5,
        published=98.53,
        file="the published file",
        misses=(),
        ms_per_image=0.3,
        particles=200,
        precision="float32",
        device="CPU",
    ).model_copy(update=changes)
    path = out / "networks" / f"{target.replace('/', '-')}.json"
    write_json(path, known.model_dump(mode="json"))


def test_a_row_for_each_printed_number_in_every_form(out):
    work = [table1(), missing()]
    paths = report.write(report.make(work, out), out)
    assert [path.name for path in paths] == ["index.html", "report.md", "report.csv"]
    printed = [n for n in numbers.printed() if n.config in ("table1", "table_imagenet")]
    rows = list(csv.DictReader(io.StringIO(paths[2].read_text())))
    assert len(rows) == len(printed) == paths[0].read_text().count("<tr><td") - 1
    blob = next(r for r in rows if (r["run"], r["kind"]) == ("blob-xent", "worst"))
    assert (blob["paper"], blob["here"], blob["word"]) == ("88.79", "86.43", "stronger here")
    assert (blob["weights_sha256"], blob["restarts"], blob["paper_restarts"]) == (
        "ab" * 32,
        "10",
        "10",
    )
    assert len(blob["data_sha256"]) == 64
    assert blob["only_daa"] == "189"
    absent = [row for row in rows if row["config"] == "table_imagenet"]
    assert {row["word"] for row in absent} == {"not run"}
    assert {row["why"] for row in absent} == {"no weights of it"}
    text = paths[1].read_text()
    assert "original abababab" in text
    assert re.search(r"\| +86\.43 \| +85\.74 to 87\.10 \| +10,000 \| +10 of 10 \|", text)
    assert "Not run: table_imagenet: no weights of it." in text
    for said in paragraph.LEGEND:
        assert said in text
        assert html.escape(said, quote=True).replace("&#x27;", "&#39;") in paths[0].read_text()


def missing() -> Task:
    (entry,) = (entry for entry in numbers.entries() if entry.config == "table_imagenet")
    experiment = numbers.load("table_imagenet")
    return Task(entry, experiment, experiment, missing="no weights of it")


def test_the_paragraph_counts_what_the_rows_say(out):
    found = report.make([table1(), missing()], out)
    kinds = [(line.verdict.number.kind, line.verdict.word) for line in found.lines]
    words = [word for kind, word in kinds if kind not in (*numbers.TESTS, *numbers.ORDERS)]
    # Some of the paper's numbers are not quoted as if they were all.
    start = (
        f"Of {len(words)} accuracies and counts that the two versions of the paper print on mnist"
    )
    assert found.summary.startswith(f"{start}, imagenet, ")
    assert f"{words.count('stronger here')} with a stronger attack here" in found.summary
    assert f"{words.count('not run')} not run." in found.summary
    # A t that is larger than 0 reproduces no number.
    assert " Of 6 values of their t-tests, 6 of the same sign." in found.summary
    assert " Of 4 orders of attacks on the paper's networks, 4 reproduced." in found.summary
    # What can't be run is not said to be left.
    assert "100 of 100 restarts are done, of the runs asked for that were or can be made here." in (
        found.summary
    )
    assert f"{table1().experiment.target} abababab" in found.summary


def test_what_was_run_stays_when_its_data_or_weights_are_away(out):
    """A folder of data that was not named takes nothing out of the report."""
    there, away = report.make([table1()], out), report.make([table1(missing="no data")], out)
    assert [line.verdict for line in away.lines] == [line.verdict for line in there.lines]
    assert (away.networks, away.summary, away.remarks) == (there.networks, there.summary, ())
    (out / table1().experiment.name / "dgf-cw.json").unlink()
    some = report.make([table1(missing="no data")], out)
    assert some.remarks == ("Not finished: table1: no data.",)
    assert "90 of 100 restarts are done" in some.summary
    worst = [line.verdict for line in some.lines if line.verdict.number.kind == "worst"]
    assert [verdict.why for verdict in worst if verdict.word == "not run"] == ["no data"]
    assert len(worst) == 10


def test_orders_on_stand_ins_are_counted_apart(out):
    (entry,) = (entry for entry in numbers.entries() if entry.config == "table1")
    config = numbers.load("table1")
    target = entry.stand_in.target
    elsewhere = config.model_copy(update={"target": target, "restarts": 10})
    found = report.make([Task(entry, elsewhere, config), missing()], out)
    assert "Of 4 orders of attacks on networks that stand in, 4 reproduced." in found.summary
    assert f"{target} stood in for networks whose weights are missing" in found.summary
    assert "on the paper's networks" not in found.summary
    restarts = {line.verdict.number.kind: line.verdict for line in found.lines}
    assert (restarts["order"].restarts, restarts["order"].of) == (10, 50)
    shutil.rmtree(out / elsewhere.name)
    nothing = Task(entry, elsewhere, config, missing="no data set mnist")
    assert "stood in" not in report.make([nothing], out).summary


def test_a_stranger_gets_no_verdict_and_is_named_on_top(out):
    keep_known(out, misses=("clean accuracy: expected 98.53, got 97.00",))
    found = report.make([table1()], out)
    assert {line.verdict.word for line in found.lines} == {"no verdict"}
    assert "is not the paper's network: clean accuracy: expected 98.53" in found.remarks[0]
    assert found.remarks[0] in report.markdown(found)
    assert f"{table1().experiment.target} failed the checks, so nothing is" in found.summary


@pytest.mark.parametrize("right", [9252, 9180])
def test_the_leaderboards_pgd_shows_a_stranger(right, out):
    (entry,) = (e for e in numbers.entries() if e.config == "leaderboard_mnist")
    board = Task(entry, numbers.load("leaderboard_mnist"), numbers.load("leaderboard_mnist"))
    assert boards.value(board.experiment.target, entry.board) == 92.52
    record = json.loads((out / "table1" / "pgd-xent.json").read_text())
    attack = board.experiment.rows[0].attack.settings()
    changed = {"experiment": "leaderboard_mnist", "attack": attack, "config": "leaderboard_mnist"}
    changed |= {"broken": list(range(10_000 - right)), "robust_accuracy": [right / 10_000]}
    changed |= {"restarts": 1, "accuracy_per_restart": [right / 10_000]}
    write_json(out / "leaderboard_mnist" / "pgd-xent.json", record | changed)
    found = report.make([board, table1()], out)
    words = {line.verdict.word for line in found.lines}
    if right == 9252:
        assert "no verdict" not in words
    else:
        assert words == {"no verdict"}
        assert "expected 92.52 as on the leaderboard, got 91.80" in found.remarks[0]


def test_nothing_has_been_run_yet(tmp_path):
    report.write(report.make([table1()], tmp_path), tmp_path)
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    assert {row["why"] for row in rows} == {"its turn has not come"}
    assert {row["restarts"] for row in rows} == {"0"}
