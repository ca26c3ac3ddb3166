"""The report while the rounds go on."""

import csv
import os
from dataclasses import replace

import pytest

from daa.attacks.attack import Attack
from daa.paper import plan
from daa.paper import reproduce as whole


@pytest.fixture
def work(task, monkeypatch):
    """A config on the tests' digits in the place of Table 1."""
    found = task("one", 2)
    found = replace(found, entry=found.entry.model_copy(update={"config": "table1"}))
    monkeypatch.setattr(plan, "tasks", lambda options, say: [found])
    return found


def stopped_at(unit: int, monkeypatch) -> None:
    """Interrupts the run as a unit begins."""
    begun, call = [], Attack.__call__

    def counted(self, *args, **given):
        begun.append(self)
        # The first three runs time a step.
        if len([one for one in begun if one.config.steps == 4]) == unit:
            raise KeyboardInterrupt
        return call(self, *args, **given)

    monkeypatch.setattr(Attack, "__call__", counted)


def restarts(out) -> dict[str, str]:
    rows = list(csv.DictReader((out / "report.csv").open()))
    return {row["run"]: row["restarts"] for row in rows if row["kind"] == "worst"}


@pytest.mark.parametrize(("unit", "blob", "pgd"), [(1, "0", "0"), (2, "0", "1")])
def test_an_interrupt_in_the_first_round_leaves_a_report(
    unit, blob, pgd, work, options, monkeypatch
):
    """A round of one network may take half a day; the page does not wait for its end."""
    monkeypatch.setattr(whole, "_REPORTED_EVERY", 0)
    stopped_at(unit, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        whole.reproduce(options, say=lambda text: None)
    found = restarts(options.out)
    assert (found["blob-xent"], found["pgd-xent"]) == (blob, pgd)


def test_the_page_is_not_written_after_every_cell(work, options, monkeypatch):
    monkeypatch.setattr(whole, "_REPORTED_EVERY", 1e6)
    stopped_at(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        whole.reproduce(options, say=lambda text: None)
    assert restarts(options.out)["pgd-xent"] == "0"


def test_what_a_kill_left_without_table_or_figure_gets_them(work, options):
    assert whole.reproduce(options, say=lambda text: None)
    table = work.folder(options.out) / "table.md"
    before = table.read_text()
    table.write_text("of an earlier round")
    os.utime(table, (0, 0))
    assert whole.reproduce(options, hours=0, say=lambda text: None)
    assert table.read_text() == before
    # What is finished is left alone.
    table.write_text("newer than its records")
    assert whole.reproduce(options, hours=0, say=lambda text: None)
    assert table.read_text() == "newer than its records"


def test_a_figure_says_how_many_restarts_it_shows(work, options):
    whole.reproduce(options, say=lambda text: None)
    (work.folder(options.out) / "eps.png").touch()
    whole.reproduce(options, hours=0, say=lambda text: None)
    line = "one (eps.png, of 2 restarts):\n\n![one (eps.png, of 2 restarts)](one/eps.png)\n"
    assert line in (options.out / "report.md").read_text()
    html = (options.out / "index.html").read_text()
    assert '<figcaption class="note">one (eps.png, of 2 restarts)</figcaption>' in html
