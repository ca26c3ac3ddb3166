"""What is called reproduced, and what is not."""

import re
from dataclasses import replace

import pytest

from daa.paper import claims as numbers
from daa.paper.accuracies import Accuracy
from daa.paper.claims import Entry, Number, StandIn
from daa.paper.plan import Task
from daa.paper.verdicts import verdicts
from daa.reports.results import Collected, collect

IMAGES = 10_000


@pytest.fixture
def work() -> Task:
    """Table 1 with the ten restarts that the committed records have, as if on its own network."""
    experiment = numbers.load("table1")
    ten = experiment.model_copy(update={"restarts": 10})
    return Task(Entry(config="table1", part="mnist", source="Table 1", images=IMAGES), ten, ten)


@pytest.fixture
def found(committed) -> Collected:
    """Records of ten restarts: PGD 88.24, DAA-BLOB 86.43 with cross-entropy."""
    return collect(committed)


def judged(number, work, found, strangers=None):
    (verdict,) = verdicts([number], [work], {"table1": found}, strangers or {})
    return verdict


def on_stand_in(work):
    """Table 1 on another network, with as many images and restarts as the committed records."""
    target = "locuslab/fast_pgd_mnist"
    instead = StandIn(target=target, images=10_000, restarts=10)
    entry = work.entry.model_copy(update={"stand_in": instead})
    elsewhere = work.experiment.model_copy(update={"target": target})
    return replace(work, entry=entry, experiment=elsewhere)


def worst(value, run="pgd-xent"):
    return Number("table1", run, "worst", f"{value}", "Table 1", value)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (88.24, "reproduced"),
        (87.60, "reproduced"),  # the interval is 87.59 to 88.87
        (87.50, "weaker here"),
        (88.90, "stronger here"),
    ],
)
def test_the_interval_decides(value, word, work, found):
    verdict = judged(worst(value), work, found)
    assert (verdict.word, verdict.here) == (word, "88.24")
    assert 87.5 < verdict.low < 87.6 < 88.8 < verdict.high < 88.9
    assert (verdict.restarts, verdict.of) == (10, 10)


def test_missing_restarts_leave_all_open_but_what_they_can_only_confirm(work, found):
    fifty = replace(work, config=work.config.model_copy(update={"restarts": 50}))
    for value, word in [(88.24, "undecided yet"), (80.0, "undecided yet"), (90.0, "stronger here")]:
        verdict = judged(worst(value), fifty, found)
        assert (verdict.word, verdict.restarts, verdict.of) == (word, 10, 50)


def test_a_single_run_may_lie_within_the_spread():
    narrow = Accuracy(value=90.0, low=89.9, high=90.1, least=89.0, most=91.0)
    assert narrow.judge(90.8, complete=True)[0] == "reproduced"
    assert "spread" in narrow.judge(90.8, complete=True)[1]
    assert narrow.judge(91.1, complete=True)[0] == "stronger here"
    assert narrow.judge(88.9, complete=True)[0] == "weaker here"


def test_single_runs_are_their_mean(work, found):
    record = next(r for r in found.records if r.run == "blob-xent")
    mean = 100 * sum(record.accuracy_per_restart) / 10
    verdict = judged(Number("table1", "blob-xent", "single", "88", "text", 88.0), work, found)
    assert verdict.here == f"{mean:.2f}"
    assert verdict.here != f"{100 * record.accuracy_per_restart[0]:.2f}"


@pytest.mark.parametrize(
    ("run", "value", "word"),
    [("blob-xent", -1, "reproduced"), ("blob-xent", 1, "opposite here")],
)
def test_orders_are_tested_on_pairs_of_images(run, value, word, work, found):
    verdict = judged(Number("table1", run, "order", "below PGD", "Table 1", value), work, found)
    assert (verdict.word, verdict.here) == (word, "below PGD")
    assert verdict.why.startswith("only DAA 189, only PGD 8 images, p 1.7e-45")


def test_a_headline_without_an_order_of_its_own_has_the_test_beside_it(work, found):
    number = worst(88.0, "blob-xent")
    assert "only DAA" not in judged(number, work, found).why
    rows = [row.model_copy(update={"paper": None}) for row in work.experiment.rows]
    headline = work.experiment.model_copy(update={"rows": tuple(rows)})
    verdict = judged(number, replace(work, experiment=headline), found)
    assert verdict.why.endswith("; only DAA 189, only PGD 8 images, p 1.7e-45")
    verdict = judged(number, on_stand_in(replace(work, experiment=headline)), found)
    assert verdict.why.startswith("on a stand-in for the paper's network; only DAA 189, only PGD 8")


def test_an_order_without_a_difference_is_no_reproduction(work, found):
    pgd = next(r for r in found.records if r.run == "pgd-xent")
    same = [
        r.model_copy(update={"broken": pgd.broken}) if r.run == "blob-xent" else r
        for r in found.records
    ]
    order = Number("table1", "blob-xent", "order", "below PGD", "Table 1", -1)
    verdict = judged(order, work, replace(found, records=tuple(same)))
    assert (verdict.word, verdict.here) == ("no difference found", "equal to PGD")


def everywhere(work, records):
    """The committed records as a figure of two points: one radius, two losses."""
    number = Number("table1", None, "lowest", "DAA lowest", "Figure 2")
    verdict = judged(number, work, Collected("figure", tuple(records)))
    assert verdict.restarts == 10
    found = re.fullmatch(
        r"means of single runs: lower at (\d), equal at (\d), higher at (\d) points; "
        r"tests on the worst cases: DAA is stronger at (\d), weaker at (\d)",
        verdict.why,
    )
    lower, equal, higher, stronger, weaker = map(int, found.groups())
    assert verdict.here == f"at {lower} of {lower + equal + higher}"
    return verdict.word, (lower, equal, higher), (stronger, weaker)


def as_good_as(records, **others):
    """Records of which some have another one's results: {run: the other run}."""
    run = {record.run.replace("-", "_"): record for record in records}
    same = ("broken", "accuracy_per_restart", "robust_accuracy")
    changed = {
        name: run[name].model_copy(update={key: getattr(run[other], key) for key in same})
        for name, other in others.items()
    }
    return [*(run | changed).values()]


def test_where_daa_lies_lowest_is_tested_at_each_point(work, found):
    assert everywhere(work, found.records) == ("reproduced", (2, 0, 0), (2, 0))
    # The lowest DAA counts.
    one = as_good_as(found.records, blob_cw="momentum_cw")
    assert everywhere(work, one) == ("reproduced", (2, 0, 0), (2, 0))
    both = as_good_as(found.records, blob_cw="momentum_cw", dgf_cw="momentum_cw")
    assert everywhere(work, both) == ("reproduced", (1, 1, 0), (1, 0))
    # A mean that is higher without a difference that the test finds.
    half = {"accuracy_per_restart": (0.5,) * 10}
    lower = [r.model_copy(update=half) if r.run == "momentum-cw" else r for r in both]
    assert everywhere(work, lower) == ("reproduced in part", (1, 0, 1), (1, 0))
    mixed = as_good_as(found.records, momentum_cw="dgf_cw", blob_cw="pgd_cw", dgf_cw="pgd_cw")
    assert everywhere(work, mixed) == ("weaker here", (1, 0, 1), (1, 1))


def test_equal_means_are_equal_however_they_are_rounded(work, found):
    """The mean of 0.561, 0.562 and 0.563 is less than 0.562 in floating-point numbers."""
    runs = {"dgf-cw": (0.561, 0.562, 0.563), "momentum-cw": (0.562,) * 3}
    told = [
        r.model_copy(update={"accuracy_per_restart": runs.get(r.run, (0.9,) * 3), "restarts": 3})
        for r in found.records
        if r.attack.loss == "cw"
    ]
    three = replace(work, config=work.config.model_copy(update={"restarts": 3}))
    number = Number("table1", None, "lowest", "DAA lowest", "Figure 2")
    verdict = judged(number, three, Collected("figure", tuple(told)))
    assert verdict.why.startswith(
        "means of single runs: lower at 0, equal at 1, higher at 0 points"
    )


def test_where_another_attack_is_stronger_daa_does_not_lie_lowest(work, found):
    swapped = as_good_as(
        found.records,
        **{"momentum_cw": "dgf_cw", "blob_cw": "pgd_cw", "dgf_cw": "pgd_cw"},
        **{"momentum_xent": "dgf_xent", "blob_xent": "pgd_xent", "dgf_xent": "pgd_xent"},
    )
    assert everywhere(work, swapped) == ("opposite here", (0, 0, 2), (0, 2))
    runs = [record.run.replace("-", "_") for record in found.records]
    alike = as_good_as(found.records, **dict.fromkeys(runs, "pgd_cw"))
    assert everywhere(work, alike)[0] == "no difference found"
    half = {"accuracy_per_restart": (0.5,) * 10}
    lower = [r.model_copy(update=half) if r.run == "dgf-cw" else r for r in alike]
    assert everywhere(work, lower) == ("no difference found", (1, 1, 0), (0, 0))
    number = Number("table1", None, "lowest", "DAA lowest", "Figure 2")
    fifty = replace(work, config=work.config.model_copy(update={"restarts": 50}))
    verdict = judged(number, fifty, found)
    assert (verdict.word, verdict.restarts, verdict.of) == ("undecided yet", 10, 0)
    assert verdict.why.startswith("restarts are missing; means of single runs")
    # Runs with more restarts than others are not compared.
    uneven = [r.model_copy(update={"restarts": 9}) if r.run == "pgd-cw" else r for r in alike]
    for part in (Collected("figure", tuple(uneven)), replace(found, missing=fifty.config.rows[:1])):
        verdict = judged(number, work, part)
        assert (verdict.word, verdict.why, verdict.here) == (
            "undecided yet",
            "restarts are missing",
            "",
        )


def test_what_the_paper_prints_as_equal_is_not_reproduced_by_few_images(work, found):
    equal = Number("table1", "blob-xent", "order", "equal to PGD", "Table 4", 0)
    assert judged(equal, work, found).word == "stronger here"
    alike = as_good_as(found.records, blob_xent="pgd_xent")
    verdict = judged(equal, work, replace(found, records=tuple(alike)))
    assert verdict.word == "no difference found"
    swapped = as_good_as(found.records, blob_xent="pgd_xent", pgd_xent="blob_xent")
    assert judged(equal, work, replace(found, records=tuple(swapped))).word == "weaker here"


def test_an_order_waits_for_restarts_and_says_so(work, found):
    order = Number("table1", "blob-xent", "order", "below PGD", "Table 1", -1)
    fifty = replace(work, config=work.config.model_copy(update={"restarts": 50}))
    verdict = judged(order, fifty, found)
    assert verdict.word == "undecided yet"
    assert verdict.why.startswith("restarts are missing; only DAA 189")
    uneven = [
        r.model_copy(update={"restarts": 9}) if r.run == "pgd-xent" else r for r in found.records
    ]
    verdict = judged(order, work, replace(found, records=tuple(uneven)))
    assert verdict.why == "DAA and PGD have different numbers of restarts now"


def test_what_the_texts_leave_open_stands_beside_the_verdict(work, found):
    open_ = replace(worst(88.24), assumed="the texts give no step size; taken for 2/255")
    said = "; the texts give no step size; taken for 2/255"
    assert judged(open_, work, found).why == f"the paper's value lies in the interval{said}"
    assert judged(open_, on_stand_in(work), found).why == (
        f"on a stand-in for the paper's network{said}"
    )


def test_tests_are_judged_by_their_sign(work, found):
    verdict = judged(Number("table1", "dgf-xent", "t", "75.95", "text", 75.95), work, found)
    assert (verdict.word, verdict.here, verdict.of) == ("same sign", "73.05", 0)
    assert "judged by the sign" in verdict.why
    paired = judged(Number("table1", "dgf-xent", "p paired", "5e-43", "text"), work, found)
    assert (paired.word, paired.here) == ("same sign", "7.6e-14")
    percent = judged(Number("table1", "dgf-xent", "p", "0.0 %", "text"), work, found)
    assert percent.here.endswith(" %")
    p = float(percent.why.split()[3][:-1])
    assert float(percent.here[:-2]) == pytest.approx(100 * p, rel=0.05, abs=0)


def test_images_that_daa_alone_breaks(work, found):
    number = Number("table1", "blob-xent", "examples", "10", "Figure 1", 10)
    assert judged(number, work, found).word == "reproduced"
    assert judged(number, work, found).here == "189"
    more = replace(number, value=200.0)
    assert judged(more, work, found).word == "weaker here"


def test_all_runs_merged(work, found):
    number = Number("table1", None, "merged", "86", "text", 86.0)
    verdict = judged(number, work, found)
    broken = set().union(*(record.broken for record in found.records))
    assert verdict.here == f"{100 - len(broken) / 100:.2f}"
    unfinished = replace(found, missing=work.experiment.rows[:1])
    assert judged(number, work, unfinished).word == "undecided yet"


def test_no_value_of_another_network_is_judged(work, found):
    stand_in = on_stand_in(work)
    entry, instead = stand_in.entry, stand_in.entry.stand_in
    verdict = judged(worst(88.24), stand_in, found)
    assert verdict.word == "no verdict"
    assert verdict.why == "on a stand-in for the paper's network"
    order = Number("table1", "blob-xent", "order", "below PGD", "Table 1", -1)
    assert judged(order, stand_in, found).word == "reproduced"
    assert "stand-in" in judged(order, stand_in, found).why
    # Its own restarts and images are asked for, not those to which a user cuts the run.
    for asked, why in (({"restarts": 20}, "restarts are missing"), ({"images": 20_000}, "10,000")):
        larger = entry.model_copy(update={"stand_in": instead.model_copy(update=asked)})
        config = work.config.model_copy(update={"restarts": 50})
        verdict = judged(order, replace(stand_in, entry=larger, config=config), found)
        assert verdict.word == "undecided yet"
        assert verdict.why.startswith(why)
    ten = Number("table1", "blob-xent", "examples", "10", "Figure 1", 10)
    verdict = judged(ten, stand_in, found)
    assert (verdict.word, verdict.here) == ("no verdict", "189")


def test_a_stranger_and_random_weights_get_no_verdict(work, found):
    target = work.experiment.target
    verdict = judged(worst(88.24), work, found, {target: "clean accuracy: expected 98.53"})
    assert verdict.word == "no verdict"
    assert verdict.why == f"{target} is not the paper's network: clean accuracy: expected 98.53"
    own = [record.model_copy(update={"weights": "own"}) for record in found.records]
    verdict = judged(worst(88.24), work, replace(found, records=tuple(own)))
    assert (verdict.word, verdict.why) == ("no verdict", "random weights: a rehearsal")


def test_some_images_are_not_the_papers(work, found):
    some = [record.model_copy(update={"images": 9000}) for record in found.records]
    verdict = judged(worst(88.24), work, replace(found, records=tuple(some)))
    assert (verdict.word, verdict.why) == ("undecided yet", "9,000 of 10,000 images")


def test_what_is_missing_or_not_begun_says_so(work):
    assert judged(worst(1.0), work, None).why == "its turn has not come"
    verdict = judged(worst(1.0), replace(work, missing="no weights of x"), None)
    assert (verdict.word, verdict.why) == ("not run", "no weights of x")
